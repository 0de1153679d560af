/** What is known of a copy: when it was fetched, what is in it, and what went wrong since. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ListConfig } from '../config/list-config.js';
import { readContract } from '../contract.js';

const VERSION = 1;

const count = z.int().min(0);
const time = z.number().min(0);

const record = z.object({
  version: z.literal(VERSION),
  set: z.string(),
  /** When the server last said what is in the copy, or that it still stands; Unix seconds. */
  checked: time.exactOptional(),
  /** When the copy itself came. */
  fetched: time.exactOptional(),
  /** When it was last tried, with success or without. */
  attempted: time,
  etag: z.string().exactOptional(),
  lastModified: z.string().exactOptional(),
  /** SHA-256 of the copy. */
  digest: z.string().exactOptional(),
  format: z.string().exactOptional(),
  /** CIDRs, of each family. */
  entries: z.object({ v4: count, v6: count }).exactOptional(),
  /** Of all times. */
  failures: count,
  /** Since the last success. */
  failuresInARow: count,
  /** What the last attempt failed of. */
  error: z.object({ reason: z.string(), message: z.string(), hint: z.string() }).exactOptional(),
});

export type ListRecord = z.output<typeof record>;

export const recordPath = ({ directory, key }: Pick<ListConfig, 'directory' | 'key'>): string =>
  join(directory, `${key}.json`);

/** Nothing where there is none, or none that can be read: the copy itself needs none. */
export async function readRecord(
  place: Pick<ListConfig, 'directory' | 'key'>,
): Promise<ListRecord | undefined> {
  const text = await readFile(recordPath(place), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const read = readContract(text, record);
  return 'value' in read ? read.value : undefined;
}

export const freshRecord = (set: string, attempted: number): ListRecord => ({
  version: VERSION,
  set,
  attempted,
  failures: 0,
  failuresInARow: 0,
});

const FIRST_RETRY = 300;
const LONGEST_RETRY = 3600;

/** When it is to be fetched next, in Unix seconds: sooner after a failure, and ever later after more. */
export function dueAt(
  { refreshSeconds }: Pick<ListConfig, 'refreshSeconds'>,
  known: ListRecord | undefined,
): number {
  if (known === undefined) return 0;
  const { checked, attempted, failuresInARow: failed } = known;
  if (failed === 0) return (checked ?? 0) + refreshSeconds;
  const retry = Math.min(FIRST_RETRY * 2 ** Math.min(failed - 1, 10), LONGEST_RETRY);
  return attempted + Math.min(retry, refreshSeconds);
}
