/** A verdict in words, the same in a terminal and in a report. */
import type { Comparison } from './compare.js';
import { FIGURES } from './figures.js';
import { FEWEST_RUNS, WORTH_SEEING } from './verdict.js';

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
  const { kind, change, interval, p, visible, runsNeeded } = verdict;
  const range = `95 %: ${percent(interval.low)} to ${percent(interval.high)}`;
  const how = {
    better: `better, ${percent(change)} (${range}; by chance p = ${p.toFixed(4)})`,
    worse: `worse, ${percent(change)} (${range}; by chance p = ${p.toFixed(4)})`,
    'no difference': `no difference that this noise lets us see, ${percent(change)} (${range}); one of ${percent(visible).replace('+', '')} would show, one of ${WORTH_SEEING * 100} % needs ${runsNeeded} runs a side`,
    'too few runs': `${percent(change)}, from too few runs to tell: at least ${FEWEST_RUNS} a side are needed`,
  }[kind];
  return { head: `${test}, ${way}, ${title}`, words: `${medians}: ${how}` };
}
