/** Samples by name → rows of the relay's shape, so that one table and one chart serve both. */
import type { Row } from '../report.js';
import { median, medianRatio } from '../statistics.js';

/** What is measured: figures by name, one added in every round. */
export type Samples = Map<string, number[]>;

export interface RowPlan {
  case: string;
  unit: string;
  ours: string;
  /** Name in the table → name of its samples. */
  rivals: Readonly<Record<string, string>>;
  /** Bounds on ours divided by a rival's; less is better in all of them but `atLeast`. */
  atMost?: Readonly<Record<string, number>>;
  atLeast?: Readonly<Record<string, number>>;
  /** Most that ours itself may be. */
  limit?: number;
}

/** 0.125 is better read as 1/8. */
const fraction = (bound: number) =>
  bound <= 0.5 ? `1/${Math.round(1 / bound)}` : `${Math.round(bound * 100) / 100}`;

export function makeClassifierRow(plan: RowPlan, samples: Samples): Row {
  const valuesOf = (name: string) => samples.get(name) ?? [];
  const ours = valuesOf(plan.ours);
  const named = Object.entries(plan.rivals).map(([name, key]) => [name, valuesOf(key)] as const);
  const ratios = named.map(([name, values]) => [name, medianRatio(ours, values)] as const);
  const ratio: Record<string, number> = Object.fromEntries(ratios);
  const judged = [
    ...Object.entries(plan.atMost ?? {}).map(([name, bound]) => ({
      text: `≤ ${fraction(bound)} × ${name}`,
      pass: ratio[name]! <= bound,
    })),
    ...Object.entries(plan.atLeast ?? {}).map(([name, bound]) => ({
      text: `≥ ${fraction(bound)} × ${name}`,
      pass: ratio[name]! >= bound,
    })),
  ];
  const { limit } = plan;
  const own =
    limit === undefined ? [] : [{ text: `≤ ${limit} ${plan.unit}`, pass: median(ours) <= limit }];
  return {
    case: plan.case,
    unit: plan.unit,
    ours,
    rivals: Object.fromEntries(named),
    ratio,
    targets: [...judged, ...own],
  };
}
