/** A verdict in words, the same in a terminal and in a report. */
import type { Comparison } from './compare.js';
import { FIGURES } from './figures.js';
import { FEWEST_RUNS, type Verdict, WORTH_SEEING } from './verdict.js';

/** `+12 %`, `-0.4 %`. */
export function percent(part: number): string {
  if (!Number.isFinite(part)) return 'from nothing';
  const value = part * 100;
  const text = Math.abs(value) >= 10 ? value.toFixed(0) : value.toFixed(1);
  return `${value > 0 ? '+' : ''}${text} %`;
}

export interface ComparisonWords {
  /** What was compared. */
  head: string;
  words: string;
}

export function comparisonWords({
  test,
  figure,
  before,
  after,
  verdict,
}: Comparison): ComparisonWords {
  const { title, show } = FIGURES[figure];
  const way =
    before.variant === after.variant ? after.variant : `${after.variant} against ${before.variant}`;
  const medians = `${show(before.median)} → ${show(after.median)}`;
  const { kind, change, interval, p } = verdict;
  const range = `95 %: ${percent(interval.low)} to ${percent(interval.high)}`;
  const how = {
    better: `better, ${percent(change)} (${range}; by chance p = ${p.toFixed(4)})`,
    worse: `worse, ${percent(change)} (${range}; by chance p = ${p.toFixed(4)})`,
    'no difference': `no difference that this noise lets us see, ${percent(change)} (${range}); ${sight(verdict)}`,
    'too few runs': `${percent(change)}, from too few runs to tell: at least ${FEWEST_RUNS} a side are needed`,
  }[kind];
  return { head: `${test}, ${way}, ${title}`, words: `${medians}: ${how}` };
}

/** What is more is not worth a number. */
const MOST_RUNS = 200;

/** What so many runs would have shown, and how many would show more. */
function sight({ visible, runsNeeded }: Verdict): string {
  const small = `${WORTH_SEEING * 100} %`;
  const now =
    visible > 1
      ? 'only one of more than 100 % would show'
      : `one of ${percent(visible).replace('+', '')} would show`;
  return runsNeeded > MOST_RUNS
    ? `${now}, for one of ${small} it is too noisy: is a machine busy with something else?`
    : `${now}, one of ${small} needs ${runsNeeded} runs a side`;
}
