/** Samples → rows → what people and programs read. Nothing here measures. */

import { median, medianRatio, spread } from '../../control/bench/statistics.js';
import type { Case, Figure, Target } from './cases.js';
import { type ContestantName, labelOf } from './contestants.js';
import { lessIsBetter } from './measure.js';

/** One figure of one case: every run, and ours divided by each rival's. */
export interface Row {
  case: string;
  unit: string;
  ours: number[];
  rivals: Record<string, number[]>;
  ratio: Record<string, number>;
  targets: { text: string; pass: boolean }[];
  /** Why `ours` is empty. */
  skipped?: string;
}

const UNITS: Readonly<Record<Figure, string>> = {
  'gigabits per CPU second': 'Gbit per CPU second',
  'gigabits per second': 'Gbit/s',
  'thousands per CPU second': 'thousand per CPU second',
  'thousands per second': 'thousand/s',
  p50: 'µs, p50',
  p99: 'µs, p99',
  longest: 'µs, longest',
  'bytes each': 'B of user memory each',
};

/** Values of each contestant, in the order of the runs. */
export type Readings = ReadonlyMap<ContestantName, readonly number[]>;

export function makeRow(
  one: Case,
  figure: Figure,
  readings: Readings,
  skipped: string | undefined,
): Row {
  const ours = [...(readings.get(one.ours) ?? [])];
  const rivals = Object.fromEntries(one.rivals.map((name) => [name, [...readings.get(name)!]]));
  const ratio = Object.fromEntries(
    ours.length === 0
      ? []
      : Object.entries(rivals).map(([name, values]) => [name, medianRatio(ours, values)]),
  );
  const targets = ours.length > 0 ? judge(one, figure, ours, ratio) : [];
  const reason = ours.length === 0 && skipped !== undefined ? { skipped } : {};
  return { case: one.name, unit: UNITS[figure], ours, rivals, ratio, targets, ...reason };
}

function judge(
  one: Case,
  figure: Figure,
  ours: readonly number[],
  ratio: Readonly<Record<string, number>>,
) {
  const isFirst = figure === one.figures[0];
  const targets = one.targets
    .filter((target) =>
      target.figure === undefined ? isFirst || one.everyFigure === true : target.figure === figure,
    )
    .map((target) => judgeRatio(target, figure, ratio[target.rival]!));
  if (one.limit === undefined || figure !== (one.limited ?? one.figures[0])) return targets;
  const text = `≤ ${one.limit} ${UNITS[figure]}`;
  return [...targets, { text, pass: median(ours) <= one.limit }];
}

function judgeRatio({ rival, ratio: bound }: Target, figure: Figure, ratio: number) {
  const less = lessIsBetter(figure);
  return {
    text: `${less ? '≤' : '≥'} ${bound} × ${rival}`,
    pass: less ? ratio <= bound : ratio >= bound,
  };
}

/** Three digits that mean something. */
export function digits(value: number): string {
  if (value === 0) return '0';
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}

function show(values: readonly number[]): string {
  if (values.length === 0) return 'no figures';
  const middle = median(values);
  // A part of nothing says nothing.
  if (middle === 0) return `0 to ${digits(Math.max(...values))}`.replace(/^0 to 0$/, '0');
  return `${digits(middle)} ±${Math.round((spread(values) * 100) / 2)}%`;
}

/** A Markdown table: a line for each contestant, the target's verdict in the line of its rival. */
export function renderTable(rows: readonly Row[]): string {
  return rows.map(renderRow).join('\n');
}

function renderRow(row: Row): string {
  const ours = row.ours.length > 0 ? show(row.ours) : `skipped: ${row.skipped}`;
  const limits = row.targets.filter(({ text }) => !text.includes('×'));
  const lines = Object.entries(row.rivals).map(([name, values]) => {
    const ratio = row.ratio[name];
    const target = row.targets.find(({ text }) => text.endsWith(`× ${name}`));
    return [
      `  ${labelOf(name)}`,
      show(values),
      ratio === undefined ? '' : `${times(ratio)} ×`,
      target ? `${verdict(target.pass)} ${target.text}` : '',
    ];
  });
  const own = ['  sidetrack', ours, '', limits.map((t) => `${verdict(t.pass)} ${t.text}`).join()];
  return [`${row.case} [${row.unit}]`, ...[own, ...lines].map(columns), ''].join('\n');
}

/** Of small ratios the inverse says more. */
const times = (ratio: number) =>
  ratio > 0 && ratio < 0.4 ? `1/${digits(1 / ratio)}` : ratio.toFixed(2);

const verdict = (pass: boolean) => (pass ? 'PASS ' : 'BELOW');

function columns([label = '', value = '', ratio = '', target = '']: readonly string[]): string {
  const line = `${label.padEnd(34)}${value.padEnd(16)}${ratio.padStart(8)}   ${target}`;
  return line.trimEnd();
}
