/** A shell that scripts are sent to: whatever it and the way to it do, an answer is right or it is an error. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AnswerReader, batchScript, scriptLine } from '../../../control/command/batch.js';
import type { Command, RunResult } from '../../../control/command/command.js';
import { SHELL_LOOP, scriptRequest } from '../../../control/command/shell-loop.js';
import { runRaw } from '../../../control/hosts/process.js';
import { type SendOptions, Shell, ShellLost } from '../../../control/hosts/shell.js';

const BUSYBOX = fileURLToPath(new URL('../../../build/rivals/bin/busybox', import.meta.url));
const SHELLS = [['/bin/sh'], ['bash', '--posix'], [BUSYBOX, 'sh']].filter(
  ([program]) => program !== BUSYBOX || existsSync(BUSYBOX),
);

let directory: string;
const shells: Shell[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sidetrack-shell-'));
});
afterEach(async () => {
  await Promise.all(shells.splice(0).map((shell) => shell.close()));
  rmSync(directory, { recursive: true });
});

function start(...argv: string[]): Shell {
  const shell = new Shell(argv);
  shells.push(shell);
  return shell;
}

const own = (name: string) => join(directory, name);
const sh = (script: string, ...args: string[]): Command => ({
  argv: ['sh', '-c', script, 'sh', ...args],
});
const send = (shell: Shell, commands: readonly Command[], options?: SendOptions) =>
  shell.send(commands.map(scriptLine), options);

/** What a script that is answered wrongly, or not at all, comes to. */
async function lost(answer: Promise<unknown>): Promise<ShellLost> {
  const error = await answer.catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(ShellLost);
  return error as ShellLost;
}

describe.each(SHELLS)('%s', (...words) => {
  const argv = words.filter((word) => word !== undefined);
  const looping = () => start(...argv, '-c', SHELL_LOOP, 'sidetrack');

  it('runs one script after the other, of millions of bytes, and tells each result as it comes', async () => {
    const shell = looping();
    const long = '0123456789abcdé\n'.repeat(300_000);
    const [first] = await send(shell, [{ argv: ['wc', '-c'], stdin: long }]);
    expect(first!.stdout.trim()).toBe(String(Buffer.byteLength(long)));
    const told: RunResult[] = [];
    // The second ends only when the first has been told.
    const waiting = sh('while [ ! -e "$1" ]; do sleep 0.01; done; exit 3', own('told'));
    const results = await send(shell, [{ argv: ['echo', 'a'] }, waiting], {
      onResult: (index, result) => {
        if (index === 0) writeFileSync(own('told'), '');
        told.push(result);
      },
    });
    expect(told).toEqual(results);
    expect(results.map(({ status }) => status)).toEqual([0, 3]);
    expect(shell.answers).toBe(2);
  });

  it('stops at the first failure where that is asked for, and goes on with the next script', async () => {
    const shell = looping();
    const commands = [{ argv: ['false'] }, { argv: ['touch', own('never')] }];
    expect(await send(shell, commands, { untilFailure: true })).toHaveLength(1);
    expect(existsSync(own('never'))).toBe(false);
    expect(await send(shell, commands)).toHaveLength(2);
    expect(existsSync(own('never'))).toBe(true);
  });

  it('runs nothing of a script that comes only in part', async () => {
    const commands = [{ argv: ['touch', own('a')] }, { argv: ['touch', own('b')] }];
    const whole = scriptRequest(batchScript(commands.map(scriptLine), 'B'));
    const lengths = [...whole.keys()].filter((length) => length % 7 === 0 || length > 400);
    for (const length of lengths) {
      const half = whole.toString('latin1', 0, length);
      const run = { argv: [...argv, '-c', SHELL_LOOP, 'sidetrack'], stdin: half };
      const { stdout } = await runRaw(run.argv, { stdin: run.stdin });
      expect([length, stdout.toString()]).toEqual([length, '']);
    }
    expect(existsSync(own('a'))).toBe(false);
  });

  it('ends when nobody listens any more, behind the command that is running', async () => {
    const [file, ...args] = argv;
    const child = spawn(file!, [...args, '-c', SHELL_LOOP], { stdio: 'pipe' });
    const waiting =
      'touch "$1/begun"; while [ ! -e "$1/go" ]; do sleep 0.01; done; touch "$1/done"';
    const commands = [sh(waiting, directory), { argv: ['touch', own('next')] }];
    child.stdin.write(scriptRequest(batchScript(commands.map(scriptLine), 'B')));
    await vi.waitFor(() => expect(existsSync(own('begun'))).toBe(true), 20_000);
    child.stdout.destroy();
    child.stderr.destroy();
    writeFileSync(own('go'), '');
    await once(child, 'exit');
    expect(existsSync(own('done'))).toBe(true);
    expect(existsSync(own('next'))).toBe(false);
  });

  it('is lost with a script that ends it, and says what was said before', async () => {
    const shell = looping();
    const { reason, end } = await lost(send(shell, [{ argv: ['echo', 'a'] }, sh('kill -9 $PPID')]));
    expect(reason).toBe('ended');
    expect(end.results.map(({ stdout }) => stdout)).toEqual(['a\n']);
    expect(end.started).toBe(true);
    expect(shell.alive).toBe(false);
    await lost(send(shell, [{ argv: ['true'] }]));
  });
});

describe('a far end that', () => {
  /** Answers every script with what `say` prints; `$boundary` is known to it. */
  const answering = (say: string) =>
    start(
      'sh',
      '-c',
      `read -r size; script=$(head -c "$size"); boundary=$(printf %s "$script" | sed -n 's/^frame.*n\\([0-9a-f]*\\) .*/\\1/p' | head -c 32); ${say}`,
    );

  it.each([
    ['says nothing and ends', 'exit 0', 'ended'],
    ['says something else', 'echo hello; exit 3', 'ended'],
    ['ends in the middle of a boundary', 'printf "\\n$boundary sta"', 'ended'],
    [
      'answers less than it was asked',
      'for w in start end; do printf "\\n$boundary $w\\n"; printf "\\n$boundary $w\\n" >&2; done; cat',
      'malformed',
    ],
    [
      'answers more than it was asked',
      'for w in start 0 0 end; do printf "\\n$boundary $w\\n"; printf "\\n$boundary $w\\n" >&2; done; cat',
      'malformed',
    ],
    [
      'answers in another order',
      'for w in 0 start end; do printf "\\n$boundary $w\\n"; printf "\\n$boundary $w\\n" >&2; done; cat',
      'malformed',
    ],
    ['has a boundary without an end', 'printf "\\n$boundary "; cat /dev/zero', 'malformed'],
    [
      'has statuses that are none',
      'for w in start 0x1; do printf "\\n$boundary $w\\n"; printf "\\n$boundary $w\\n" >&2; done; cat',
      'malformed',
    ],
    ['prints without end, in place of an answer', 'cat /dev/zero', 'too-long'],
    ['prints without end, on standard error', 'cat /dev/zero >&2', 'too-long'],
    [
      'prints without end, as an answer',
      'printf "\\n$boundary start\\n"; cat /dev/zero',
      'too-long',
    ],
    ['begins, and goes no further', 'printf "\\n$boundary start\\n"; cat', 'timeout'],
    ['reads and says nothing', 'cat >/dev/null', 'no-start'],
  ])('%s is an error, in bounded time', async (_name, say, reason) => {
    const patience = {
      ...(reason === 'no-start' && { startMs: 300 }),
      ...(reason === 'timeout' && { timeoutMs: 300 }),
    };
    const shell = answering(say);
    const error = await lost(send(shell, [{ argv: ['true'] }], { longest: 1 << 22, ...patience }));
    expect(error.reason).toBe(reason);
  });

  it('does not exist', async () => {
    const { reason, end } = await lost(send(start(own('nothing')), [{ argv: ['true'] }]));
    expect([reason, end.status, end.started]).toEqual(['ended', 127, false]);
  });
});

describe('an answer', () => {
  const B = 'd41d8cd98f00b204e9800998ecf8427e';
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((one) => Buffer.from(one)),
    fc
      .array(
        fc.constantFrom(
          '\n',
          B.slice(1),
          `\n${B.slice(0, -1)} 0\n`,
          ` ${B} 0\n`,
          '\nend\n',
          '\0',
          '0\n',
          `${B}\n`,
        ),
      )
      .map((parts) => Buffer.from(parts.join(''))),
  );
  const said = fc.record({ stdout: bytes, stderr: bytes, status: fc.nat(255) });
  const banner = fc.tuple(bytes, bytes);

  function framed(
    stream: 'stdout' | 'stderr',
    before: Buffer,
    all: readonly { stdout: Buffer; stderr: Buffer; status: number }[],
  ) {
    const mark = (word: string | number) => Buffer.from(`\n${B} ${word}\n`);
    const parts = all.flatMap((one) => [one[stream], mark(one.status)]);
    return Buffer.concat([before, mark('start'), ...parts, mark('end')]);
  }

  /** Cuts both streams anywhere, and reads them in any order. */
  function read(streams: readonly [Buffer, Buffer], cuts: readonly number[]): AnswerReader {
    const reader = new AnswerReader(B);
    const rest: [Buffer, Buffer] = [...streams];
    for (let i = 0; rest[0].length + rest[1].length > 0; i++) {
      const cut = cuts[i % cuts.length]!;
      const which = rest[cut & 1]!.length > 0 ? cut & 1 : 1 - (cut & 1);
      reader.read(which === 0 ? 'stdout' : 'stderr', rest[which]!.subarray(0, (cut >> 1) + 1));
      rest[which] = rest[which]!.subarray((cut >> 1) + 1);
    }
    return reader;
  }

  const cuts = fc.array(fc.nat(80), { minLength: 1, maxLength: 20 });

  it('of any bytes, behind any banner and in any pieces, is what was said', () => {
    fc.assert(
      fc.property(fc.array(said, { maxLength: 5 }), banner, cuts, (all, [out, err], pieces) => {
        const reader = read([framed('stdout', out, all), framed('stderr', err, all)], pieces);
        expect(reader.ended).toBe(true);
        expect(reader.results).toEqual(
          all.map(({ status, stdout, stderr }) => ({
            status,
            stdout: `${stdout}`,
            stderr: `${stderr}`,
          })),
        );
      }),
    );
  });

  it('that is cut off anywhere has no end, and nothing in it that was not said', () => {
    fc.assert(
      fc.property(
        fc.array(said, { minLength: 1, maxLength: 4 }),
        banner,
        cuts,
        fc.nat(),
        fc.boolean(),
        (all, [out, err], pieces, at, which) => {
          const streams: [Buffer, Buffer] = [
            framed('stdout', out, all),
            framed('stderr', err, all),
          ];
          const index = which ? 1 : 0;
          streams[index] = streams[index].subarray(0, at % streams[index].length);
          const reader = read(streams, pieces);
          expect(reader.ended).toBe(false);
          expect(reader.results).toEqual(
            all.slice(0, reader.results.length).map(({ status, stdout, stderr }) => ({
              status,
              stdout: `${stdout}`,
              stderr: `${stderr}`,
            })),
          );
        },
      ),
    );
  });
});
