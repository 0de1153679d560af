/** A list of questions: which of them fails first, and what is said of it. */
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Command, RunResult } from '../../../control/command/command.js';
import { fileQuery, jsonOf, outputOf, query } from '../../../control/command/query.js';
import { ask } from '../../../control/hosts/host.js';

const OK: RunResult = { status: 0, stdout: '', stderr: '' };

/** A host that gives these answers to any question, and counts the round trips. */
function answering(...results: Partial<RunResult>[]) {
  const trips: (readonly Command[])[] = [];
  return {
    trips,
    address: 'netns://router',
    sidetrack: ['sidetrack'],
    batch: async (commands: readonly Command[]) => {
      trips.push(commands);
      return results.map((result) => ({ ...OK, ...result }));
    },
  };
}

const NUMBERS = z.array(z.number());

it('asks all at once, and gives each parser its own answers, by name', async () => {
  const host = answering({ stdout: 'a' }, { stdout: 'b' }, { stdout: '[1]' });
  const answers = await ask(host, {
    pair: {
      commands: [{ argv: ['one'] }, { argv: ['two'] }],
      parse: (first, second) => `${outputOf(first)}${outputOf(second)}`,
    },
    nothing: { commands: [], parse: () => 'known already' },
    numbers: query(['three'], (answer) => jsonOf(answer, NUMBERS)),
  });
  expect(answers).toEqual({ pair: 'ab', nothing: 'known already', numbers: [1] });
  expect(host.trips.map((commands) => commands.map(({ argv }) => argv[0]))).toEqual([
    ['one', 'two', 'three'],
  ]);
});

it('throws what the first of the list says, not the first that failed', async () => {
  const host = answering(
    { status: 3, stderr: 'no\nmore' },
    { status: 127, stderr: 'x: not found' },
  );
  const asked = ask(host, { one: query(['one', '-x'], outputOf), two: query(['two'], outputOf) });
  await expect(asked).rejects.toMatchObject({
    message: 'netns://router: "one -x" failed with status 3: no',
    code: 'command-failed',
  });
});

it('tells a file that is not there from one that cannot be read', async () => {
  const file = { file: fileQuery('/x', (text) => text) };
  expect(await ask(answering({ stdout: 'text' }), file)).toEqual({ file: 'text' });
  const absent = { status: 1, stderr: 'cat: /x: No such file or directory' };
  expect(await ask(answering(absent), file)).toEqual({ file: undefined });
  const closed = { status: 1, stderr: 'cat: /x: Permission denied' };
  await expect(ask(answering(closed), file)).rejects.toMatchObject({ code: 'privilege-missing' });
});

it('says of what is no JSON what it is', async () => {
  const asked = (argv: string[]) =>
    ask(answering({ stdout: 'Usage: x' }), {
      one: query(argv, (answer) => jsonOf(answer, NUMBERS)),
    });
  await expect(asked(['nft', '-j'])).rejects.toMatchObject({ code: 'unexpected-answer' });
  await expect(asked(['ip', '-j'])).rejects.toMatchObject({ code: 'ip-without-json' });
});

it('says of another shape where it differs', async () => {
  const asked = ask(answering({ stdout: '[1, "2"]' }), {
    one: query(['nft', '-j'], (answer) => jsonOf(answer, NUMBERS)),
  });
  await expect(asked).rejects.toMatchObject({
    code: 'unexpected-answer',
    message: expect.stringContaining('1: expected number, received string'),
  });
});
