import { describe, expect, it } from 'vitest';
import { random } from '../../../control/bench/statistics.js';
import {
  compareRuns,
  FEWEST_RUNS,
  judge,
  type VerdictKind,
} from '../../../control/bench/verdict.js';

const SEEDS = 400;

/** Box and Muller. */
function normal(next: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}

interface Noise {
  /** Standard deviation, as a part. */
  noise: number;
  /** Part of the runs that something disturbs, which costs them 15 %. */
  disturbed: number;
}

/** As throughput behaves. */
function runs(
  next: () => number,
  count: number,
  level: number,
  { noise, disturbed: part }: Noise,
): number[] {
  return Array.from({ length: count }, () => {
    const disturbed = next() < part ? 0.85 : 1;
    return level * (1 + noise * normal(next)) * disturbed;
  });
}

function kinds(count: number, after: number, noise: Noise): Map<VerdictKind, number> {
  const found = new Map<VerdictKind, number>();
  for (let seed = 0; seed < SEEDS; seed++) {
    const next = random(seed);
    const { kind } = judge(runs(next, count, 1e9, noise), runs(next, count, after * 1e9, noise));
    found.set(kind, (found.get(kind) ?? 0) + 1);
  }
  return found;
}

describe('runs of the same thing', () => {
  it.each([
    [5, 0.001],
    [5, 0.03],
    [6, 0.1],
    [12, 0.03],
    [30, 0.3],
  ])('%d a side with noise %d: no difference, in 98 of 100 seeds', (count, noise) => {
    expect(kinds(count, 1, { noise, disturbed: 0.1 }).get('no difference')).toBeGreaterThanOrEqual(
      0.98 * SEEDS,
    );
  });
});

describe('a change of a tenth', () => {
  it.each([
    [5, 0.01, 0, 0.99],
    [5, 0.02, 0, 0.95],
    [6, 0.03, 0, 0.95],
    [12, 0.03, 0.1, 0.85],
    [20, 0.03, 0.1, 0.97],
  ])(
    '%d a side with noise %d, disturbed %d: found, and its sign is right',
    (count, noise, disturbed, part) => {
      const how = { noise, disturbed };
      const slower = kinds(count, 0.9, how);
      expect(slower.get('worse')).toBeGreaterThanOrEqual(part * SEEDS);
      expect(slower.get('better')).toBeUndefined();
      const faster = kinds(count, 1.1, how);
      expect(faster.get('better')).toBeGreaterThanOrEqual(part * SEEDS);
      expect(faster.get('worse')).toBeUndefined();
    },
  );
});

const steady = [100, 101, 99, 100.5, 99.5];
const scaled = (factor: number) => steady.map((value) => value * factor);

it('says by how much, and where that lies', () => {
  const { kind, change, interval, p } = compareRuns(steady, scaled(1.1));
  expect(kind).toBe('better');
  expect(change).toBeCloseTo(0.1);
  expect(interval.low).toBeGreaterThan(0.07);
  expect(interval.high).toBeLessThan(0.13);
  expect(p).toBeCloseTo(2 / 252);
});

it('less may be better', () => {
  expect(compareRuns(steady, scaled(1.1), { lessIsBetter: true }).kind).toBe('worse');
  expect(compareRuns(steady, scaled(0.9), { lessIsBetter: true }).kind).toBe('better');
});

it('too few runs tell nothing, however they differ', () => {
  const few = steady.slice(0, FEWEST_RUNS - 1);
  expect(compareRuns(few, scaled(10)).kind).toBe('too few runs');
});

it('what is clear, but less than anybody would notice, is no difference', () => {
  const exact = [1e6, 1e6 + 1, 1e6 + 2, 1e6 + 3, 1e6 + 4];
  const other = exact.map((value) => value + 100);
  expect(compareRuns(exact, other)).toMatchObject({ kind: 'no difference', p: 2 / 252 });
});

it('says how many runs would be needed; more noise needs more', () => {
  const of = (noise: number) =>
    compareRuns(
      steady.map((value) => 100 + (value - 100) * noise),
      steady,
    );
  expect(of(10).runsNeeded).toBeGreaterThan(of(1).runsNeeded);
  expect(of(10).visible).toBeGreaterThan(of(1).visible);
  expect(of(0).runsNeeded).toBeGreaterThanOrEqual(FEWEST_RUNS);
});

it('nothing and nothing is the same', () => {
  const none = [0, 0, 0, 0, 0];
  expect(compareRuns(none, none)).toMatchObject({ kind: 'no difference', change: 0, p: 1 });
});
