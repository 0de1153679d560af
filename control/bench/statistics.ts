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
