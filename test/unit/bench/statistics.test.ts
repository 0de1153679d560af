import { expect, it } from 'vitest';
import { median, medianRatio, spread } from '../../../control/bench/statistics.js';

it.each([
  [[3], 3],
  [[9, 1, 5], 5],
  [[4, 1, 3, 2], 2.5],
  [[10, 9, 100], 10],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected);
});

it('there is no median of nothing', () => {
  expect(() => median([])).toThrow(RangeError);
});

it('leaves its input in order', () => {
  const values = [3, 1, 2];
  median(values);
  expect(values).toEqual([3, 1, 2]);
});

it.each([
  [[5], 0],
  [[0, 0], 0],
  [[8, 10, 12], 0.4],
  [[-8, -10, -12], 0.4],
])('the spread of %j is %d', (values, expected) => {
  expect(spread(values)).toBeCloseTo(expected);
});

it('compares neighbours: a slow moment of the machine does not count for one side', () => {
  expect(medianRatio([20, 2, 20], [10, 1, 10])).toBe(2);
  expect(medianRatio([10, 20, 60], [10, 10, 10])).toBe(2);
});

it('leaves out runs without a neighbour', () => {
  expect(medianRatio([6, 6, 100], [2, 2])).toBe(3);
});
