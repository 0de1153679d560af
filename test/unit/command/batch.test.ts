/** Many commands in one shell: what each said comes back as it was, of any bytes. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AnswerReader, batchScript, scriptLine } from '../../../control/command/batch.js';
import type { Command } from '../../../control/command/command.js';
import { runRaw } from '../../../control/hosts/process.js';

const SHELLS = [['/bin/sh'], ['bash', '--posix'], ['busybox', 'sh']].filter(
  ([program]) => program === '/bin/sh' || existsSync(`/usr/bin/${program}`),
);

const BOUNDARY = 'd41d8cd98f00b204e9800998ecf8427e';

async function runIn(shell: readonly string[], commands: readonly Command[]) {
  const reader = new AnswerReader(BOUNDARY);
  await runRaw(shell, {
    stdin: batchScript(commands.map(scriptLine), BOUNDARY),
    onOutput: (stream, chunk) => reader.read(stream, chunk),
  });
  expect(reader.ended).toBe(true);
  return reader.results;
}

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sidetrack-batch-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Prints the files `NAME.out` and `NAME.err`, and ends with a status. */
const SPEAKER = 'cat "$1.out"; cat "$1.err" >&2; exit "$2"';

function speaker(name: string, stdout: Uint8Array, stderr: Uint8Array, status: number): Command {
  const base = join(directory, name);
  writeFileSync(`${base}.out`, stdout);
  writeFileSync(`${base}.err`, stderr);
  return { argv: ['sh', '-c', SPEAKER, 'sh', base, String(status)] };
}

/** Bytes of any kind, those of the frame itself among them, as far as a program could know them. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc
    .array(fc.constantFrom('\n', '\n\n', BOUNDARY.slice(1), ` ${BOUNDARY} 0`, '\0', "'", '0\n'))
    .map((parts) => Buffer.from(parts.join(''))),
);
const text = (raw: Uint8Array) => Buffer.from(raw).toString();

describe.each(SHELLS)('in %s %s', (...shell) => {
  const words = shell.filter((word) => word !== undefined);

  it('gives back bytes and statuses as they were', async () => {
    const outcome = fc.record({ stdout: bytes, stderr: bytes, status: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(outcome, { minLength: 1, maxLength: 5 }), async (outcomes) => {
        const commands = outcomes.map(({ stdout, stderr, status }, i) =>
          speaker(String(i), stdout, stderr, status),
        );
        expect(await runIn(words, commands)).toEqual(
          outcomes.map(({ stdout, stderr, status }) => ({
            status,
            stdout: text(stdout),
            stderr: text(stderr),
          })),
        );
      }),
      { numRuns: 20 },
    );
  });

  it('hands arguments and inputs over as they are', async () => {
    const word = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom("'", '$HOME', '`id`', '\\', '-n', '%s', '~', '*', '\n', '', '\u{1F600}'),
    );
    const argument = word.map((one) => one.replaceAll('\0', ''));
    await fc.assert(
      fc.asyncProperty(fc.array(argument, { maxLength: 6 }), word, async (args, stdin) => {
        const show = ['sh', '-c', 'cat; printf "%s\\0" "$@"', 'sh', ...args];
        const printed = args.length === 0 ? '\0' : args.map((one) => `${one}\0`).join('');
        const expected = Buffer.from(stdin + printed).toString();
        const [result] = await runIn(words, [{ argv: show, stdin }]);
        expect(result).toEqual({ status: 0, stdout: expected, stderr: '' });
      }),
      { numRuns: 30 },
    );
  });

  it('says of a program that is missing what the shell says, and goes on', async () => {
    const missing = await runIn(words, [
      { argv: ['no-such-program', 'x'] },
      { argv: ['if'], stdin: 'x' },
      { argv: ['A=b'] },
      { argv: ['ended', '0'] },
      { argv: ['echo', 'still here'] },
    ]);
    expect(missing.map(({ status }) => status)).toEqual([127, 127, 127, 127, 0]);
    expect(missing[0]!.stderr).toContain('not found');
    expect(missing[4]!.stdout).toBe('still here\n');
  });

  it('neither ends with a command that exits, is killed or reads, nor keeps what one changes', async () => {
    const results = await runIn(words, [
      { argv: ['sh', '-c', 'kill -KILL $$'] },
      { argv: ['exit', '3'] },
      { argv: ['sh', '-c', 'cd /; exit 3'] },
      { argv: ['cat'] },
      { argv: ['sh', '-c', 'echo $LC_ALL; pwd'] },
    ]);
    expect(results.map(({ status }) => status)).toEqual([137, 127, 3, 0, 0]);
    expect(results[3]!.stdout).toBe('');
    expect(results[4]!.stdout).toBe(`C\n${process.cwd()}\n`);
  });
});

it('ends with the first that fails where that is asked for', async () => {
  const lines = [['true'], ['false'], ['echo', 'c']].map((argv) => scriptLine({ argv }));
  const { stdout, stderr } = await runRaw(['sh'], {
    stdin: batchScript(lines, BOUNDARY, { untilFailure: true }),
  });
  const reader = new AnswerReader(BOUNDARY);
  reader.read('stdout', stdout);
  reader.read('stderr', stderr);
  expect(reader.ended).toBe(true);
  expect(reader.results.map(({ status }) => status)).toEqual([0, 1]);
});

it.each([false, true])(
  'goes on when nobody listens where that is asked for: %s',
  async (endures) => {
    const directory = mkdtempSync(join(tmpdir(), 'sidetrack-'));
    const file = join(directory, 'done');
    try {
      const stdin = batchScript([scriptLine({ argv: ['touch', file] })], BOUNDARY, { endures });
      await runRaw(['sh', '-c', 'exec sh >&-'], { stdin });
      expect(existsSync(file)).toBe(endures);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);

it('knows of a shell that did not get to its end what was said before', async () => {
  const lines = [
    ['echo', 'a'],
    ['echo', 'b'],
  ].map((argv) => scriptLine({ argv }));
  const all = await runRaw(['sh'], { stdin: batchScript(lines, BOUNDARY) });
  for (let length = 0; length < all.stdout.length; length++) {
    const reader = new AnswerReader(BOUNDARY);
    reader.read('stderr', all.stderr);
    reader.read('stdout', all.stdout.subarray(0, length));
    const said = reader.results.map(({ stdout }) => stdout);
    expect(said).toEqual(['a\n', 'b\n'].slice(0, said.length));
    expect(reader.ended).toBe(false);
  }
});
