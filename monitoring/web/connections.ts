/** Which connections are asked for, and how one of them reads. Pure. */
import type { CloseByPage, ConnectionItem } from '../connection-page.js';
import { type ConnectionFilter, hostOf } from './filter.js';
import { formatCount, oneLine } from './format.js';
import type { Level, Standing } from './place.js';

/** Largest first; the words of the command line. */
export const CONNECTION_SORTS = ['age', 'bytes', 'rate'] as const;
export type ConnectionSort = (typeof CONNECTION_SORTS)[number];

export const isConnectionSort = (word: string): word is ConnectionSort =>
  CONNECTION_SORTS.some((known) => known === word);

/** Rows of one page. */
export const PAGE_ROWS = 50;

export interface ConnectionQuery {
  filter: ConnectionFilter;
  state: 'open' | 'closed';
  sort: ConnectionSort;
  offset: number;
  limit: number;
}

export function pathOf({ filter, state, sort, offset, limit }: ConnectionQuery): string {
  const words = new URLSearchParams({
    ...filter,
    state,
    sort,
    limit: String(limit),
    offset: String(offset),
  });
  return `connections.json?${words}`;
}

export const closeRequestOf = (filter: ConnectionFilter): CloseByPage => ({ filter });

/** `51–100 of 5 000`; the first and last number that are shown. */
export function whereOf(offset: number, shown: number, matching: number, all: number): string {
  if (shown === 0) return all === 0 ? 'none' : `none of ${formatCount(all)}`;
  const range = `${formatCount(offset + 1)}–${formatCount(offset + shown)} of ${formatCount(matching)}`;
  return matching === all ? range : `${range} that match, ${formatCount(all)} in all`;
}

/** Where the page before and the one behind begin; `undefined` where there is none. */
export function pagesAround(offset: number, matching: number): { before?: number; after?: number } {
  return {
    ...(offset > 0 && { before: Math.max(offset - PAGE_ROWS, 0) }),
    ...(offset + PAGE_ROWS < matching && { after: offset + PAGE_ROWS }),
  };
}

/** An open one by what it does, one that has ended by how. */
export function connectionStanding(one: ConnectionItem): Standing {
  if (!one.open) {
    const isFine = one.state === 'finished' || one.state === 'closed';
    return { level: isFine ? 'ok' : 'warning', word: oneLine(one.state, 30).replaceAll('_', ' ') };
  }
  const stalled = [one.upload.stalled && 'upload', one.download.stalled && 'download'].filter(
    Boolean,
  );
  if (stalled.length > 0) return { level: 'warning', word: `${stalled.join(', ')} waits` };
  const level: Level = one.state === 'relaying' ? 'ok' : 'unknown';
  if (one.state === 'relaying' && (one.upload.ended || one.download.ended))
    return { level, word: `${one.upload.ended ? 'upload' : 'download'} ended` };
  return { level, word: oneLine(one.state, 30) };
}

/** The device's name before its address, where it has one. */
export function clientOf(one: ConnectionItem, names: ReadonlyMap<string, string>): string {
  const name = names.get(hostOf(one.client));
  return name === undefined ? oneLine(one.client, 60) : `${name} (${oneLine(one.client, 60)})`;
}
