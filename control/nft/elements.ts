/** Prefix sets, ports and MACs as elements of nft sets. */
import { formatV4, formatV6 } from '../config/address.js';
import type { PrefixSet } from '../policy/prefix-set.js';
import type { PortRange } from '../policy/rule.js';
import type { Expression, NftSet } from './json.js';

const V4_BITS = 32;
const V6_BITS = 128;

/** An interval set of one family, or undefined when `set` holds nothing of that family. */
export function addressSet(name: string, family: 4 | 6, set: PrefixSet): NftSet | undefined {
  const elements = family === 4 ? elements4(set) : elements6(set);
  if (elements.length === 0) return undefined;
  return {
    name,
    type: family === 4 ? 'ipv4_addr' : 'ipv6_addr',
    flags: ['interval'],
    elements,
  };
}

function elements4(set: PrefixSet): Expression[] {
  const { starts, ends } = set.v4Intervals();
  return Array.from(starts, (first, i) =>
    intervalElement(BigInt(first), BigInt(ends[i]!), V4_BITS, (value) => formatV4(Number(value))),
  );
}

function elements6(set: PrefixSet): Expression[] {
  const { starts, ends } = set.v6Intervals();
  return starts.map((first, i) => intervalElement(first, ends[i]!, V6_BITS, formatV6));
}

/** The form in which nft lists an interval: address, prefix, or range. */
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
