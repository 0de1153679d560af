import { expect, it } from 'vitest';
import { renderChart } from '../../load/chart.js';
import { ROWS } from '../../load/classifier/plans.js';
import { makeClassifierRow, type RowPlan, type Samples } from '../../load/classifier/rows.js';
import { renderTable } from '../../load/report.js';

const plan: RowPlan = {
  case: 'lookup',
  unit: 'ns',
  ours: 'ours',
  rivals: { trie: 'theirs' },
  atMost: { trie: 1 / 8 },
  limit: 20,
};

const row = (ours: readonly (number | undefined)[], theirs: readonly (number | undefined)[]) =>
  makeClassifierRow(plan, new Map(Object.entries({ ours, theirs })));
const passes = (one: ReturnType<typeof row>) => one.targets.map(({ pass }) => pass);

it('compares ours with the rival of the same round', () => {
  const one = row([10, 20, 20], [100, 160, 400]);
  expect(one.ratio).toEqual({ trie: 0.1 });
  expect(passes(one)).toEqual([true, true]);
});

it('leaves out rounds in which one of the two failed', () => {
  const holes: (number | undefined)[] = [];
  holes[1] = 10;
  const one = row(holes, [20, 100, 30]);
  expect(one.ours).toEqual([10]);
  expect(one.rivals).toEqual({ trie: [20, 100, 30] });
  expect(one.ratio).toEqual({ trie: 0.1 });
});

it('holds every round to a limit, not their median', () => {
  expect(passes(row([0, 0, 0, 0, 21], [1000, 1000, 1000, 1000, 1000]))).toEqual([true, false]);
});

it('meets no target without figures, and says so in table and chart', () => {
  const rows = [row([], []), row([1], [])];
  expect(rows.map(passes)).toEqual([
    [false, false],
    [false, true],
  ]);
  expect(renderTable(rows)).toContain('skipped: not measured');
  expect(renderTable(rows)).toContain('no figures');
  expect(renderChart('t', 's', rows)).not.toMatch(/NaN|Infinity/);
});

it('draws and prints zeros', () => {
  const rows = [row([0, 0, 0], [0, 0, 3])];
  expect(rows[0]!.ratio).toEqual({});
  expect(renderTable(rows)).not.toMatch(/NaN|Infinity/);
  expect(renderTable(rows)).toContain('0 to 3');
  expect(renderChart('t', 's', [row([0], [0])])).not.toMatch(/NaN|Infinity/);
});

it('has a row for everything when nothing was measured', () => {
  const nothing: Samples = new Map();
  const rows = ROWS.map((one) => makeClassifierRow(one, nothing));
  expect(rows.flatMap(({ targets }) => targets).every(({ pass }) => !pass)).toBe(true);
  expect(() => renderTable(rows)).not.toThrow();
  expect(() => renderChart('t', 's', rows)).not.toThrow();
});
