/** One list: fetched, verified, read, judged against the copy that is there, and kept. */
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type Diagnostic, formatDiagnostic } from '../config/diagnostic.js';
import { readList } from '../config/formats/read.js';
import { copyIn, type ListConfig } from '../config/list-config.js';
import { locationsOf } from '../config/load-sets.js';
import { readFailure } from '../config/read-failure.js';
import { PrefixSet } from '../policy/prefix-set.js';
import { cidrText } from './cidr-text.js';
import { ListError } from './failure.js';
import { type FetchedBody, fetchList } from './fetch.js';
import { dueAt, freshRecord, type ListRecord, readRecord } from './record.js';
import { signatureProblem } from './signature.js';
import { touch, writeRecord, writeWhole } from './store.js';

export interface RefreshOptions {
  /** Also where the copy is young enough. */
  force?: boolean;
  /** A list with fewer entries than `shrink_limit` allows is taken. */
  acceptShrunken?: boolean;
  /** Unix seconds. */
  now?: () => number;
}

export type Refreshed =
  /** Not due yet. */
  | { kind: 'skipped'; next: number }
  /** The server says, or the content is, that of the copy. */
  | { kind: 'unchanged'; record: ListRecord }
  | { kind: 'changed'; record: ListRecord; before?: ListRecord['entries']; warnings: Diagnostic[] }
  /** The copy stands, if there is one. */
  | { kind: 'failed'; error: ListError; record: ListRecord };

/** Never throws for what a server, a list or a full disk does: that is `failed`, and noted. */
export async function refreshList(
  list: ListConfig,
  { force = false, now = () => Date.now() / 1000, ...options }: RefreshOptions = {},
): Promise<Refreshed> {
  const at = now();
  const known = await readRecord(list);
  // Root's copy, which a user reads, is none that he could refresh.
  const hasCopy = (await stat(copyIn(list)).catch(() => undefined)) !== undefined;
  const due = !hasCopy && (known?.failuresInARow ?? 0) === 0 ? 0 : dueAt(list, known);
  if (!force && due > at) return { kind: 'skipped', next: due };
  const before = known ?? freshRecord(list.name, at);
  try {
    return await attempt(list, before, hasCopy, { at, ...options });
  } catch (error) {
    const failure = asFailure(error);
    const record = failed(before, at, failure);
    // A disk that is full cannot be told of that.
    await writeRecord(list, record).catch(() => {});
    return { kind: 'failed', error: failure, record };
  }
}

function asFailure(error: unknown): ListError {
  if (error instanceof ListError) return error;
  if (error instanceof Error && 'code' in error)
    return new ListError('disk', `cannot read a file: ${readFailure(error)}`, 'see to it', error);
  // Nested beyond all sense, for one.
  if (error instanceof RangeError)
    return new ListError('malformed', 'it cannot be read as a list', 'look at what it is', error);
  throw error;
}

function failed(before: ListRecord, attempted: number, error: ListError): ListRecord {
  return {
    ...before,
    attempted,
    failures: before.failures + 1,
    failuresInARow: before.failuresInARow + 1,
    error: { reason: error.reason, message: error.message, hint: error.hint ?? '' },
  };
}

interface Attempt extends Pick<RefreshOptions, 'acceptShrunken'> {
  at: number;
}

async function attempt(
  list: ListConfig,
  before: ListRecord,
  hasCopy: boolean,
  { at, acceptShrunken = false }: Attempt,
): Promise<Refreshed> {
  const { error: _error, ...known } = before;
  const trust = list.caFile === undefined ? {} : { ca: await readFile(list.caFile, 'utf8') };
  const { etag, lastModified } = hasCopy ? known : {};
  const got = await fetchList({
    ...list,
    ...trust,
    ...(etag !== undefined && { etag }),
    ...(lastModified !== undefined && { lastModified }),
  });
  const succeeded = { ...known, checked: at, attempted: at, failuresInARow: 0 };
  if (got.kind === 'unchanged') return stands(list, succeeded, at);
  await verify(list, got.bytes, trust);
  const { text, entries, format, warnings } = await read(list, got.bytes);
  const digest = createHash('sha256').update(text).digest('hex');
  const fresh = { ...succeeded, ...tagsOf(got), digest, entries, format };
  if (hasCopy && digest === known.digest) return stands(list, fresh, at);
  if (hasCopy && !acceptShrunken) assertNotShrunken(list, known.entries, entries);
  await writeWhole(copyIn(list), text);
  const record = { ...fresh, fetched: at };
  await writeRecord(list, record);
  return {
    kind: 'changed',
    record,
    warnings,
    ...(known.entries !== undefined && { before: known.entries }),
  };
}

async function stands(list: ListConfig, record: ListRecord, at: number): Promise<Refreshed> {
  await touch(list, at);
  await writeRecord(list, record);
  return { kind: 'unchanged', record };
}

/** Those of an answer before mean nothing for this one. */
function tagsOf({ etag, lastModified }: FetchedBody) {
  return {
    ...(etag !== undefined && { etag }),
    ...(lastModified !== undefined && { lastModified }),
  };
}

const MOST_OF_A_CHECKSUM = 64 * 1024;

async function verify(list: ListConfig, bytes: Buffer, trust: { ca?: string }): Promise<void> {
  const { sha256, sha256Url, signature, redirects, timeoutSeconds } = list;
  const small = { redirects, timeoutSeconds, maxBytes: MOST_OF_A_CHECKSUM, ...trust };
  const textAt = async (url: string) => {
    const got = await fetchList({ ...small, url });
    return got.kind === 'body' ? got.bytes.toString('utf8') : '';
  };
  const wanted = sha256Url === undefined ? sha256 : checksumIn(await textAt(sha256Url), list.url);
  if (wanted !== undefined) {
    const found = createHash('sha256').update(bytes).digest('hex');
    if (found !== wanted)
      throw new ListError(
        'checksum',
        `the list has the SHA-256 ${found.slice(0, 12)}… and not ${wanted.slice(0, 12)}…`,
        sha256Url === undefined
          ? 'look at the new list; where it is right, write its sha256'
          : 'the list and its checksum may just be changing: it is tried again',
      );
  }
  if (signature === undefined) return;
  const problem = signatureProblem(signature.key, await textAt(signature.url), bytes);
  if (problem !== undefined)
    throw new ListError(
      'signature',
      `the signature of the list is not good: ${problem}`,
      'do not use this list before you know why',
    );
}

/** Of several the one beside the name of the list. */
export function checksumIn(text: string, url: string): string {
  const name = new URL(url).pathname.split('/').at(-1) ?? '';
  const sums = text.split('\n').flatMap((line) => {
    const [, sum] = /(?:^|[\s=(])([0-9a-f]{64})(?=$|[\s*])/i.exec(line.slice(0, 1024)) ?? [];
    return sum === undefined ? [] : [{ sum: sum.toLowerCase(), line }];
  });
  const named =
    sums.length > 1 ? sums.find(({ line }) => name !== '' && line.includes(name)) : sums[0];
  if (named !== undefined) return named.sum;
  throw new ListError(
    'checksum',
    'what is published at sha256_url has no SHA-256 of the list',
    'look at it; the name of the list has to stand beside its sum',
  );
}

const GZIP = Buffer.from('1f8b', 'hex');
const unpack = promisify(gunzip);

/** What has `.gz` as its name is packed without saying so in a header. */
async function unpacked({ maxBytes }: ListConfig, bytes: Buffer): Promise<Buffer> {
  if (!bytes.subarray(0, 2).equals(GZIP)) return bytes;
  try {
    return await unpack(bytes, { maxOutputLength: maxBytes });
  } catch (cause) {
    const isLong = cause instanceof RangeError;
    throw new ListError(
      isLong ? 'too_large' : 'malformed',
      isLong
        ? `the list is longer than ${Math.floor(maxBytes / 1024 / 1024)} MiB when it is unpacked`
        : 'the packed list is damaged or cut off',
      isLong ? 'where it is the list, write a larger max_size_mib' : 'it is tried again',
      cause,
    );
  }
}

/** What a copy may hold; more would not fit into a router either. */
const MOST_CIDRS = 8_000_000;

async function read(list: ListConfig, bytes: Buffer) {
  const { choice, locationsFile, shownUrl, minEntries } = list;
  const whole = { ...choice, ...(await locationsOf(locationsFile)) };
  const found = readList(shownUrl, await unpacked(list, bytes), whole, { masks: true });
  const [first, ...others] = found.diagnostics;
  if (first !== undefined) {
    const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
    throw new ListError(
      'malformed',
      `the list cannot be read: ${formatDiagnostic(first)}${more}`,
      'look at it; the copy that is there stays in use',
    );
  }
  const all = cidrText(PrefixSet.of(found.entries), MOST_CIDRS);
  if (all === undefined)
    throw new ListError(
      'too_large',
      `the list is more than ${MOST_CIDRS} networks`,
      'look at what it is; ranges of odd addresses are many networks each',
    );
  const { text, ...entries } = all;
  const count = entries.v4 + entries.v6;
  // A list that may be empty is one that the file says so of.
  if (count === 0 && minEntries > 0)
    throw new ListError(
      'empty',
      `the list is empty${choice.countries.length > 0 ? ` for country ${choice.countries.join(', ')}` : ''}`,
      'look at it; where it may be empty, write min_entries: 0',
    );
  if (count < minEntries)
    throw new ListError(
      'shrunken',
      `the list has ${count} entries and not ${minEntries}`,
      'look at it, or write a smaller min_entries',
    );
  return { text, entries, format: found.format, warnings: found.warnings };
}

/** Each family by itself: a list without its IPv6 part is hardly shorter. */
function assertNotShrunken(
  { shrinkLimit }: ListConfig,
  before: ListRecord['entries'],
  after: NonNullable<ListRecord['entries']>,
): void {
  if (before === undefined) return;
  for (const [family, name] of [
    ['v4', 'IPv4'],
    ['v6', 'IPv6'],
  ] as const)
    if (100 * after[family] < shrinkLimit * before[family])
      throw new ListError(
        'shrunken',
        `the list has ${after[family]} ${name} entries, and had ${before[family]}: fewer than ${shrinkLimit} per cent are refused`,
        'look at it; where it is right: sidetrack refresh --accept-shrunken SET',
      );
}
