/** Tables whose head says by what they are sorted, and whose rows the arrow keys walk. */
import { el, type Row, Rows, setAttribute, setText } from './dom.js';

export interface TableColumn<Item> {
  title: string;
  /** Fills the cell, which it gets again each time. */
  fill: (cell: HTMLElement, item: Item) => void;
  /** Aligned by their digits. */
  numeric?: boolean;
  /** Left out where there is little room. */
  wide?: boolean;
  /** Left out on a phone. */
  roomy?: boolean;
  /** Makes the head a button that sorts by this word. */
  sort?: string;
  /** Sorted from the smallest on. */
  ascending?: boolean;
  /** For readers that do not see the table: what the title leaves out. */
  hint?: string;
  /** Names the row. */
  isName?: boolean;
}

export interface TableOptions<Item> {
  caption: string;
  columns: readonly TableColumn<Item>[];
  keyOf: (item: Item) => string;
  /** Told which word was chosen. */
  onSort?: (by: string) => void;
  /** See `Rows`; then no cell may remember its item beyond the next filling. */
  recycles?: boolean;
  /** Keys on a row, beside the arrows. */
  onKey?: (key: string, item: Item) => void;
}

export interface Table<Item> {
  show(items: readonly Item[], sortedBy?: string): void;
  /** Instead of rows; an empty text takes it away. */
  say(text: string): void;
}

interface ItemRow<Item> extends Row {
  element: HTMLTableRowElement;
  item: Item;
  cells: HTMLElement[];
}

/** @param room gets the table; it scrolls sideways where it has to, so the keyboard must reach it. */
export function createTable<Item>(room: HTMLElement, options: TableOptions<Item>): Table<Item> {
  const { caption, columns, keyOf, onSort, onKey, recycles = false } = options;
  const heads = columns.map((column) => headOf(column, onSort));
  const body = el('tbody');
  const notice = el('p', { class: 'notice', hidden: true });
  const table = el(
    'table',
    {},
    el('caption', { class: 'hidden' }, caption),
    el('thead', {}, el('tr', {}, ...heads)),
    body,
  );
  room.append(table, notice);
  setAttribute(room, 'role', 'group');
  setAttribute(room, 'aria-label', caption);
  const items = new Map<Element, ItemRow<Item>>();
  const rows = new Rows<Item, ItemRow<Item>>(
    body,
    keyOf,
    (item) => {
      const row = rowOf(item, columns, onKey !== undefined);
      items.set(row.element, row);
      return row;
    },
    (row, item) => {
      row.item = item;
      columns.forEach(({ fill }, i) => {
        fill(row.cells[i]!, item);
      });
    },
    recycles,
  );
  if (onKey !== undefined)
    walkRows(body, (element, key) => {
      const row = items.get(element);
      if (row !== undefined) onKey(key, row.item);
    });
  return {
    show(list, sortedBy) {
      rows.show(list);
      for (const element of items.keys()) if (!element.isConnected) items.delete(element);
      columns.forEach(({ sort, ascending }, i) => {
        const isSorted = sort !== undefined && sort === sortedBy;
        setAttribute(
          heads[i]!,
          'aria-sort',
          isSorted ? (ascending ? 'ascending' : 'descending') : undefined,
        );
      });
      if (onKey !== undefined) keepOneStop(body);
    },
    say(text) {
      setText(notice, text);
      notice.hidden = text === '';
      table.hidden = text !== '' && rows.size === 0;
    },
  };
}

const classesOf = ({
  numeric,
  wide,
  roomy,
}: Pick<TableColumn<never>, 'numeric' | 'wide' | 'roomy'>) =>
  [numeric && 'number', wide && 'wide', roomy && 'roomy'].filter(Boolean).join(' ') || undefined;

function headOf<Item>(column: TableColumn<Item>, onSort: ((by: string) => void) | undefined) {
  const { title, sort, hint } = column;
  const text = el('span', {}, title, hint === undefined ? undefined : hidden(` ${hint}`));
  const head = el('th', { scope: 'col', ...optional('class', classesOf(column)) });
  if (sort === undefined || onSort === undefined) {
    head.append(text);
    return head;
  }
  const button = el('button', { type: 'button', class: 'sort' }, text);
  button.addEventListener('click', () => onSort(sort));
  head.append(button);
  return head;
}

export const hidden = (text: string): HTMLElement => el('span', { class: 'hidden' }, text);

const optional = (name: string, value: string | undefined) =>
  value === undefined ? {} : { [name]: value };

function rowOf<Item>(
  item: Item,
  columns: readonly TableColumn<Item>[],
  isStop: boolean,
): ItemRow<Item> {
  const cells = columns.map((column) =>
    column.isName
      ? el('th', { scope: 'row', ...optional('class', classesOf(column)) })
      : el('td', { ...optional('class', classesOf(column)) }),
  );
  return { element: el('tr', isStop ? { tabindex: -1 } : {}, ...cells), item, cells };
}

/** Tab comes to the table once; from there the arrows go on. */
function keepOneStop(body: HTMLElement): void {
  const rows = [...body.children].filter((row) => row instanceof HTMLElement);
  if (rows.length > 0 && !rows.some((row) => row.tabIndex === 0)) rows[0]!.tabIndex = 0;
}

function walkRows(body: HTMLElement, onKey: (row: Element, key: string) => void): void {
  const goTo = (from: HTMLElement, to: Element | null | undefined) => {
    if (!(to instanceof HTMLElement)) return;
    from.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  };
  body.addEventListener('keydown', (event) => {
    const row = event.target;
    if (!(row instanceof HTMLTableRowElement) || event.ctrlKey || event.metaKey || event.altKey)
      return;
    const target: Readonly<Record<string, () => Element | null | undefined>> = {
      ArrowDown: () => row.nextElementSibling,
      ArrowUp: () => row.previousElementSibling,
      Home: () => body.firstElementChild,
      End: () => body.lastElementChild,
    };
    const find = target[event.key];
    if (find !== undefined) goTo(row, find());
    else if (event.key === 'Enter' || event.key === 'Delete') onKey(row, event.key);
    else return;
    event.preventDefault();
  });
}
