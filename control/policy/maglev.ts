/**
 * Maglev's table (Eisenbud et al., NSDI 2016) with weights: each candidate goes through the slots in an
 * order of its own, and takes the first free one whenever it is its turn. So nearly all slots stay where
 * they are when a candidate comes or goes. Pure: the names and the weights are all that counts.
 */
import { jhash } from './jhash.js';

export interface Weighted {
  name: string;
  /** Above 0. */
  weight: number;
}

const OFFSET_SEED = 1;
const SKIP_SEED = 2;

/** In an order that the file's has no part in. */
export function byName<T extends { name: string }>(candidates: readonly T[]): T[] {
  return candidates.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/**
 * How many slots each gets: its share to a slot (largest remainder), at least one.
 * @param candidates at most as many as slots.
 */
export function slotCounts(candidates: readonly Weighted[], slots: number): number[] {
  const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
  const shares = candidates.map(({ weight }) => (weight * slots) / total);
  const counts = shares.map((share) => Math.max(1, Math.floor(share)));
  const lacking = (i: number) => shares[i]! - counts[i]!;
  const order = candidates.map((_, i) => i);
  for (let left = slots - counts.reduce((sum, count) => sum + count, 0); left !== 0; ) {
    const step = Math.sign(left);
    const able = step < 0 ? order.filter((i) => counts[i]! > 1) : order;
    const [first = 0] = able.toSorted((i, j) => step * (lacking(j) - lacking(i)));
    counts[first]! += step;
    left -= step;
  }
  return counts;
}

/**
 * @param candidates sorted by name; not empty.
 * @param slots a prime, so that every step through them comes to each.
 * @returns who has each slot.
 */
export function maglev<T extends Weighted>(candidates: readonly T[], slots: number): T[] {
  const counts = slotCounts(candidates, slots);
  const names = candidates.map(({ name }) => new TextEncoder().encode(name));
  const next = names.map((name) => jhash(name, OFFSET_SEED) % slots);
  const skip = names.map((name) => (jhash(name, SKIP_SEED) % (slots - 1)) + 1);
  const taken = candidates.map(() => 0);
  const table = new Int32Array(slots).fill(NOBODY);
  for (let filled = 0; filled < slots; filled++) {
    const turn = nextTurn(taken, counts);
    let slot = next[turn]!;
    while (table[slot] !== NOBODY) slot = (slot + skip[turn]!) % slots;
    table[slot] = turn;
    next[turn] = slot;
    taken[turn]!++;
  }
  return Array.from(table, (turn) => candidates[turn]!);
}

const NOBODY = -1;

/** The one that has the least part of its slots, with the one that it would take. */
function nextTurn(taken: readonly number[], counts: readonly number[]): number {
  let first = 0;
  for (let one = 1; one < counts.length; one++)
    if ((taken[one]! + 1) * counts[first]! < (taken[first]! + 1) * counts[one]!) first = one;
  return first;
}
