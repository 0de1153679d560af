/** Quantiles of what the engine's histograms counted between two looks. Pure. */
import { bucketUpperBound, type Histogram } from '../proxy/histogram.js';
import type { Quantiles } from './state.js';

type Buckets = Histogram['buckets'];

/** Observations by bucket since an earlier look. */
export const since = (now: Buckets, before: Buckets | undefined): number[] =>
  now.map((count, i) => Math.max(count - (before?.[i] ?? 0), 0));

/** Both ways of one thing. */
export const together = (a: Buckets, b: Buckets): number[] => a.map((count, i) => count + b[i]!);

const total = (buckets: Buckets) => buckets.reduce((sum, one) => sum + one, 0);

/**
 * Seconds below which that share of the observations was: the upper edge of a bucket, so it is never
 * less than the truth, and at most a hundredth or a ninth of a decade more.
 * @returns undefined when nothing was observed.
 */
export function quantile(buckets: Buckets, share: number): number | undefined {
  const count = total(buckets);
  if (count === 0) return undefined;
  const wanted = Math.max(Math.ceil(count * share), 1);
  let below = 0;
  for (const [index, observed] of buckets.entries()) {
    below += observed;
    if (below >= wanted) return edge(index);
  }
  return undefined;
}

/** The last bucket has no end; what it begins with is still a number. */
function edge(index: number): number {
  const upper = bucketUpperBound(index);
  return Number.isFinite(upper) ? upper : bucketUpperBound(index - 1);
}

export function quantilesOf(buckets: Buckets): Quantiles | undefined {
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => quantile(buckets, share));
  if (p50 === undefined || p90 === undefined || p99 === undefined) return undefined;
  return { p50, p90, p99, count: total(buckets) };
}
