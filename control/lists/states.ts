/** How the fetched lists of a configuration are, for people, pages and metrics: no URL, no secret. */
import { dirname } from 'node:path';
import type { Config } from '../config/config.js';
import { copiesOf, type ListConfig } from '../config/list-config.js';
import { STALE_REFRESHES } from '../config/load-sets.js';
import { dueAt, type ListRecord, readRecord } from './record.js';

export interface ListState {
  set: string;
  /** CIDRs of the copy, of each family; absent before the first. */
  entries?: { v4: number; v6: number };
  format?: string;
  refreshSeconds: number;
  /** Unix seconds: when its server last said what is in it, and when it last changed. */
  checked?: number;
  fetched?: number;
  /** When it is to be fetched next. */
  next: number;
  /** It has been missed so often that it is no longer what it should be. */
  stale: boolean;
  failures: number;
  failuresInARow: number;
  /** Of the last attempt. */
  error?: { reason: string; message: string; hint: string };
}

export function listsOf({ sets }: Pick<Config, 'sets'>): ListConfig[] {
  return Object.values(sets).flatMap(({ list }) => (list ? [list] : []));
}

export async function listStates(
  config: Pick<Config, 'sets'>,
  now = Date.now() / 1000,
): Promise<ListState[]> {
  return Promise.all(listsOf(config).map((list) => listState(list, now)));
}

export async function listState(list: ListConfig, now: number): Promise<ListState> {
  const known = await newestRecord(list);
  const {
    entries,
    format,
    checked,
    fetched,
    error,
    failures = 0,
    failuresInARow = 0,
  } = known ?? {};
  const age = checked === undefined ? Number.POSITIVE_INFINITY : now - checked;
  return {
    set: list.name,
    ...(entries && { entries }),
    ...(format !== undefined && { format }),
    refreshSeconds: list.refreshSeconds,
    ...(checked !== undefined && { checked }),
    ...(fetched !== undefined && { fetched }),
    next: dueAt(list, known),
    stale: age > STALE_REFRESHES * list.refreshSeconds,
    failures,
    failuresInARow,
    ...(error && { error }),
  };
}

/** Of the copies that `newestCopy` chooses among. */
async function newestRecord(list: ListConfig): Promise<ListRecord | undefined> {
  const records = await Promise.all(
    copiesOf(list).map((path) => readRecord({ ...list, directory: dirname(path) })),
  );
  return records
    .flatMap((one) => (one ? [one] : []))
    .toSorted((a, b) => (b.checked ?? 0) - (a.checked ?? 0))[0];
}
