/** The engine's log-linear histograms, see engine/base/histogram.h. */
import { HISTOGRAM_BUCKETS } from './abi.js';

/** Durations of one kind. */
export interface Histogram {
  /** Seconds in all. */
  sum: number;
  /** Observations by engine bucket; `bucketUpperBound` gives their edges. */
  buckets: readonly number[];
}

const LINEAR = 100;
const PARTS_PER_DECADE = 90;
const MICROSECONDS = 1e6;

/** First duration, in seconds, that no longer falls into bucket `index`. */
export function bucketUpperBound(index: number): number {
  if (index >= HISTOGRAM_BUCKETS - 1) return Number.POSITIVE_INFINITY;
  if (index < LINEAR) return (index + 1) / MICROSECONDS;
  const decade = Math.floor((index - LINEAR) / PARTS_PER_DECADE) + 1;
  const part = index - PARTS_PER_DECADE * decade;
  return ((part + 1) * 10 ** decade) / MICROSECONDS;
}

const EDGES = Array.from({ length: HISTOGRAM_BUCKETS }, (_, index) => bucketUpperBound(index));

/** Observations at or below each bound, which ascend; exact where a bound is an edge, as round numbers are. */
export function cumulative(buckets: readonly number[], bounds: readonly number[]): number[] {
  let index = 0;
  let sum = 0;
  return bounds.map((bound) => {
    while (EDGES[index]! <= bound * (1 + 1e-9)) sum += buckets[index++]!;
    return sum;
  });
}
