/** Addresses of NAT64, made bit by bit as RFC 6052, 2.2 draws them. */
import fc from 'fast-check';
import { type Nat64Prefix, parseNat64 } from '../../control/config/nat64-prefix.js';

export function nat64(...texts: string[]): Nat64Prefix[] {
  return texts.map((text) => {
    const prefix = parseNat64(text);
    if ('message' in prefix) throw new RangeError(prefix.message);
    return prefix;
  });
}

/** One of each length. */
export const ALL_LENGTHS: readonly Nat64Prefix[] = nat64(
  ...['64:ff9b::/96', '2001:db8:32::/64', '2001:db8:4000::/40', '2001:db9::/32'],
  ...['2001:db8:4801::/48', '2001:db8:5601:4200::/56'],
);
export const LISTS: readonly (readonly Nat64Prefix[])[] = [
  [],
  ALL_LENGTHS.slice(0, 1),
  ALL_LENGTHS,
];

/** The 128 bits are written one after the other: prefix, IPv4 and suffix, with `octet` from bit 64. */
export function embed(prefix: Nat64Prefix, v4: number, suffix = 0n, octet = 0n): bigint {
  const bits = (value: bigint, count: number) =>
    value.toString(2).padStart(count, '0').slice(-count);
  const head = bits(prefix.address, 128).slice(0, prefix.length);
  const inner = bits(BigInt(v4), 32);
  if (prefix.length === 96) return BigInt(`0b${head}${inner}`);
  const tail = (head + inner + bits(suffix, 128)).slice(0, 120);
  return BigInt(`0b${tail.slice(0, 64)}${bits(octet, 8)}${tail.slice(64)}`);
}

/** Destinations below any of the prefixes, whether they are in force or not. */
export const embedding = (v4: fc.Arbitrary<number>): fc.Arbitrary<bigint> =>
  fc
    .tuple(
      fc.constantFrom(...ALL_LENGTHS),
      v4,
      fc.constantFrom(0n, 0n, 1n, (1n << 120n) - 1n),
      fc.constantFrom(0n, 0n, 0n, 0n, 0n, 1n, 0x80n),
    )
    .map(([prefix, address, suffix, octet]) => embed(prefix, address, suffix, octet));
