/** What `?` shows. Pure. */
import type { Health } from '../../../monitoring/state.js';
import { harmless } from './text.js';
import type { View } from './view.js';

const KEYS = [
  '1-6, Tab       connections, clients, rules, upstreams, hosts, servers',
  'arrows, PgUp, PgDn, Home, End   choose a row; Home stays at the top of the list',
  'Enter          the connections of the client or upstream that is chosen',
  '/              filter: client 192.168.1.0/24, to 203.0.113.7, upstream NAME, or any text',
  'Esc            without a filter',
  'p, Space       pause and go on',
  'x              close the chosen connection; asks first',
  'X              close all connections that the filter shows; asks first',
  '< >            sort by the column before or behind',
  'up/s, down/s   bits a second (b); up and down are bytes so far',
  'Ctrl-L         draw anew      Ctrl-Z   suspend      q, Ctrl-C   quit',
];

/** @param health all of it; the line above the views has room for the worst alone. */
export function helpLines({ name, columns }: View, health: readonly Health[]): string[] {
  const sorts = columns.map(({ key, title }) => `${key} ${title}`);
  const troubles = health
    .filter(({ level }) => level !== 'ok')
    .flatMap(({ level, host, what, next }) => [
      harmless(`${level} ${host}: ${what}`),
      ...(next === '' ? [] : [`    ${harmless(next)}`]),
    ]);
  return [...troubles, ...[...KEYS, `Sort ${name} by (once more: reversed):`, ...inRows(sorts)]];
}

const PER_ROW = 5;
const WIDTH = 15;

function inRows(texts: readonly string[]): string[] {
  const count = Math.ceil(texts.length / PER_ROW);
  return Array.from({ length: count }, (_, i) =>
    texts
      .slice(i * PER_ROW, (i + 1) * PER_ROW)
      .map((text) => text.padEnd(WIDTH))
      .join('')
      .trimEnd(),
  ).map((text) => `  ${text}`);
}
