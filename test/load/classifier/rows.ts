/** Samples by name → rows of the relay's shape, so that one table and one chart serve both. */

import { medianRatio } from '../../../control/bench/statistics.js';
import type { Row } from '../report.js';

/** What is measured: figures by name, one for each round; one that failed leaves its place empty. */
export type Samples = ReadonlyMap<string, readonly (number | undefined)[]>;

export interface RowPlan {
  case: string;
  unit: string;
  ours: string;
  /** Name in the table → name of its samples. */
  rivals: Readonly<Record<string, string>>;
  /** Bounds on ours divided by a rival's; less is better in all of them but `atLeast`. */
  atMost?: Readonly<Record<string, number>>;
  atLeast?: Readonly<Record<string, number>>;
  /** Most that ours itself may be in any round. */
  limit?: number;
}

/** 0.125 is better read as 1/8. */
const fraction = (bound: number) =>
  bound <= 0.5 ? `1/${Math.round(1 / bound)}` : `${Math.round(bound * 100) / 100}`;

const isNumber = (value: number | undefined) => value !== undefined;

/** Only of rounds that have both; of nothing, or of zeros, there is none. */
function ratioOf(
  ours: readonly (number | undefined)[],
  theirs: readonly (number | undefined)[],
): number | undefined {
  const rounds = ours.map((_, i) => i).filter((i) => isNumber(ours[i]) && isNumber(theirs[i]));
  if (rounds.length === 0) return undefined;
  const ratio = medianRatio(
    rounds.map((i) => ours[i]!),
    rounds.map((i) => theirs[i]!),
  );
  return Number.isFinite(ratio) ? ratio : undefined;
}

/** Without figures no target is met. `failure` says why there are none. */
export function makeClassifierRow(plan: RowPlan, samples: Samples, failure?: string): Row {
  const roundsOf = (name: string) => Array.from(samples.get(name) ?? []);
  const ours = roundsOf(plan.ours);
  const values = ours.filter(isNumber);
  const named = Object.entries(plan.rivals).map(([name, key]) => [name, roundsOf(key)] as const);
  const ratio: Record<string, number> = {};
  for (const [name, theirs] of named) {
    const one = ratioOf(ours, theirs);
    if (one !== undefined) ratio[name] = one;
  }
  const { limit, atMost = {}, atLeast = {}, unit } = plan;
  return {
    case: plan.case,
    unit,
    ours: values,
    rivals: Object.fromEntries(named.map(([name, theirs]) => [name, theirs.filter(isNumber)])),
    ratio,
    targets: [
      ...Object.entries(atMost).map(([name, bound]) => ({
        text: `≤ ${fraction(bound)} × ${name}`,
        pass: ratio[name] !== undefined && ratio[name] <= bound,
      })),
      ...Object.entries(atLeast).map(([name, bound]) => ({
        text: `≥ ${fraction(bound)} × ${name}`,
        pass: ratio[name] !== undefined && ratio[name] >= bound,
      })),
      ...(limit === undefined
        ? []
        : [
            {
              text: `≤ ${limit} ${unit}`,
              pass: values.length > 0 && Math.max(...values) <= limit,
            },
          ]),
    ],
    ...(values.length === 0 && { skipped: failure ?? 'not measured' }),
  };
}
