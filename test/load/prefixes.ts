/** Prefixes and addresses that look real and are the same in every run. */
import { PrefixSet } from '../../control/policy/prefix-set.js';

/** Marsaglia's xorshift: 32 bits a call. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Length and weight in per mille, as in a full BGP table; a few longer ones, as filter lists have. */
const V4_LENGTHS = [
  [24, 600],
  [23, 95],
  [22, 110],
  [21, 50],
  [20, 45],
  [19, 25],
  [18, 14],
  [17, 8],
  [16, 13],
  [28, 20],
  [32, 20],
] as const;

const V6_LENGTHS = [
  [48, 480],
  [44, 100],
  [40, 100],
  [36, 60],
  [32, 150],
  [29, 30],
  [56, 30],
  [64, 50],
] as const;

function drawLength(lengths: readonly (readonly [number, number])[], value: number): number {
  let left = value % 1000;
  for (const [length, weight] of lengths) {
    left -= weight;
    if (left < 0) return length;
  }
  return lengths[0]![0];
}

export interface V4Prefix {
  first: number;
  length: number;
}

/** Another seed, another list. */
export function v4Prefixes(count: number, seed = 7): V4Prefix[] {
  const next = random(seed);
  return Array.from({ length: count }, () => {
    const length = drawLength(V4_LENGTHS, next());
    const address = next();
    return { first: address - (address % 2 ** (32 - length)), length };
  });
}

export interface V6Prefix {
  first: bigint;
  length: number;
}

/** Below 2000::/6, where the registries allocate. */
export function v6Prefixes(count: number): V6Prefix[] {
  const next = random(9);
  return Array.from({ length: count }, () => {
    const length = drawLength(V6_LENGTHS, next());
    const high = (BigInt(0x20000000 | (next() & 0x0fffffff)) << 32n) | BigInt(next());
    const bits = BigInt(128 - length);
    return { first: ((high << 64n) >> bits) << bits, length };
  });
}

export function prefixSet(v4: readonly V4Prefix[], v6: readonly V6Prefix[]): PrefixSet {
  return PrefixSet.of([
    ...v4.map(({ first, length }) => ({
      family: 4 as const,
      first,
      last: first + 2 ** (32 - length) - 1,
    })),
    ...v6.map(({ first, length }) => ({
      family: 6 as const,
      first,
      last: first + (1n << BigInt(128 - length)) - 1n,
    })),
  ]);
}
