import { expect, it } from 'vitest';
import { foreignSeconds, parseStat } from '../../load/foreign.js';

it('reads parent and times of a process, whatever its name is', () => {
  const stat =
    '42 (a) (b) 7) S 17 42 42 0 -1 4194560 1 2 0 0 11 22 33 44 20 0 1 0 100 1000 10 18446744073709551615';
  expect(parseStat(stat)).toEqual({ parent: 17, ticks: 110 });
});

it('only grows', () => {
  const before = foreignSeconds();
  expect(before).toBeGreaterThan(0);
  expect(foreignSeconds()).toBeGreaterThanOrEqual(before);
});
