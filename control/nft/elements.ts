/** Prefix sets, ports and MACs as elements of nft sets. */
import { type Address, formatV4, formatV6 } from '../config/address.js';
import type { PrefixSet } from '../policy/prefix-set.js';
import type { PortRange } from '../policy/rule.js';
import { type AddressIntervals, rememberIntervals } from './address-intervals.js';
import type { Expression, NftSet } from './json.js';

const V4_BITS = 32;
const V6_BITS = 128;

/**
 * An interval set of one family, or undefined when `set` holds nothing of that family. The text of its elements is
 * made when it is asked for first: most plans compare digests and ask never.
 */
export function addressSet(name: string, family: 4 | 6, set: PrefixSet): NftSet | undefined {
  const intervals = family === 4 ? set.v4Intervals() : set.v6Intervals();
  if (intervals.starts.length === 0) return undefined;
  let elements: Expression[] | undefined;
  const made: NftSet = {
    name,
    type: family === 4 ? 'ipv4_addr' : 'ipv6_addr',
    flags: ['interval'],
    get elements() {
      elements ??= elementsOf(intervals);
      return elements;
    },
  };
  return rememberIntervals(made, intervals);
}

const elementsOf = ({ starts, ends }: AddressIntervals): Expression[] =>
  Array.from(starts, (first, i) => addressElement(first, ends[i]!));

/** An interval in the form in which nft lists it: address, prefix, or range. */
export function addressElement(first: Address, last: Address): Expression {
  if (typeof first === 'bigint') return intervalElement(first, BigInt(last), V6_BITS, formatV6);
  return intervalElement(BigInt(first), BigInt(last), V4_BITS, (value) => formatV4(Number(value)));
}

function intervalElement(
  first: bigint,
  last: bigint,
  bits: number,
  format: (value: bigint) => string,
): Expression {
  const size = last - first + 1n;
  if (size === 1n) return format(first);
  const isPrefix = (size & (size - 1n)) === 0n && (first & (size - 1n)) === 0n;
  if (!isPrefix) return { range: [format(first), format(last)] };
  return { prefix: { addr: format(first), len: bits - (size.toString(2).length - 1) } };
}

/** Ports as an interval set; the ranges are already merged. */
export function portSet(name: string, ports: readonly PortRange[]): NftSet {
  return {
    name,
    type: 'inet_service',
    flags: ['interval'],
    elements: ports.map(({ first, last }) => (first === last ? first : { range: [first, last] })),
  };
}

export function macSet(name: string, macs: readonly string[]): NftSet {
  return { name, type: 'ether_addr', elements: [...macs].sort() };
}
