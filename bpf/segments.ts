/**
 * A space of numbers (addresses, ports) cut into segments, each of which lies in the same sets from
 * its first number to its last. Laying the sets over each other, smallest first, takes about as
 * many steps as there are boundaries, however many sets there are.
 */
import type { Intervals } from './policy.js';

export interface Segments<T> {
  /** The first number of each segment, ascending; the first one is the space's zero. */
  starts: ArrayLike<T>;
  /** For each segment an index into `members`. */
  ids: ArrayLike<number>;
  /** The sets, ascending, in which the numbers of an id lie. */
  members: readonly (readonly number[])[];
}

export interface Space<T> {
  zero: T;
  last: T;
  /** The number that follows. */
  next(value: T): T;
}

export const V4_SPACE: Space<number> = { zero: 0, last: 0xffffffff, next: (v) => v + 1 };
export const V6_SPACE: Space<bigint> = { zero: 0n, last: (1n << 128n) - 1n, next: (v) => v + 1n };
export const PORT_SPACE: Space<number> = { zero: 0, last: 0xffff, next: (v) => v + 1 };

const OUTSIDE = 0;
const INSIDE = 1;

function segmentsOfSet<T>(space: Space<T>, set: Intervals<T>, index: number): Segments<T> {
  const starts: T[] = [];
  const ids: number[] = [];
  const count = set.starts.length;
  if (count === 0 || set.starts[0] !== space.zero) {
    starts.push(space.zero);
    ids.push(OUTSIDE);
  }
  for (let i = 0; i < count; i++) {
    starts.push(set.starts[i]!);
    ids.push(INSIDE);
    const end = set.ends[i]!;
    if (end !== space.last) {
      starts.push(space.next(end));
      ids.push(OUTSIDE);
    }
  }
  return { starts, ids, members: [[], [index]] };
}

/** Numbers the pairs of ids that occur, in the order in which they do. */
class PairIds {
  readonly members: number[][] = [];
  private readonly known = new Map<number, number>();

  constructor(
    private readonly a: Segments<unknown>,
    private readonly b: Segments<unknown>,
  ) {}

  idOf(a: number, b: number): number {
    const key = a * this.b.members.length + b;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const id = this.members.length;
    this.members.push([...this.a.members[a]!, ...this.b.members[b]!].sort((x, y) => x - y));
    this.known.set(key, id);
    return id;
  }
}

function overlay<T extends number | bigint>(a: Segments<T>, b: Segments<T>): Segments<T> {
  const pairs = new PairIds(a, b);
  const starts: T[] = [];
  const ids: number[] = [];
  let i = 0;
  let j = 0;
  let start = a.starts[0]!;
  for (;;) {
    starts.push(start);
    ids.push(pairs.idOf(a.ids[i]!, b.ids[j]!));
    const nextA = a.starts[i + 1];
    const nextB = b.starts[j + 1];
    if (nextA === undefined && nextB === undefined) break;
    if (nextB === undefined || (nextA !== undefined && nextA <= nextB)) {
      if (nextA === nextB) j++;
      i++;
      start = nextA!;
    } else {
      j++;
      start = nextB;
    }
  }
  return { starts, ids, members: pairs.members };
}

/** Cuts `space` by `sets`; `members` of the result are indexes into `sets`. */
export function cutIntoSegments<T extends number | bigint>(
  space: Space<T>,
  sets: readonly Intervals<T>[],
): Segments<T> {
  const queue = sets
    .map((set, index) => segmentsOfSet(space, set, index))
    .sort((a, b) => a.starts.length - b.starts.length);
  // Two neighbours at a time: a large set, which comes last, is walked once and not once for each.
  while (queue.length > 1) {
    const merged = overlay(queue.shift()!, queue.shift()!);
    const size = merged.starts.length;
    const place = queue.findIndex((one) => one.starts.length >= size);
    queue.splice(place < 0 ? queue.length : place, 0, merged);
  }
  return queue[0] ?? { starts: [space.zero], ids: [0], members: [[]] };
}

/** Gives each combination of sets a number of its own, the same one in either address family. */
export class ClassIds {
  /** The sets of each class; class 0 is that of addresses in no set. */
  readonly members: (readonly number[])[] = [[]];
  private readonly known = new Map<string, number>([['', 0]]);

  /** The class of each id of `segments`. */
  number(segments: Segments<unknown>): Uint32Array {
    return Uint32Array.from(segments.members, (members) => this.idOf(members));
  }

  private idOf(members: readonly number[]): number {
    const key = members.join();
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const id = this.members.length;
    this.members.push(members);
    this.known.set(key, id);
    return id;
  }
}
