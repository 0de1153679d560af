import { expect, it } from 'vitest';
import { Rounds } from '../../load/classifier/rounds.js';

it('loses no more to a failure than the figures of that case in that round', async () => {
  let round = 0;
  const cases = [
    { name: 'never', prepare: () => Promise.reject(new Error('no such kernel')) },
    {
      name: 'sometimes',
      isExact: true as const,
      prepare: () => () => {
        if (round++ === 0) throw new Error('too busy');
        return { sometimes: round };
      },
    },
    { name: 'always', isExact: true as const, prepare: () => () => ({ always: 1 }) },
  ];
  const { samples, rounds, failures } = await new Rounds(cases, 2, 1).measure();
  expect(rounds).toBe(2);
  expect(samples.get('sometimes')).toEqual([undefined, 2]);
  expect(samples.get('always')).toEqual([1, 1]);
  expect(failures).toEqual([
    { name: 'never', message: 'no such kernel' },
    { name: 'sometimes', message: 'too busy' },
  ]);
});

it('begins nothing after its time', async () => {
  const cases = [{ name: 'one', prepare: () => () => ({ one: 1 }) }];
  const { samples, rounds } = await new Rounds(cases, 5, 0).measure();
  expect([samples.size, rounds]).toEqual([0, 0]);
});
