/** The columns of the connections. */
import type { ConnectionItem } from '../connection-page.js';
import { fillBadge, fillText, fillWays, fillWord } from './cells.js';
import { clientOf, connectionStanding } from './connections.js';
import { el, setAttribute } from './dom.js';
import { formatAge, formatBytes, formatRate, oneLine, UNKNOWN } from './format.js';
import type { TableColumn } from './table.js';

export interface ConnectionActs {
  /** Names of devices by address. */
  names: ReadonlyMap<string, string>;
  why: (one: ConnectionItem) => void;
  close: (one: ConnectionItem) => void;
}

export function connectionColumns(acts: ConnectionActs): TableColumn<ConnectionItem>[] {
  const shown = new WeakMap<HTMLElement, ConnectionItem>();
  return [
    {
      title: 'Client and destination',
      isName: true,
      fill(cell, one) {
        if (cell.childElementCount === 0)
          cell.append(el('span', { class: 'from' }), el('span', { class: 'to' }));
        fillText(childOf(cell, 0), clientOf(one, acts.names));
        fillWord(childOf(cell, 1), one.originalDestination, 60);
      },
    },
    {
      title: 'Through',
      wide: true,
      fill: (cell, { upstream, route }) =>
        fillWord(
          cell,
          route === undefined || route === 'default'
            ? (upstream ?? UNKNOWN)
            : `${upstream ?? UNKNOWN} by ${route}`,
        ),
    },
    { title: 'State', roomy: true, fill: (cell, one) => fillBadge(cell, connectionStanding(one)) },
    {
      title: 'Age',
      sort: 'age',
      numeric: true,
      wide: true,
      fill: (cell, { age }) => fillText(cell, formatAge(age)),
    },
    {
      title: 'Now',
      hint: 'download, upload',
      sort: 'rate',
      numeric: true,
      fill: (cell, { upload, download, open }) =>
        fillWays(
          cell,
          open ? formatRate(upload.rate) : UNKNOWN,
          open ? formatRate(download.rate) : UNKNOWN,
        ),
    },
    {
      title: 'Total',
      hint: 'download, upload',
      sort: 'bytes',
      numeric: true,
      roomy: true,
      fill: (cell, { upload, download }) =>
        fillWays(cell, formatBytes(upload.bytes), formatBytes(download.bytes)),
    },
    {
      title: 'Do',
      fill(cell, one) {
        shown.set(cell, one);
        if (cell.childElementCount === 0) cell.append(...buttonsOf(cell, shown, acts));
        const [why, close] = [childOf(cell, 0), childOf(cell, 1)];
        close.hidden = !one.open;
        const name = `${oneLine(one.client, 60)} to ${oneLine(one.originalDestination, 60)}`;
        setAttribute(why, 'aria-label', `Why this rule: ${name}`);
        setAttribute(close, 'aria-label', `Close: ${name}`);
      },
    },
  ];
}

function buttonsOf(
  cell: HTMLElement,
  shown: WeakMap<HTMLElement, ConnectionItem>,
  { why, close }: ConnectionActs,
): HTMLElement[] {
  const button = (text: string, act: (one: ConnectionItem) => void) => {
    const element = el('button', { type: 'button', class: 'small', tabindex: -1 }, text);
    element.addEventListener('click', () => {
      const one = shown.get(cell);
      if (one !== undefined) act(one);
    });
    return element;
  };
  return [button('Why', why), button('Close', close)];
}

function childOf(cell: HTMLElement, index: number): HTMLElement {
  const child = cell.children[index];
  return child instanceof HTMLElement ? child : cell;
}
