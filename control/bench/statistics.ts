/** Of a handful of runs: the middle, and how far they lie apart. */

/** @throws RangeError on an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Distance between the smallest and the largest, as a part of the median. */
export function spread(values: readonly number[]): number {
  const middle = median(values);
  const range = Math.max(...values) - Math.min(...values);
  return range === 0 ? 0 : range / Math.abs(middle);
}

/**
 * Median of the ratios of neighbours: run i of one beside run i of the other, so that what slowed
 * the machine for a while slowed both.
 */
export function medianRatio(ours: readonly number[], theirs: readonly number[]): number {
  const pairs = Math.min(ours.length, theirs.length);
  return median(Array.from({ length: pairs }, (_, i) => ours[i]! / theirs[i]!));
}

/** Between the two values that are next to it, by distance. @param part from 0 to 1 */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) throw new RangeError('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const place = part * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (place - below);
}

/** Median absolute deviation: how far half of the values lie from their median, at least. */
export function mad(values: readonly number[]): number {
  const middle = median(values);
  return median(values.map((value) => Math.abs(value - middle)));
}

/** Numbers from 0 to 1, 1 left out; the same for the same seed (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** In an order that `next` chooses (Fisher and Yates). */
export function shuffled<T>(values: readonly T[], next: () => number): T[] {
  const result = [...values];
  for (let i = result.length - 1; i > 0; i--) {
    const other = Math.floor(next() * (i + 1));
    [result[i], result[other]] = [result[other]!, result[i]!];
  }
  return result;
}

export interface Interval {
  low: number;
  high: number;
}

const RESAMPLES = 2000;

/** Where the ratio of the medians, `after` to `before`, lies with 95 %: bootstrap of percentiles, the same each time. */
export function ratioInterval(before: readonly number[], after: readonly number[]): Interval {
  const next = random(before.length * 31 + after.length);
  const resampled = (values: readonly number[]) =>
    median(values.map(() => values[Math.floor(next() * values.length)]!));
  const ratios = Array.from({ length: RESAMPLES }, () => resampled(after) / resampled(before));
  return { low: quantile(ratios, 0.025), high: quantile(ratios, 0.975) };
}

/** From here on the normal distribution is as good. */
const EXACT_MOST = 24;

/**
 * Mann and Whitney's test: how likely two samples of the same distribution differ in rank by as much, either way.
 * Exact up to 24 values together, ties included.
 */
export function mannWhitney(a: readonly number[], b: readonly number[]): number {
  if (a.length === 0 || b.length === 0) return 1;
  const ranks = doubledRanks([...a, ...b]);
  const sum = ranks.slice(0, a.length).reduce((total, one) => total + one, 0);
  return a.length + b.length <= EXACT_MOST
    ? exactPart(ranks, a.length, sum)
    : normalPart(ranks, a.length, sum);
}

/** Twice the rank, so that the mean rank of equal values is whole. */
function doubledRanks(values: readonly number[]): number[] {
  const sorted = [...values].sort((x, y) => x - y);
  const first = new Map<number, number>();
  const last = new Map<number, number>();
  sorted.forEach((value, i) => {
    if (!first.has(value)) first.set(value, i + 1);
    last.set(value, i + 1);
  });
  return values.map((value) => first.get(value)! + last.get(value)!);
}

/** Part of all choices of `count` ranks with a sum that is as far from the middle. */
function exactPart(ranks: readonly number[], count: number, sum: number): number {
  const total = ranks.reduce((all, one) => all + one, 0);
  const ways = Array.from({ length: count + 1 }, () => new Float64Array(total + 1));
  ways[0]![0] = 1;
  for (const rank of ranks)
    for (let chosen = count; chosen >= 1; chosen--) {
      const [from, to] = [ways[chosen - 1]!, ways[chosen]!];
      for (let at = total; at >= rank; at--) to[at]! += from[at - rank]!;
    }
  const middle = (total * count) / ranks.length;
  const far = Math.abs(sum - middle) - 1e-9;
  let [extreme, all] = [0, 0];
  ways[count]!.forEach((number, at) => {
    all += number;
    if (Math.abs(at - middle) >= far) extreme += number;
  });
  return extreme / all;
}

function normalPart(ranks: readonly number[], count: number, sum: number): number {
  const size = ranks.length;
  const mean = ranks.reduce((all, one) => all + one, 0) / size;
  const variance = ranks.reduce((all, one) => all + (one - mean) ** 2, 0) / (size - 1);
  const deviation = Math.sqrt((variance * count * (size - count)) / size);
  if (deviation === 0) return 1;
  return 2 * upperTail(Math.abs(sum - mean * count) / deviation);
}

/** Of the standard normal distribution; Zelen and Severo, to 1e-7. */
function upperTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const series = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429];
  const sum = series.reduceRight((total, one) => (total + one) * t, 0);
  return (Math.exp(-(z ** 2) / 2) / Math.sqrt(2 * Math.PI)) * sum;
}
