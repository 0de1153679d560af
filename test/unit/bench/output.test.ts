import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';
import { expect, it } from 'vitest';
import type { Series } from '../../../control/bench/figures.js';
import { figureLines } from '../../../control/cli/bench/output.js';

const series = (change: Partial<Series>): Series => ({
  ...{ test: 'connections-4', variant: 'no-splice', figure: 'bitsPerSecond' },
  ...{ values: [1, 2, 3, 4, 5], median: 12.7e9, mad: 1e9, min: 11.9e9, max: 13.1e9 },
  ...change,
});

it('fits the longest names into 80 columns, with a heading for each test', () => {
  const lines = figureLines([
    series({}),
    series({ figure: 'connectP50', median: 10_700, mad: 100, min: 10_600, max: 10_800 }),
    series({ test: 'latency-6', figure: 'failures', median: 0, mad: 0, min: 0, max: 0 }),
  ]);
  expect(lines.map((line) => line.split('  ')[0])).toEqual([
    'Runs of each that count: 5',
    pc.bold('  variant').split('  ')[0],
    pc.bold('connections-4'),
    '',
    '',
    pc.bold('latency-6'),
    '',
  ]);
  expect(lines.map(stripVTControlCharacters).filter((line) => line.length > 80)).toEqual([]);
  expect(lines.at(-1)).toMatch(/^ {2}no-splice {2}failures .* -$/);
});

it('says how many runs where it is not the same for all', () => {
  const [head, , line] = figureLines([series({}), series({ values: [1, 2] })]);
  expect(head).toMatch(/runs/);
  expect(line).toMatch(/7\.9 % +5$/);
});
