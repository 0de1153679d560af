/** Prefixes of NAT64 (RFC 6052): IPv6 addresses below them hold an IPv4 address. */
import type { Nat64Prefix } from '../../bpf/policy.js';
import { formatAddress } from './address.js';
import type { Problem } from './diagnostic.js';
import { isProblem, parseEntry } from './entry.js';

export type { Nat64Prefix };

/** RFC 6052, 2.2. */
export const NAT64_LENGTHS: readonly number[] = [32, 40, 48, 56, 64, 96];
export const WELL_KNOWN_NAT64 = '64:ff9b::/96';
/** What the eBPF classifier has room for. */
export const NAT64_PREFIXES_MAX = 8;

const RESERVED_OCTET = 0xffn << 56n;
const HINT = `write prefixes such as ${WELL_KNOWN_NAT64}`;

/** The prefix, or what is wrong with it. */
export function parseNat64(text: string): Nat64Prefix | Problem {
  const entry = parseEntry(text);
  if (isProblem(entry)) return entry;
  const length = Number(/\/(\d+)$/.exec(text)?.[1] ?? Number.NaN);
  if (entry.family === 4) return { message: `"${text}" is not an IPv6 prefix`, hint: HINT };
  if (!NAT64_LENGTHS.includes(length)) {
    const lengths = `${NAT64_LENGTHS.slice(0, -1).join(', ')} or ${NAT64_LENGTHS.at(-1)}`;
    return { message: `"${text}": the length of a NAT64 prefix is ${lengths}`, hint: HINT };
  }
  const { first: address } = entry;
  if ((address & RESERVED_OCTET) !== 0n)
    return { message: `"${text}": bits 64 to 71 of a NAT64 prefix are zero`, hint: HINT };
  if (address >> 48n === 0n)
    return { message: `"${text}": packets with such addresses are always dropped`, hint: HINT };
  return { address, length };
}

export function nat64Problem(text: string): Problem | undefined {
  const parsed = parseNat64(text);
  return 'message' in parsed ? parsed : undefined;
}

export const formatNat64 = ({ address, length }: Nat64Prefix): string =>
  `${formatAddress(address)}/${length}`;

const lastOf = ({ address, length }: Nat64Prefix) => address + (1n << BigInt(128 - length)) - 1n;

/** Whether an address could lie in both, and so hold two IPv4 addresses. */
export function overlap(a: Nat64Prefix, b: Nat64Prefix): boolean {
  return a.address <= lastOf(b) && b.address <= lastOf(a);
}
