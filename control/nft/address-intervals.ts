/** Elements of an interval set of addresses as numbers, so that sets are compared by what they mean. */
import { createHash } from 'node:crypto';
import { type Address, parseAddress } from '../config/address.js';
import type { NftSet } from './json.js';

/** Sorted and disjoint, both ends inclusive; neighbours may touch. */
export interface AddressIntervals {
  readonly starts: ArrayLike<Address>;
  readonly ends: ArrayLike<Address>;
}

type Interval = readonly [first: Address, last: Address];

const V4_BITS = 32;
const V6_BITS = 128;
const ADDRESS_TYPES = ['ipv4_addr', 'ipv6_addr'];

/** What the maker of a set knew already; of a set that is data alone the elements are read. */
const known = new WeakMap<NftSet, AddressIntervals>();

export function rememberIntervals(set: NftSet, intervals: AddressIntervals): NftSet {
  known.set(set, intervals);
  return set;
}

/**
 * Of a set of ours that may hold a hundred thousand addresses: it is told by a digest, and changed by what
 * differs. Undefined of any other.
 */
export function intervalsOf(set: NftSet): AddressIntervals | undefined {
  const { type, flags = [] } = set;
  const isOne = typeof type === 'string' && ADDRESS_TYPES.includes(type);
  if (!isOne || !flags.includes('interval')) return undefined;
  const intervals = known.get(set) ?? (set.elements && readIntervals(set.elements));
  if (intervals !== undefined) known.set(set, intervals);
  return intervals;
}

/**
 * @param elements as nft lists them with `-j`, or as we write them.
 * @returns undefined where one of them is more than an interval: a time-out, a comment, a counter.
 */
export function readIntervals(elements: readonly unknown[]): AddressIntervals | undefined {
  const intervals: Interval[] = [];
  let isSorted = true;
  for (const element of elements) {
    const interval = readInterval(element);
    if (interval === undefined || interval[1] < interval[0]) return undefined;
    const before = intervals.at(-1);
    if (before !== undefined && interval[0] <= before[1]) isSorted = false;
    intervals.push(interval);
  }
  if (!isSorted) intervals.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const overlap = intervals.some(([first], i) => i > 0 && first <= intervals[i - 1]![1]);
  if (overlap) return undefined;
  return { starts: intervals.map(([first]) => first), ends: intervals.map(([, last]) => last) };
}

function readInterval(element: unknown): Interval | undefined {
  if (typeof element === 'string') {
    const address = parseAddress(element);
    return address === undefined ? undefined : [address, address];
  }
  if (typeof element !== 'object' || element === null) return undefined;
  if ('prefix' in element) return readPrefix(element.prefix);
  if (!('range' in element) || !Array.isArray(element.range)) return undefined;
  const [first, last] = element.range.map((one) => parseAddress(String(one)));
  if (first === undefined || last === undefined || typeof first !== typeof last) return undefined;
  return [first, last];
}

function readPrefix(prefix: unknown): Interval | undefined {
  if (typeof prefix !== 'object' || prefix === null) return undefined;
  if (!('addr' in prefix) || !('len' in prefix)) return undefined;
  const first = parseAddress(String(prefix.addr));
  const length = Number(prefix.len);
  if (first === undefined || !Number.isInteger(length) || length < 0) return undefined;
  const free = (typeof first === 'number' ? V4_BITS : V6_BITS) - length;
  if (free < 0) return undefined;
  if (typeof first === 'number') return [first, first + 2 ** free - 1];
  return [first, first + (1n << BigInt(free)) - 1n];
}

const digests = new WeakMap<AddressIntervals, string>();

/** Names the meaning of a set, the same however its elements are written. */
export function intervalDigest(intervals: AddressIntervals): string {
  const digest = digests.get(intervals) ?? digestOf(intervals);
  digests.set(intervals, digest);
  return digest;
}

function digestOf({ starts, ends }: AddressIntervals): string {
  const hash = createHash('sha256');
  for (const list of [starts, ends])
    if (typeof list[0] === 'number') hash.update(Uint32Array.from(list as ArrayLike<number>));
    else hash.update(Array.from(list).join());
  return hash.digest('hex').slice(0, 32);
}
