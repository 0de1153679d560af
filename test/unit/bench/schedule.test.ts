import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ORDERS, schedule, type Turn } from '../../../control/bench/schedule.js';

const input = fc.record({
  runs: fc.integer({ min: 1, max: 9 }),
  tests: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1 }),
  variants: fc.constantFrom(
    [['direct', 'steered']],
    [['steered']],
    [['redirect'], ['tproxy'], ['ebpf']],
    [['direct', 'redirect'], ['tproxy']],
  ),
  order: fc.constantFrom(...ORDERS),
  seed: fc.integer(),
});

/** Mean place within its round. */
function meanPlace(turns: readonly Turn[], variant: string): number {
  const places = new Map<number, Turn[]>();
  for (const turn of turns) places.set(turn.round, [...(places.get(turn.round) ?? []), turn]);
  const found = [...places.values()].flatMap((round) =>
    round.flatMap((turn, i) => (turn.variant === variant ? [i] : [])),
  );
  return found.reduce((sum, one) => sum + one, 0) / found.length;
}

it('has each test with each variant once a round, round after round', () => {
  fc.assert(
    fc.property(input, (one) => {
      const turns = schedule(one);
      const names = one.variants.flat();
      expect(turns).toHaveLength((one.runs + 1) * one.tests.length * names.length);
      const keys = turns.map(({ round, test, variant }) => `${round} ${test} ${variant}`);
      expect(new Set(keys).size).toBe(keys.length);
      const rounds = turns.map(({ round }) => round);
      expect(rounds).toEqual(rounds.toSorted((a, b) => a - b));
    }),
  );
});

it('there and back again: with an even number of rounds none comes sooner than the others', () => {
  const turns = schedule({
    runs: 5,
    tests: ['a', 'b', 'c'],
    variants: [['direct', 'steered']],
    order: 'abba',
    seed: 1,
  });
  expect(meanPlace(turns, 'direct')).toBe(meanPlace(turns, 'steered'));
  const first = turns.filter(({ test }) => test === 'a').map(({ variant }) => variant[0]);
  expect(first.join('')).toBe('dssddssddssd');
});

it('changes what costs a change once a group and round', () => {
  const turns = schedule({
    runs: 3,
    tests: ['a', 'b'],
    variants: [['x'], ['y']],
    order: 'abba',
    seed: 1,
  });
  expect(turns.map(({ variant }) => variant).join('')).toBe('xxyyyyxxxxyyyyxx');
});

it('a seed is an order, another seed another one', () => {
  const of = (seed: number) =>
    schedule({
      runs: 9,
      tests: ['a', 'b'],
      variants: [['direct', 'steered']],
      order: 'random',
      seed,
    });
  expect(of(7)).toEqual(of(7));
  expect(of(7)).not.toEqual(of(8));
});
