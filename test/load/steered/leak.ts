/** Does something grow with the work done? A straight line through the samples, and how sure its slope is. Pure. */

export interface Trend {
  /** By how much a value grows from sample to sample. */
  slope: number;
  /** 95 % of the time the true slope is above this. */
  least: number;
}

/** Student's t, one-sided 95 %, by degrees of freedom; 1.7 from 30 on. */
const T = [
  6.31, 2.92, 2.35, 2.13, 2.02, 1.94, 1.89, 1.86, 1.83, 1.81, 1.8, 1.78, 1.77, 1.76, 1.75, 1.75,
  1.74, 1.73, 1.73, 1.72, 1.72, 1.72, 1.71, 1.71, 1.71, 1.71, 1.7, 1.7, 1.7,
];
const T_MANY = 1.7;

/** Least squares. @throws RangeError for fewer than three samples. */
export function trendOf(values: readonly number[]): Trend {
  const n = values.length;
  if (n < 3) throw new RangeError('a trend needs three samples');
  const middle = (n - 1) / 2;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const spread = values.reduce((sum, _, i) => sum + (i - middle) ** 2, 0);
  const slope = values.reduce((sum, value, i) => sum + (i - middle) * (value - mean), 0) / spread;
  const error = values.reduce(
    (sum, value, i) => sum + (value - mean - slope * (i - middle)) ** 2,
    0,
  );
  const deviation = Math.sqrt(error / (n - 2) / spread);
  return { slope, least: slope - (T[n - 3] ?? T_MANY) * deviation };
}

/** Without the first part, in which pools and caches fill. */
export const afterWarmUp = <V>(samples: readonly V[]): readonly V[] =>
  samples.slice(Math.floor(samples.length / 3));
