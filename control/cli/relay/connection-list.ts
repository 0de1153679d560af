/** A list of connections as people want it: columns. What is shown and in which order is monitoring's. Pure. */
import type { Rates } from '../../../monitoring/connection-query.js';
import type { ListedConnection } from '../../../monitoring/control-pages.js';

export {
  type Filter,
  KEYS,
  order,
  rate,
  SORTS,
  type Sort,
  select,
} from '../../../monitoring/connection-query.js';

/** With bytes a second of both directions. */
export type RatedConnection = ListedConnection & Rates;

const UNITS = ['', 'k', 'M', 'G', 'T', 'P'];

/** Three digits and a decimal unit: `999`, `1.23k`, `45.6M`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  if (unit === 0) return value.toFixed(0);
  return `${value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)}${UNITS[unit]}`;
}

/** Bytes a second as bits a second, which the live page shows, too, and lines are sold by: `941Mb`. */
export const formatBits = (bytesPerSecond: number): string => `${formatBytes(8 * bytesPerSecond)}b`;

/** `45s`, `3m20s`, `2h05m`, `4d03h` */
export function formatAge(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86_400)}d${two(Math.floor((whole % 86_400) / 3600))}h`;
}

function formatRtt(seconds: number | undefined): string {
  if (seconds === undefined) return '-';
  const ms = seconds * 1000;
  return ms < 10 ? ms.toFixed(2) : ms.toFixed(0);
}

/** `relaying`, or what is out of the ordinary. */
function formatState({ state, upload, download }: RatedConnection): string {
  if (state !== 'relaying') return state;
  const stalled = [upload.stalled && 'up', download.stalled && 'down'].filter(Boolean).join('+');
  if (stalled) return `stalled ${stalled}`;
  if (upload.ended || download.ended) return `${upload.ended ? 'up' : 'down'} ended`;
  return state;
}

export interface Column {
  title: string;
  cell: (one: RatedConnection) => string;
}

/** In the order in which they are shown. */
export const COLUMNS = {
  id: { title: 'id', cell: (one) => String(one.id) },
  client: { title: 'client', cell: (one) => one.client },
  destination: { title: 'destination', cell: (one) => one.originalDestination },
  upstream: { title: 'upstream', cell: (one) => one.upstream ?? '-' },
  age: { title: 'age', cell: (one) => formatAge(one.age) },
  up: { title: 'up', cell: (one) => formatBytes(one.upload.bytes) },
  down: { title: 'down', cell: (one) => formatBytes(one.download.bytes) },
  upRate: { title: 'up/s', cell: (one) => formatBits(one.uploadRate) },
  downRate: { title: 'down/s', cell: (one) => formatBits(one.downloadRate) },
  mode: { title: 'mode', cell: (one) => `${one.upload.mode}/${one.download.mode}` },
  rtt: {
    title: 'rtt ms',
    cell: (one) => `${formatRtt(one.rtt.client)}/${formatRtt(one.rtt.upstream)}`,
  },
  state: { title: 'state', cell: formatState },
} as const satisfies Readonly<Record<string, Column>>;
export type ColumnName = keyof typeof COLUMNS;
