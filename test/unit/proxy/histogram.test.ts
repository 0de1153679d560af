import { describe, expect, it } from 'vitest';
import { HISTOGRAM_BUCKETS } from '../../../proxy/abi.js';
import { bucketUpperBound, cumulative } from '../../../proxy/histogram.js';

const bounds = Array.from({ length: HISTOGRAM_BUCKETS }, (_, i) => bucketUpperBound(i));

/** The engine's histogram_bucket(), for whole microseconds. */
function bucketOf(microseconds: number): number {
  let decade = 0;
  let value = microseconds;
  while (value >= 100 && decade < 8) {
    value = Math.floor(value / 10);
    decade++;
  }
  return 90 * decade + Math.min(value, 99);
}

describe('buckets of the engine', () => {
  it('grow without gaps and end in infinity', () => {
    for (let i = 1; i < bounds.length; i++) expect(bounds[i]).toBeGreaterThan(bounds[i - 1]!);
    expect(bounds.at(-1)).toBe(Number.POSITIVE_INFINITY);
  });

  it('have round edges', () => {
    for (const bound of [0.0001, 0.00025, 0.001, 0.0025, 0.005, 0.01, 0.25, 1, 2.5, 10, 60, 3600])
      expect(bounds.some((edge) => Math.abs(edge / bound - 1) < 1e-9)).toBe(true);
  });

  it('put a duration below its upper bound and not below the one before', () => {
    for (let us = 0; us < 2e9; us = Math.floor(us * 1.37) + 1) {
      const bucket = bucketOf(us);
      expect(us / 1e6).toBeLessThan(bounds[bucket]! * (1 + 1e-9));
      if (bucket > 0) expect(us / 1e6).toBeGreaterThanOrEqual(bounds[bucket - 1]! * (1 - 1e-9));
    }
  });
});

it('cumulative counts are exact at round bounds', () => {
  const buckets = new Array<number>(HISTOGRAM_BUCKETS).fill(0);
  for (const us of [10, 999, 1000, 2499, 2500, 9_999_999, 1e11]) buckets[bucketOf(us)]! += 1;
  expect(cumulative(buckets, [0.001, 0.0025, 0.005, 10])).toEqual([2, 4, 5, 6]);
});
