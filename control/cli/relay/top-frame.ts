/** One picture of `sidetrack top`: a line of sums, then as many connections as fit. Pure. */
import pc from 'picocolors';
import { table } from '../output.js';
import {
  COLUMNS,
  type ColumnName,
  formatBytes,
  order,
  type RatedConnection,
  type Sort,
} from './connection-list.js';

export interface FrameOptions {
  port: number;
  /** Of all connections, shown or not. */
  open: number;
  sort: Sort;
  columns: number;
  /** Infinity for no limit. */
  rows: number;
}

/** What goes first when the window is narrow; the last ones go first. */
const IMPORTANCE: readonly ColumnName[] = [
  'id',
  'client',
  'destination',
  'downRate',
  'upRate',
  'age',
  'state',
  'down',
  'up',
  'mode',
  'upstream',
  'rtt',
];
const HEADER_LINES = 3;

export function topFrame(shown: readonly RatedConnection[], options: FrameOptions): string[] {
  const { port, open, sort, columns, rows } = options;
  const sum = (pick: (one: RatedConnection) => number) =>
    formatBytes(shown.reduce((total, one) => total + pick(one), 0));
  const count = shown.length === open ? `${open}` : `${shown.length} of ${open}`;
  const head = `relay on port ${port}: ${count} open, up ${sum((one) => one.uploadRate)}B/s, down ${sum((one) => one.downloadRate)}B/s`;
  const keys = `by ${sort}   [r]ate [b]ytes [a]ge [q]uit`;
  const visible = order(shown, sort).slice(0, Math.max(rows - HEADER_LINES, 0));
  const left = shown.length - visible.length;
  return [
    cut(head, columns),
    pc.dim(cut(left > 0 ? `${keys}   ${left} more` : keys, columns)),
    ...fittingColumns(visible, columns),
  ];
}

/** The most important columns that have room beside each other. */
function fittingColumns(visible: readonly RatedConnection[], width: number): string[] {
  for (let count = IMPORTANCE.length; count > 0; count--) {
    const chosen = new Set(IMPORTANCE.slice(0, count));
    const names = (Object.keys(COLUMNS) as ColumnName[]).filter((name) => chosen.has(name));
    const header = names.map((name) => COLUMNS[name].title);
    const cells = visible.map((one) => names.map((name) => COLUMNS[name].cell(one)));
    const widths = header.map((title, i) =>
      Math.max(title.length, ...cells.map((row) => row[i]!.length)),
    );
    const needed = widths.reduce((sum, one) => sum + one, 2 * (names.length - 1));
    if (needed <= width || count === 1) return table(header, cells);
  }
  return [];
}

const cut = (text: string, width: number) => text.slice(0, width);
