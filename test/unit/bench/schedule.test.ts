import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ORDERS, type Slot, schedule } from '../../../control/bench/schedule.js';

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
function meanPlace(slots: readonly Slot[], variant: string): number {
  const places = new Map<number, Slot[]>();
  for (const slot of slots) places.set(slot.round, [...(places.get(slot.round) ?? []), slot]);
  const found = [...places.values()].flatMap((round) =>
    round.flatMap((slot, i) => (slot.variant === variant ? [i] : [])),
  );
  return found.reduce((sum, one) => sum + one, 0) / found.length;
}

it('has each test with each variant once a round, round after round', () => {
  fc.assert(
    fc.property(input, (one) => {
      const slots = schedule(one);
      const names = one.variants.flat();
      expect(slots).toHaveLength((one.runs + 1) * one.tests.length * names.length);
      const keys = slots.map(({ round, test, variant }) => `${round} ${test} ${variant}`);
      expect(new Set(keys).size).toBe(keys.length);
      const rounds = slots.map(({ round }) => round);
      expect(rounds).toEqual(rounds.toSorted((a, b) => a - b));
    }),
  );
});

it('there and back again: with an even number of rounds none comes sooner than the others', () => {
  const slots = schedule({
    runs: 5,
    tests: ['a', 'b', 'c'],
    variants: [['direct', 'steered']],
    order: 'abba',
    seed: 1,
  });
  expect(meanPlace(slots, 'direct')).toBe(meanPlace(slots, 'steered'));
  const first = slots.filter(({ test }) => test === 'a').map(({ variant }) => variant[0]);
  expect(first.join('')).toBe('dssddssddssd');
});

it('changes what costs a change once a group and round', () => {
  const slots = schedule({
    runs: 3,
    tests: ['a', 'b'],
    variants: [['x'], ['y']],
    order: 'abba',
    seed: 1,
  });
  expect(slots.map(({ variant }) => variant).join('')).toBe('xxyyyyxxxxyyyyxx');
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
