/**
 * NAT64 (RFC 6052): the IPv4 address that a destination below one of its prefixes holds, and address
 * sets as they read for such destinations. Rules for the one apply to the other.
 */
import type { Nat64Prefix } from '../config/nat64-prefix.js';
import { PrefixSet } from './prefix-set.js';
import type { Policy, Rule } from './rule.js';

const LOW_HALF = (1n << 64n) - 1n;
/** Bits 64 to 71 are zero. */
const RESERVED_SHIFT = 56n;
const RESERVED_OCTET = 0xffn;

const isBelow = (address: bigint, { address: prefix, length }: Nat64Prefix): boolean =>
  address >> BigInt(128 - length) === prefix >> BigInt(128 - length);

/** All bits but the reserved ones, 120 of them; the IPv4 address follows the prefix there. */
const withoutReserved = (address: bigint): bigint =>
  ((address >> 64n) << RESERVED_SHIFT) | (address & ((1n << RESERVED_SHIFT) - 1n));

/** The IPv4 address in `address`; nothing where it lies below none of the prefixes. */
export function embeddedV4(
  prefixes: readonly Nat64Prefix[],
  address: number | bigint,
): number | undefined {
  if (typeof address === 'number') return undefined;
  const prefix = prefixes.find((one) => isBelow(address, one));
  if (prefix === undefined) return undefined;
  if (prefix.length === 96) return Number(address & 0xffffffffn);
  return Number((withoutReserved(address) >> BigInt(120 - 32 - prefix.length)) & 0xffffffffn);
}

/**
 * Whether the reserved bits are set: no translator knows what such an address means, and the sets
 * below hold the others only. With /96 they belong to the prefix.
 */
export function hasReservedBits(
  prefixes: readonly Nat64Prefix[],
  address: number | bigint,
): boolean {
  if (typeof address === 'number') return false;
  const isSet = ((address >> RESERVED_SHIFT) & RESERVED_OCTET) !== 0n;
  return isSet && prefixes.some((one) => isBelow(address, one));
}

/** The first address below `prefix` that holds `v4`; `last`: the last one, less reserved bits. */
function embed({ address, length }: Nat64Prefix, v4: number, last: boolean): bigint {
  if (length === 96) return address | BigInt(v4);
  const behind = BigInt(120 - 32 - length);
  const suffix = last ? (1n << behind) - 1n : 0n;
  const bits = withoutReserved(address) | (BigInt(v4) << behind) | suffix;
  return ((bits >> RESERVED_SHIFT) << 64n) | (bits & ((1n << RESERVED_SHIFT) - 1n) & LOW_HALF);
}

/** `set`, and every address below the prefixes that holds an IPv4 address of it. */
export function withEmbedded(prefixes: readonly Nat64Prefix[], set: PrefixSet): PrefixSet {
  const { starts, ends } = set.v4Intervals();
  if (starts.length === 0) return set;
  const embedded = prefixes.flatMap((prefix) =>
    Array.from(starts, (first, i) => ({
      family: 6 as const,
      first: embed(prefix, first, false),
      last: embed(prefix, ends[i]!, true),
    })),
  );
  return set.union(PrefixSet.of(embedded));
}

/** For a classifier that cannot look an embedded address up: the same policy by larger sets. */
export function expandNat64({ nat64 = [], ...policy }: Policy): Policy {
  const expanded = new Map<PrefixSet, PrefixSet>();
  const expand = (set: PrefixSet): PrefixSet => {
    const larger = expanded.get(set) ?? withEmbedded(nat64, set);
    expanded.set(set, larger);
    return larger;
  };
  if (nat64.length === 0) return policy;
  const rules = policy.rules.map(
    (rule): Rule => (rule.to === undefined ? rule : { ...rule, to: expand(rule.to) }),
  );
  return { ...policy, rules };
}
