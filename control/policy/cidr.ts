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

export function* cidrsOfV6(first: bigint, last: bigint): Generator<Block<bigint>> {
  for (let next = first; next <= last; ) {
    let bits = 0n;
    while (bits < 128n) {
      const larger = (1n << (bits + 1n)) - 1n;
      if ((next & larger) !== 0n || next + larger > last) break;
      bits++;
    }
    yield { address: next, length: 128 - Number(bits) };
    next += 1n << bits;
  }
}
