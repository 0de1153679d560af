/** What a change leaves on its host, in real shells: which of them the hosts have is not known. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as change from '../../../control/command/change.js';
import { CHANGE_PROGRAM, TOO_LATE } from '../../../control/command/change-program.js';
import type { Command } from '../../../control/command/command.js';
import { waitFor } from '../../../control/lab/wait.js';
import { parseChange } from '../../../control/plan/change-state.js';
import { changeSteps, type Undoable } from '../../../control/plan/change-steps.js';

const busybox = new URL('../../../build/rivals/bin/busybox', import.meta.url).pathname;
const SHELLS: Readonly<Record<string, string>> = {
  dash: 'exec dash "$@"',
  bash: 'exec bash --norc --posix "$@"',
  ...(existsSync(busybox) && { busybox: `exec ${busybox} sh "$@"` }),
};

let directory: string;
let state: string;
let thing: string;
let holder: ChildProcess | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sidetrack-change-'));
  state = join(directory, 'state');
  thing = join(directory, 'thing');
  spawnSync('mkdir', [state, join(directory, 'bin')]);
  writeFileSync(thing, 'old');
});
afterEach(async () => {
  loseSession();
  // Ends with its directory, into which it may be writing; its own lock says when.
  rmSync(state, { recursive: true, force: true, maxRetries: 5 });
  await waitFor('every watchdog to end', () => Promise.resolve(watchdogs().length === 0));
  rmSync(directory, { recursive: true, force: true });
});

function watchdogs(): string[] {
  const { stdout } = spawnSync('pgrep', ['-f', `${state}/change/program watch`], {
    encoding: 'utf8',
  });
  return stdout.split('\n').filter(Boolean);
}

/** `sh`, also that of the watchdog, is this shell. */
function useShell(name: string): void {
  const bin = join(directory, 'bin');
  // The others here are links to the machine's own programs: nothing is ever written by their names.
  writeFileSync(join(bin, 'sh'), `#!/bin/sh\n${SHELLS[name]}\n`, { mode: 0o755, flag: 'wx' });
  const programs =
    'cat mv rm mkdir tr sed grep sleep flock readlink kill cp setsid env dash bash head tee';
  for (const program of programs.split(' ')) {
    const { stdout } = spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin; command -v ${program}`], {
      encoding: 'utf8',
    });
    if (stdout.startsWith('/')) spawnSync('ln', ['-sf', stdout.trim(), join(bin, program)]);
  }
}

function run({ argv: [file, ...args], stdin = '' }: Command) {
  const env = { PATH: join(directory, 'bin') };
  const { status, stdout, stderr } = spawnSync(join(directory, 'bin', file!), args, {
    input: stdin,
    env,
    encoding: 'utf8',
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

/** A shell that has the host's lock, as an apply's has. */
async function holdLock(owner = '{"machine":"laptop","pid":7}'): Promise<void> {
  const script = 'exec 9>>"$1"; flock 9; echo "$2" >"$1"; echo held; exec sleep 600';
  holder = spawn('sh', ['-c', script, 'sh', join(state, 'lock'), owner], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(holder.stdout!, 'data');
}

function loseSession(): void {
  holder?.kill('SIGKILL');
  holder = undefined;
}

const write = (text: string): Command => ({ argv: ['tee', thing], stdin: text });
const step = (title: string, undo: Command, more: Partial<Undoable> = {}): Undoable => ({
  title,
  undo: [undo],
  readBack: [{ argv: ['cat', thing] }],
  ...more,
});

const theStep = () => step("write the 'thing'", write('old'));

function armed(steps: readonly Undoable[], seconds = 60): void {
  for (const command of change.layDown(state, CHANGE_PROGRAM, changeSteps(steps)))
    expect(run(command)).toMatchObject({ status: 0, stderr: '' });
  expect(
    run(change.arm(state, seconds, '{"machine":"laptop","user":"alice","pid":7}')),
  ).toMatchObject({ status: 0, stderr: '' });
}

function take(number: number, text: string): void {
  expect(run(change.begin(state, number))).toMatchObject({ status: 0, stderr: '' });
  writeFileSync(thing, text);
}

const content = () => readFileSync(thing, 'utf8');
const found = () => parseChange(run(change.readChange(state)).stdout);

async function reverted() {
  await waitFor('the change to be reverted', () => Promise.resolve(found()?.phase === 'reverted'));
  return found();
}

/** Debian's and OpenWrt's; where `sh` is bash it is POSIX's, too. */
describe.each(Object.keys(SHELLS).filter((name) => name !== 'bash'))('in %s', testsOf);
describe('in bash', { tags: ['long'] }, () => testsOf('bash'));

function testsOf(shell: string): void {
  beforeEach(async () => {
    useShell(shell);
    await holdLock();
  });

  it('a change that is confirmed stays, and its watchdog has ended', () => {
    armed([theStep()]);
    take(1, 'new');
    expect(run(change.countdown(state))).toMatchObject({ status: 0 });
    expect(found()).toMatchObject({
      phase: 'pending',
      watchdog: true,
      begun: 1,
      secondsLeft: expect.any(Number),
      owner: { machine: 'laptop', user: 'alice' },
    });
    expect(watchdogs()).toHaveLength(1);
    expect(run(change.confirm(state))).toMatchObject({ status: 0, stderr: '' });
    expect(watchdogs()).toEqual([]);
    expect(found()).toMatchObject({ phase: 'confirmed', watchdog: false });
    expect(content()).toBe('new');
  });

  it('a change whose deadline passes is reverted, and says so', async () => {
    armed([theStep()], 1);
    take(1, 'new');
    run(change.countdown(state));
    expect(await reverted()).toMatchObject({
      why: 'not confirmed within 1 s',
      left: [],
    });
    expect(content()).toBe('old');
    expect(run(change.confirm(state))).toMatchObject({ status: TOO_LATE });
    expect(run(change.begin(state, 2))).toMatchObject({ status: TOO_LATE });
  });

  it('a session that does not notice the end of its change loses the lock', {
    timeout: 30_000,
  }, async () => {
    armed([theStep()], 1);
    run(change.countdown(state));
    const ended = once(holder!, 'exit');
    await reverted();
    expect(await ended).toEqual([null, 'SIGKILL']);
  });

  it('the session of a later apply keeps its lock', { timeout: 30_000 }, async () => {
    armed([theStep()], 1);
    run(change.countdown(state));
    await reverted();
    loseSession();
    await holdLock('{"machine":"laptop","pid":8}');
    await waitFor('the watchdog to end', () => watchdogs().length === 0, 20_000);
    expect(holder).toMatchObject({ exitCode: null, signalCode: null });
  });

  it('a step takes no time from the deadline', async () => {
    armed([theStep()], 1);
    take(1, 'new');
    expect(found()!.secondsLeft).toBeGreaterThan(200);
  });

  it('a change whose session is gone is reverted at once', async () => {
    armed([theStep()]);
    take(1, 'new');
    loseSession();
    expect(await reverted()).toMatchObject({ why: 'the session that made it has ended', left: [] });
    expect(content()).toBe('old');
    expect(existsSync(join(state, 'lock'))).toBe(false);
  });

  it('a change that is told to go is gone when that returns', () => {
    armed([theStep()]);
    take(1, 'new');
    expect(run(change.back(state, 'interrupted'))).toMatchObject({ status: 0, stderr: '' });
    expect(found()).toMatchObject({ phase: 'reverted', why: 'interrupted', left: [] });
    expect(content()).toBe('old');
  });

  it('a change of which steps are missing is not confirmed', () => {
    armed([theStep()]);
    for (const number of [1, 2]) {
      take(number, 'half');
      const { status, stderr } = run(change.confirm(state));
      expect(status).toBe(1);
      expect(stderr).toContain('still being made');
      expect(found()).toMatchObject({ phase: 'pending', watchdog: true });
    }
    run(change.countdown(state));
    expect(run(change.begin(state, 3))).toMatchObject({ status: 0 });
    expect(run(change.confirm(state)).status).toBe(1);
    run(change.countdown(state));
    expect(run(change.confirm(state))).toMatchObject({ status: 0 });
  });

  it('a confirmed change can still be told to go: another host did not confirm', () => {
    armed([theStep()]);
    take(1, 'new');
    run(change.countdown(state));
    run(change.confirm(state));
    expect(run(change.back(state, 'the router did not confirm'))).toMatchObject({ status: 0 });
    expect(found()).toMatchObject({ phase: 'reverted', why: 'the router did not confirm' });
    expect(content()).toBe('old');
  });

  it('steps that were not begun are not undone, the others newest first', () => {
    const add = (text: string) =>
      step(
        text,
        { argv: ['sh', '-c', `echo undo ${text} >>${directory}/order`] },
        { readBack: [] },
      );
    armed([add('a'), add('b'), add('c')]);
    take(1, 'x');
    take(2, 'x');
    run(change.back(state, 'told'));
    expect(readFileSync(`${directory}/order`, 'utf8')).toBe('undo b\nundo a\n');
  });

  it('what cannot be put back is said, and what was remembered stays for down', () => {
    const memory = join(directory, 'memory');
    writeFileSync(memory, 'originals');
    const remember = step(
      'remember',
      { argv: ['rm', '-f', memory] },
      { readBack: [], remembers: true },
    );
    armed([remember, step("write the 'thing'", { argv: ['sh', '-c', 'exit 0'] })]);
    take(1, 'old');
    take(2, 'new');
    run(change.back(state, 'told'));
    expect(found()).toMatchObject({ phase: 'reverted', left: ["write the 'thing'"] });
    expect(readFileSync(memory, 'utf8')).toBe('originals');
  });

  it('a watchdog that is killed leaves a change that is interrupted, and is undone when told', async () => {
    armed([theStep()]);
    take(1, 'new');
    for (const pid of watchdogs()) process.kill(Number(pid), 'SIGKILL');
    await waitFor('the watchdog to be gone', () => Promise.resolve(found()?.watchdog === false));
    expect(found()).toMatchObject({ phase: 'pending' });
    run(change.back(state, 'interrupted'));
    expect(found()).toMatchObject({ phase: 'reverted', left: [] });
    expect(content()).toBe('old');
  });

  it('nothing of it is readable or writable for others', () => {
    armed([theStep()]);
    for (const name of ['', '/program', '/steps', '/about', '/journal', '/deadline'])
      expect(statSync(`${state}/change${name}`).mode & 0o077).toBe(0);
  });

  it('at the deadline either the confirm wins or the revert, never both', async () => {
    armed([theStep()], 1);
    take(1, 'new');
    run(change.countdown(state));
    await waitFor('the deadline', () => Promise.resolve((found()?.secondsLeft ?? 0) <= 0));
    const { status } = run(change.confirm(state));
    if (status === 0) {
      expect(found()).toMatchObject({ phase: 'confirmed' });
      expect(content()).toBe('new');
    } else {
      expect(await reverted()).toMatchObject({ left: [] });
      expect(content()).toBe('old');
    }
  });

  it('a watchdog that sees the deadline takes back nothing that was confirmed in that moment', async () => {
    armed([theStep()]);
    take(1, 'new');
    // The last program that a watchdog runs before it begins is the one that confirms.
    const cat = join(directory, 'bin', 'cat');
    rmSync(cat);
    const confirms = '[ "${1##*/}" != timeout ] || mv "${1%/*}/pending" "${1%/*}/confirmed"';
    writeFileSync(cat, `#!/bin/dash\n${confirms}\nexec /bin/cat "$@"\n`, {
      mode: 0o755,
      flag: 'wx',
    });
    writeFileSync(join(state, 'change', 'deadline'), '0\n');
    await waitFor('the watchdog to end', () => watchdogs().length === 0);
    expect(found()).toMatchObject({ phase: 'confirmed' });
    expect(content()).toBe('new');
    expect(holder).toMatchObject({ exitCode: null, signalCode: null });
  });

  it.skipIf(process.getuid!() !== 0)(
    'a change goes back also where nothing more can be written',
    () => {
      const script = `
      mount -t tmpfs -o nr_inodes=40 tmpfs "$1" && mkdir "$1/change" && cd "$1" || exit
      cat >change/program; printf %s "$2" >change/steps
      exec 9>>lock; flock 9; echo x >lock
      sh "$1/change/program" arm 60 '{}' && sh "$1/change/program" begin 1 || exit
      for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40; do
        ( : >fill$n ) 2>/dev/null || break
      done
      timeout 15 sh "$1/change/program" back interrupted 2>/dev/null
      echo $?; ls change | grep -x -e pending -e reverted`;
      writeFileSync(thing, 'new');
      const { stdout } = spawnSync(
        'unshare',
        ['-m', 'sh', '-c', script, 'sh', state, changeSteps([theStep()])],
        {
          input: CHANGE_PROGRAM,
          encoding: 'utf8',
          env: { ...process.env, PATH: `${join(directory, 'bin')}:${process.env.PATH}` },
        },
      );
      expect(stdout).toBe('0\nreverted\n');
      expect(content()).toBe('old');
    },
  );

  it('where there is no setsid, too', async () => {
    rmSync(join(directory, 'bin/setsid'));
    armed([theStep()]);
    take(1, 'new');
    loseSession();
    await reverted();
    expect(content()).toBe('old');
  });

  it('a change that cannot be watched is not begun', () => {
    rmSync(join(directory, 'bin/flock'));
    for (const command of change.layDown(state, CHANGE_PROGRAM, changeSteps([theStep()])))
      run(command);
    expect(run(change.arm(state, 60, '{}'))).toMatchObject({
      stderr: expect.stringContaining('no process can be left behind'),
    });
    expect(found()).toBeUndefined();
  });
}
