/** A table of `sidetrack top`: rows from a picture, filtered, in order, and cells of those that are shown. Pure. */
import { isFiltering, type Wanted } from './filter.js';
import type { Picture } from './picture.js';
import { harmless } from './text.js';

export interface Column<Row> {
  title: string;
  /** The key that sorts by it. */
  key: string;
  cell: (row: Row) => string;
  /** Numbers begin with the largest, texts with the first. */
  by: (row: Row) => number | string;
  /** Sorted by, but not shown. */
  hidden?: true;
}

export interface ViewSpec<Row> {
  name: string;
  columns: readonly Column<Row>[];
  /** Titles of columns; in a narrow window the last ones go first. */
  importance: readonly string[];
  /** Title of the column that it is sorted by at first. */
  sortedBy: string;
  rows: (picture: Picture) => readonly Row[];
  /** Tells a row from the others, also in the next picture. */
  id: (row: Row) => string;
  /** What plain words of a filter are looked for in. */
  text: (row: Row) => string;
  /** Filter options; without it they do not apply. */
  select?: (rows: readonly Row[], wanted: Wanted) => readonly Row[];
  /** Filter that shows the connections behind a row. */
  filterFor?: (row: Row) => string | undefined;
  /** What is missing, and what to type. */
  note?: (picture: Picture) => string | undefined;
}

export interface Order {
  /** Title of a column. */
  column: string;
  reversed: boolean;
}

export interface Listed {
  /** Without the filter. */
  total: number;
  /** In order. */
  ids: readonly string[];
  /** One cell for each column that is not hidden, harmless. */
  cells(index: number): string[];
  filterFor(index: number): string | undefined;
  note: string | undefined;
}

export interface Head {
  title: string;
  key: string;
  hidden: boolean;
  /** In a narrow window those with the largest number go first. */
  importance: number;
}

/** A view with the type of its rows kept inside. */
export interface View {
  name: string;
  columns: readonly Head[];
  sortedBy: string;
  list(picture: Picture, wanted: Wanted, order: Order): Listed;
}

export function defineView<Row>(spec: ViewSpec<Row>): View {
  const shown = spec.columns.filter(({ hidden }) => !hidden);
  return {
    name: spec.name,
    sortedBy: spec.sortedBy,
    columns: spec.columns.map(({ title, key, hidden = false }) => ({
      ...{ title, key, hidden },
      importance: spec.importance.indexOf(title),
    })),
    list: (picture, wanted, order) => {
      const all = spec.rows(picture);
      const rows = inOrder(spec, matching(spec, all, wanted), order);
      return {
        total: all.length,
        ids: rows.map(spec.id),
        cells: (index) => {
          const row = rows[index];
          return row === undefined ? [] : shown.map(({ cell }) => harmless(cell(row)));
        },
        filterFor: (index) => {
          const row = rows[index];
          return row === undefined ? undefined : spec.filterFor?.(row);
        },
        note: spec.note?.(picture),
      };
    },
  };
}

function matching<Row>(spec: ViewSpec<Row>, all: readonly Row[], wanted: Wanted) {
  if (!isFiltering(wanted)) return all;
  const rows = spec.select?.(all, wanted) ?? all;
  if (wanted.texts.length === 0) return rows;
  return rows.filter((row) => {
    const text = spec.text(row).toLowerCase();
    return wanted.texts.every((word) => text.includes(word));
  });
}

/** Each row's key is made once; rows of equal keys stay as they are. */
function inOrder<Row>(spec: ViewSpec<Row>, rows: readonly Row[], { column, reversed }: Order) {
  const by = spec.columns.find(({ title }) => title === column)?.by;
  if (by === undefined) return rows;
  const keyed = rows.map((row) => ({ row, key: by(row) }));
  const sign = reversed ? -1 : 1;
  keyed.sort((a, b) => sign * compare(a.key, b.key));
  return keyed.map(({ row }) => row);
}

function compare(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return b - a;
  return a < b ? -1 : a > b ? 1 : 0;
}
