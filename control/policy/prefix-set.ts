/**
 * An immutable set of addresses: sorted, merged, disjoint inclusive intervals of either family.
 * Classifiers compile from the intervals; people read the CIDRs.
 */
import type { Address } from '../config/address.js';
import { formatV4, formatV6 } from '../config/address.js';
import { isProblem, parseEntry } from '../config/entry.js';
import { type Entries, EntryList } from '../config/entry-list.js';
import { cidrsOfV4, cidrsOfV6 } from './cidr.js';
import { mergeV4, mergeV6 } from './interval.js';

/** Interval `i` is `starts[i]` to `ends[i]`, both inclusive. Do not write to the arrays. */
export interface V4Intervals {
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

export interface V6Intervals {
  readonly starts: readonly bigint[];
  readonly ends: readonly bigint[];
}

/** Index of the last start that is at or below the address, or -1. */
function lastStartAtOrBelow<T extends Address>(starts: ArrayLike<T>, address: T): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (starts[middle]! <= address) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

interface Intervals<T> {
  readonly starts: ArrayLike<T>;
  readonly ends: ArrayLike<T>;
}

/** What of `whole` is not in `part`. */
function subtract<T extends Address>(
  whole: Intervals<T>,
  part: Intervals<T>,
  add: (address: T, step: 1 | -1) => T,
): { starts: T[]; ends: T[] } {
  const left: { starts: T[]; ends: T[] } = { starts: [], ends: [] };
  const keep = (first: T, last: T): void => {
    left.starts.push(first);
    left.ends.push(last);
  };
  Array.from(whole.starts).forEach((start, i) => {
    const last = whole.ends[i]!;
    let first = start;
    let j = Math.max(lastStartAtOrBelow(part.starts, first), 0);
    for (; j < part.starts.length && part.starts[j]! <= last && first <= last; j++) {
      if (part.ends[j]! < first) continue;
      if (part.starts[j]! > first) keep(first, add(part.starts[j]!, -1));
      first = add(part.ends[j]!, 1);
    }
    if (first <= last) keep(first, last);
  });
  return left;
}

export class PrefixSet {
  static readonly empty = new PrefixSet(mergeV4([], []), mergeV6([], []));

  // No #private names: those are invisible to deep comparison, and any two sets would pass as equal.
  private constructor(
    private readonly v4: V4Intervals,
    private readonly v6: V6Intervals,
  ) {}

  /** Builds a set from entries in any order, overlapping or not. */
  static of(entries: Entries): PrefixSet {
    const list = EntryList.of(entries);
    const [v4, v6] = [list.v4Intervals(), list.v6Intervals()];
    return new PrefixSet(mergeV4(v4.starts, v4.ends), mergeV6(v6.starts, v6.ends));
  }

  /** Builds a set from text that is known to be right, such as a built-in list; throws if it is not. */
  static parse(...texts: readonly string[]): PrefixSet {
    return PrefixSet.parseAll(texts);
  }

  /** The same of a list that may be long: arguments lie on the stack. */
  static parseAll(texts: readonly string[]): PrefixSet {
    const entries = texts.map((text) => {
      const entry = parseEntry(text);
      if (isProblem(entry)) throw new RangeError(entry.message);
      return entry;
    });
    return PrefixSet.of(entries);
  }

  /** True for no address at all; a condition on such a set never holds. */
  get isEmpty(): boolean {
    return this.v4.starts.length === 0 && this.v6.starts.length === 0;
  }

  contains(address: Address): boolean {
    if (typeof address === 'number') {
      const i = lastStartAtOrBelow(this.v4.starts, address);
      return i >= 0 && address <= this.v4.ends[i]!;
    }
    const i = lastStartAtOrBelow(this.v6.starts, address);
    return i >= 0 && address <= this.v6.ends[i]!;
  }

  union(...others: readonly PrefixSet[]): PrefixSet {
    const sets = [this, ...others].filter((set) => !set.isEmpty);
    if (sets.length === 0) return PrefixSet.empty;
    // Sharing instead of copying keeps one large set that several rules name in memory once.
    if (sets.length === 1) return sets[0]!;
    const withV4 = sets.filter(({ v4 }) => v4.starts.length > 0);
    const withV6 = sets.filter(({ v6 }) => v6.starts.length > 0);
    const [v4, v6] = [PrefixSet.unionV4(withV4), PrefixSet.unionV6(withV6)];
    return new PrefixSet(v4, v6);
  }

  /** A family that only one of them has is shared, too. */
  private static unionV4(sets: readonly PrefixSet[]): V4Intervals {
    if (sets.length === 1) return sets[0]!.v4;
    const total = sets.reduce((sum, set) => sum + set.v4.starts.length, 0);
    const starts = new Uint32Array(total);
    const ends = new Uint32Array(total);
    let offset = 0;
    for (const set of sets) {
      starts.set(set.v4.starts, offset);
      ends.set(set.v4.ends, offset);
      offset += set.v4.starts.length;
    }
    return mergeV4(starts, ends);
  }

  private static unionV6(sets: readonly PrefixSet[]): V6Intervals {
    if (sets.length === 1) return sets[0]!.v6;
    return mergeV6(
      sets.flatMap((set) => set.v6.starts),
      sets.flatMap((set) => set.v6.ends),
    );
  }

  /** What is in this set and not in the other. */
  minus(other: PrefixSet): PrefixSet {
    const v4 = subtract<number>(this.v4, other.v4, (address, step) => address + step);
    const v6 = subtract<bigint>(this.v6, other.v6, (address, step) => address + BigInt(step));
    return new PrefixSet(mergeV4(v4.starts, v4.ends), v6);
  }

  v4Intervals(): V4Intervals {
    return this.v4;
  }

  v6Intervals(): V6Intervals {
    return this.v6;
  }

  /** The fewest CIDRs that cover exactly this set, as text: IPv4 first, each family in order. */
  cidrs(): string[] {
    return [...this.eachCidr()];
  }

  /** The same, one after the other: a list of millions makes no array of them. */
  *eachCidr(): Generator<string> {
    const { v4, v6 } = this;
    for (let i = 0; i < v4.starts.length; i++)
      for (const { address, length } of cidrsOfV4(v4.starts[i]!, v4.ends[i]!))
        yield `${formatV4(address)}/${length}`;
    for (let i = 0; i < v6.starts.length; i++)
      for (const { address, length } of cidrsOfV6(v6.starts[i]!, v6.ends[i]!))
        yield `${formatV6(address)}/${length}`;
  }
}
