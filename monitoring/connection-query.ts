/** Which connections of a list are wanted, and in which order: the words of the command line and of the pages. Pure. */
import { isIP } from 'node:net';
import { addressToBytes } from '../proxy/address.js';

/** What a filter looks at. */
export interface Selectable {
  client: string;
  originalDestination: string;
  upstream?: string;
  route?: string;
}

interface Way {
  bytes: number;
}

/** What rates are made from. */
export interface Moving {
  id: number;
  age: number;
  upload: Way;
  download: Way;
}

/** Bytes a second. */
export interface Rates {
  uploadRate: number;
  downloadRate: number;
}

/** A list and when it was made, Unix time in seconds. */
export interface ListAt<T> {
  at: number;
  connections: readonly T[];
}

/** Addresses from one to another, inclusive. */
export type AddressRange =
  | { family: 4; first: number; last: number }
  | { family: 6; first: bigint; last: bigint };

/** Every condition that is present must hold. */
export interface Filter {
  to?: AddressRange;
  client?: AddressRange;
  upstream?: string;
  route?: string;
  /** In one of the texts, in either case; of several words each. */
  q?: string;
}

export const SORTS = ['age', 'bytes', 'rate'] as const;
export type Sort = (typeof SORTS)[number];

/**
 * Rates between two lists; over its whole age for what is new, or without an earlier list. They are added to the
 * connections of `now`: ten thousand copies a second would cost more than all the rest.
 */
export function rate<T extends Moving>(now: ListAt<T>, before?: ListAt<Moving>): (T & Rates)[] {
  const earlier = new Map<number, Moving>();
  for (const one of before?.connections ?? []) earlier.set(one.id, one);
  const elapsed = now.at - (before?.at ?? 0);
  return now.connections.map((one) => {
    const old = earlier.get(one.id);
    const seconds = Math.max(old ? elapsed : one.age, 1e-3);
    return Object.assign(one, {
      uploadRate: (one.upload.bytes - (old?.upload.bytes ?? 0)) / seconds,
      downloadRate: (one.download.bytes - (old?.download.bytes ?? 0)) / seconds,
    });
  });
}

export function select<T extends Selectable>(
  all: readonly T[],
  { to, client, upstream, route, q }: Filter,
): T[] {
  const words = q?.toLowerCase().split(/\s+/).filter(Boolean) ?? [];
  return all.filter(
    (one) =>
      (upstream === undefined || one.upstream === upstream) &&
      (route === undefined || one.route === route) &&
      (to === undefined || contains(to, one.originalDestination)) &&
      (client === undefined || contains(client, one.client)) &&
      words.every((word) => isIn(one, word)),
  );
}

const isIn = ({ client, originalDestination, upstream, route }: Selectable, word: string) =>
  [client, originalDestination, upstream, route].some((text) => text?.toLowerCase().includes(word));

/** `192.0.2.1` of `192.0.2.1:80`, `2001:db8::1` of `[2001:db8::1]:80` */
export const hostOf = (endpoint: string) =>
  endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '');

const FIRST_OF_V4 = 12;

function contains(range: AddressRange, endpoint: string): boolean {
  const host = hostOf(endpoint);
  if (isIP(host) !== range.family || host.includes('%')) return false;
  if (range.family === 4) {
    const address = addressToBytes(host).readUInt32BE(FIRST_OF_V4);
    return range.first <= address && address <= range.last;
  }
  const bytes = addressToBytes(host);
  const address = (bytes.readBigUInt64BE(0) << 64n) | bytes.readBigUInt64BE(8);
  return range.first <= address && address <= range.last;
}

export const KEYS: Readonly<Record<Sort, (one: Moving & Rates) => number>> = {
  age: (one) => one.age,
  bytes: (one) => one.upload.bytes + one.download.bytes,
  rate: (one) => one.uploadRate + one.downloadRate,
};

/** Largest first; the older one where they are equal. */
export function order<T extends Moving & Rates>(all: readonly T[], sort: Sort): T[] {
  const key = KEYS[sort];
  return [...all].sort((a, b) => key(b) - key(a) || b.age - a.age || a.id - b.id);
}
