/** Sums of counters of which some begin anew, as Prometheus reads them. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Counted, Sums } from '../../../control/exporter/resets.js';

/** What increase() makes of a series: what is less than before began at zero. */
function increase(values: readonly number[]): number {
  return values.slice(1).reduce((sum, value, i) => {
    const before = values[i]!;
    return sum + (value >= before ? value - before : value);
  }, 0);
}

const parts = (...values: [id: string, value: number][]): Counted[] =>
  values.map(([id, value]) => ({ id, value }));

it('is what the kernel says until something begins anew, and when all has begun anew', () => {
  const sums = new Sums();
  expect(sums.next('a', parts(['1', 100], ['2', 50]))).toBe(150);
  expect(sums.next('a', parts(['1', 110], ['2', 50]))).toBe(160);
  expect(sums.next('a', parts(['3', 4], ['4', 0]))).toBe(4);
});

it('counts nothing twice when one of several is replaced, or counts less', () => {
  const sums = new Sums();
  const replaced = [
    sums.next('a', parts(['1', 100], ['2', 50])),
    sums.next('a', parts(['3', 2], ['2', 53])),
    sums.next('a', parts(['3', 4], ['2', 53])),
  ];
  expect(increase(replaced)).toBe(2 + 3 + 2);
  const less = [
    sums.next('b', parts(['1', 100], ['2', 50])),
    sums.next('b', parts(['1', 1], ['2', 50])),
  ];
  expect(increase(less)).toBe(1);
});

it('does not take a counter that joins for one that begins anew', () => {
  const sums = new Sums();
  expect(sums.next('a', parts(['1', 100]))).toBe(100);
  expect(sums.next('a', parts(['1', 100], ['2', 3]))).toBe(103);
});

it('never makes more of it than was counted, and never less than nothing', () => {
  const step = fc.record({ add: fc.nat(9), restarts: fc.boolean(), of: fc.nat(2) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const sums = new Sums();
      const counters = [0, 1, 2].map((id) => ({ id, generation: 0, value: 5 }));
      const read = () =>
        sums.next(
          'a',
          counters.map(({ id, generation, value }) => ({ id: `${id}/${generation}`, value })),
        );
      const seen = [read()];
      let counted = 0;
      for (const { add, restarts, of } of steps) {
        const counter = counters[of]!;
        if (restarts) {
          counter.generation++;
          counter.value = 0;
        }
        counter.value += add;
        counted += add;
        seen.push(read());
      }
      expect(Math.min(...seen)).toBeGreaterThanOrEqual(0);
      expect(increase(seen)).toBeLessThanOrEqual(counted);
    }),
  );
});
