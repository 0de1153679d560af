/** What cells of several tables have in common. */
import { type Badge, createBadge } from './badge.js';
import { el, setText } from './dom.js';
import { oneLine } from './format.js';
import type { Standing } from './place.js';

export const fillText = (cell: HTMLElement, text: string): void => setText(cell, text);

/** Text of the network or of the configuration, of any length: the rest is shown on hover. */
export function fillWord(cell: HTMLElement, text: string, most = 40): void {
  setText(cell, oneLine(text, most));
  if (text.length > most) cell.title = oneLine(text, 400);
  else cell.removeAttribute('title');
}

/** Upload above download, each with an arrow that is not read out. */
export function fillWays(cell: HTMLElement, upload: string, download: string): void {
  if (cell.childElementCount === 0)
    cell.append(el('span', { class: 'down' }), el('span', { class: 'up' }));
  setText(cell.children[0]!, download);
  setText(cell.children[1]!, upload);
}

const badges = new WeakMap<HTMLElement, Badge>();

export function fillBadge(cell: HTMLElement, standing: Standing): void {
  let badge = badges.get(cell);
  if (badge === undefined) {
    badge = createBadge();
    badges.set(cell, badge);
    cell.append(badge.element);
  }
  badge.show(standing);
}
