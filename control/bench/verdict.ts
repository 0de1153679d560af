/** Two lists of runs, and whether what lies between them is more than noise. */
import { type Interval, mad, mannWhitney, median, ratioInterval } from './statistics.js';

export type VerdictKind =
  | 'better'
  | 'worse'
  /** None that this noise lets us see, which is not "none". */
  | 'no difference'
  /** However they differ, so few runs could do so by chance. */
  | 'too few runs';

export interface Verdict {
  kind: VerdictKind;
  /** Median of `after` divided by that of `before`, minus 1. */
  change: number;
  /** Where that change lies with 95 %. */
  interval: Interval;
  /** How likely runs of the same thing differ by as much. */
  p: number;
  /** The smallest change that so many runs with this noise would show four times in five. */
  visible: number;
  /** Runs of each side that would show a change of `WORTH_SEEING`. */
  runsNeeded: number;
}

/** One in a hundred comparisons of the same thing may be called a difference: a report has about ten. */
export const CHANCE = 0.01;
/** What is less is no difference, whatever the noise. */
export const SMALLEST_CHANGE = 0.01;
export const WORTH_SEEING = 0.05;
/** Of each side: with fewer even the clearest difference has a chance above `CHANCE`. */
export const FEWEST_RUNS = 5;

export interface Direction {
  lessIsBetter?: boolean;
}

export function compareRuns(
  before: readonly number[],
  after: readonly number[],
  direction: Direction = {},
): Verdict {
  const { low, high } = ratioInterval(before, after);
  const noise = Math.max(relativeNoise(before), relativeNoise(after));
  return {
    ...judge(before, after, direction),
    interval: { low: low - 1, high: high - 1 },
    visible: visibleChange(noise, Math.min(before.length, after.length)),
    runsNeeded: runsToSee(noise, WORTH_SEEING),
  };
}

/** The verdict without what explains it. */
export function judge(
  before: readonly number[],
  after: readonly number[],
  { lessIsBetter = false }: Direction = {},
): Pick<Verdict, 'kind' | 'change' | 'p'> {
  const change = ratio(median(after), median(before)) - 1;
  const p = mannWhitney(before, after);
  if (Math.min(before.length, after.length) < FEWEST_RUNS)
    return { kind: 'too few runs', change, p };
  if (p >= CHANCE || Math.abs(change) < SMALLEST_CHANGE)
    return { kind: 'no difference', change, p };
  return { kind: change < 0 === lessIsBetter ? 'better' : 'worse', change, p };
}

/** Of nothing to nothing there is no change. */
const ratio = (after: number, before: number): number => (after === before ? 1 : after / before);

/** Of a normal distribution's MAD. */
const MAD_TO_DEVIATION = 1.4826;

/** Standard deviation as a part of the median. With few values MAD may be too small, so the larger of two counts. */
function relativeNoise(values: readonly number[]): number {
  const middle = Math.abs(median(values));
  if (middle === 0 || values.length < 2) return 0;
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  const squares = values.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / (values.length - 1));
  return Math.max(mad(values) * MAD_TO_DEVIATION, deviation) / middle;
}

/**
 * Twice the square of the sum of two quantiles of the normal distribution, that of `CHANCE` and that of one miss in five;
 * ranks need π/3 times as many values as means do.
 */
const PLANNING = 2 * (2.576 + 0.842) ** 2 * (Math.PI / 3);

const visibleChange = (noise: number, runs: number): number =>
  runs === 0 ? Number.POSITIVE_INFINITY : Math.exp(noise * Math.sqrt(PLANNING / runs)) - 1;

const runsToSee = (noise: number, change: number): number =>
  Math.max(FEWEST_RUNS, Math.ceil((PLANNING * noise ** 2) / Math.log1p(change) ** 2));
