import { expect, it } from 'vitest';
import { z } from 'zod';
import { readContract } from '../../control/contract.js';

const schema = z.object({
  version: z.literal(3),
  names: z.array(z.string()),
  either: z.union([z.string(), z.object({ deep: z.number() })]).exactOptional(),
});

it.each([
  ['', 'it is empty'],
  [' \n', 'it is empty'],
  ['{', 'it is no JSON'],
  ['[]', 'expected object, received array'],
  ['{}', 'it has no version'],
  ['{ "version": 4 }', 'its version is 4, which this sidetrack does not know'],
  ['{ "version": {} }', 'its version is no number, which this sidetrack does not know'],
  ['{ "version": 3, "names": ["a", 1] }', 'names.1: expected string, received number'],
  ['{ "version": 3, "names": [], "either": { "deep": "x" } }', 'either.deep: expected number'],
])('%s is told: %s', (text, problem) => {
  const read = readContract(text, schema);
  expect(read).toMatchObject({ problem: expect.stringContaining(problem) });
  expect(read).toMatchObject({ isVersion: /version/.test(problem) });
});

it('is one line of plain letters, whatever the keys are', () => {
  const text = JSON.stringify({ '\u001b[2J\n': 1, ['x'.repeat(500)]: 2 });
  const read = readContract(text, z.record(z.string(), z.string()));
  expect(read).toEqual({
    problem: expect.stringMatching(/^[\x20-\x7e]{1,250}$/),
    isVersion: false,
  });
});

it('gives what fits, without what has no name', () => {
  const value = { version: 3, names: ['a'] };
  expect(readContract(JSON.stringify({ ...value, more: 1 }), schema)).toEqual({ value });
});
