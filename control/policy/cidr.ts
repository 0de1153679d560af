/** The fewest CIDR blocks that cover an inclusive interval exactly. */

export interface Block<T> {
  address: T;
  length: number;
}

/** Number of zero bits at the low end; 32 for zero. */
function trailingZeros(value: number): number {
  return value === 0 ? 32 : 31 - Math.clz32(value & -value);
}

export function* cidrsOfV4(first: number, last: number): Generator<Block<number>> {
  for (let next = first; next <= last; ) {
    const room = last - next + 1;
    const fits = room > 0xffffffff ? 32 : 31 - Math.clz32(room);
    const bits = Math.min(trailingZeros(next), fits);
    yield { address: next, length: 32 - bits };
    next += 2 ** bits;
  }
}

const WORD = 0xffffffffn;

/** Number of zero bits at the low end; 128 for zero. In words: arithmetic with bigints is slow. */
function trailingZerosV6(value: bigint): number {
  let zeros = 0;
  for (let rest = value; zeros < 128; rest >>= 32n) {
    const word = Number(rest & WORD);
    if (word !== 0) return zeros + trailingZeros(word);
    zeros += 32;
  }
  return zeros;
}

/** Bits that a number of at most 2^128 takes, less one. */
function floorLog2(value: bigint): number {
  let below = 0;
  let rest = value;
  for (; rest > WORD; rest >>= 32n) below += 32;
  return below + 31 - Math.clz32(Number(rest));
}

export function* cidrsOfV6(first: bigint, last: bigint): Generator<Block<bigint>> {
  for (let next = first; next <= last; ) {
    const bits = Math.min(trailingZerosV6(next), floorLog2(last - next + 1n));
    yield { address: next, length: 128 - bits };
    next += 1n << BigInt(bits);
  }
}
