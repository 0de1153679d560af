/** What a person should look at, each line with what to type; changes are also said to screen readers. */
import type { Health } from '../state.js';
import { type Badge, createBadge } from './badge.js';
import { byId, copy, el, Rows, setAttribute, setText } from './dom.js';
import { oneLine } from './format.js';
import type { Model, View } from './model.js';

interface Line {
  element: HTMLElement;
  badge: Badge;
  what: HTMLElement;
  next: HTMLElement;
  code: HTMLElement;
}

const WORDS: Readonly<Record<Health['level'], string>> = {
  ok: 'ok',
  warning: 'warning',
  critical: 'critical',
};

/** Lines beyond are counted. */
const LINES_MOST = 12;

export function healthView(announce: (text: string) => void): View {
  const list = byId('health-list', HTMLUListElement);
  const rows = new Rows<Health, Line>(list, keyOf, createLine, updateLine);
  let before: ReadonlyMap<string, Health> | undefined;
  return {
    update({ state }: Model) {
      if (state === undefined) return;
      const { health } = state;
      const shown = health.slice(0, LINES_MOST);
      rows.show(shown);
      const now = new Map(shown.map((one) => [keyOf(one), one]));
      if (before !== undefined) announceChanges(before, now, announce);
      before = now;
    },
  };
}

const keyOf = ({ level, host, what }: Health) => `${level} ${host} ${what}`;

function announceChanges(
  before: ReadonlyMap<string, Health>,
  now: ReadonlyMap<string, Health>,
  announce: (text: string) => void,
): void {
  const come = [...now].filter(([key]) => !before.has(key)).map(([, one]) => one);
  const gone = [...before].filter(([key]) => !now.has(key)).map(([, one]) => one);
  const text = [
    ...come.map(
      ({ level, host, what }) => `${WORDS[level]}: ${oneLine(host, 40)}: ${oneLine(what)}`,
    ),
    ...gone.filter(({ level }) => level !== 'ok').map(({ what }) => `over: ${oneLine(what)}`),
  ].join('. ');
  if (text !== '') announce(text);
}

function createLine(): Line {
  const badge = createBadge();
  const what = el('span', { class: 'what' });
  const code = el('code');
  const button = el('button', { type: 'button', class: 'small' }, 'Copy');
  const next = el('span', { class: 'next' }, code, button);
  button.addEventListener('click', async () => {
    const isCopied = await copy(code.textContent ?? '', code);
    setText(button, isCopied ? 'Copied' : 'Selected');
    setTimeout(() => setText(button, 'Copy'), 2000);
  });
  return { element: el('li', {}, badge.element, what, next), badge, what, next, code };
}

function updateLine({ element, badge, what, next, code }: Line, one: Health): void {
  badge.show({ level: one.level, word: WORDS[one.level] });
  setAttribute(element, 'data-level', one.level);
  setText(
    what,
    one.level === 'ok' ? oneLine(one.what) : `${oneLine(one.host, 40)}: ${oneLine(one.what)}`,
  );
  setText(code, oneLine(one.next));
  next.hidden = one.next === '';
  setAttribute(next.lastElementChild!, 'aria-label', `Copy: ${oneLine(one.next, 80)}`);
}
