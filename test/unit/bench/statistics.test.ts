import { expect, it } from 'vitest';
import {
  mad,
  mannWhitney,
  median,
  medianRatio,
  quantile,
  random,
  ratioInterval,
  shuffled,
  spread,
} from '../../../control/bench/statistics.js';

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

it.each([
  [[1, 2, 3, 4], 0.5, 2.5],
  [[10], 0.9, 10],
  [[0, 10], 0.25, 2.5],
  [[5, 1, 3], 1, 5],
])('of %j the quantile %d is %d', (values, part, expected) => {
  expect(quantile(values, part)).toBeCloseTo(expected);
});

it('MAD does not care for one that is far off', () => {
  expect(mad([1, 2, 3, 4, 1000])).toBe(1);
});

/** From tables, and from R's wilcox.test(…, exact = TRUE); with ties from the definition. */
it.each([
  [[1, 2, 3], [4, 5, 6], 0.1],
  [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252],
  [
    [0.8, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46],
    [1.15, 0.88, 0.9, 0.74, 1.21],
    0.2544,
  ],
  [[1, 1, 1], [1, 1, 1], 1],
  [[1, 1, 2], [2, 3, 3], 0.2],
])('Mann and Whitney of %j and %j: %d', (a, b, p) => {
  expect(mannWhitney(a, b)).toBeCloseTo(p, 4);
  expect(mannWhitney(b, a)).toBeCloseTo(p, 4);
});

it('the normal distribution takes over where counting ends, without a step', () => {
  const next = random(3);
  const a = Array.from({ length: 12 }, () => next());
  const b = Array.from({ length: 12 }, () => next() + 0.2);
  const exact = mannWhitney(a, b);
  const approximate = mannWhitney([...a, 0.5], b);
  expect(approximate / exact).toBeGreaterThan(0.5);
  expect(approximate / exact).toBeLessThan(2);
});

it('shuffles: all that was there is there, and a seed is an order', () => {
  const values = Array.from({ length: 30 }, (_, i) => i);
  const one = shuffled(values, random(1));
  expect(one.toSorted((a, b) => a - b)).toEqual(values);
  expect(one).toEqual(shuffled(values, random(1)));
  expect(one).not.toEqual(shuffled(values, random(2)));
});

it('a ratio of medians lies where the runs lie', () => {
  const { low, high } = ratioInterval([10, 10, 11, 9, 10], [20, 21, 20, 19, 20]);
  expect(low).toBeGreaterThan(1.7);
  expect(high).toBeLessThan(2.4);
  expect(ratioInterval([5, 5], [5, 5])).toEqual({ low: 1, high: 1 });
});
