/** The shell scripts, in the shells that there are. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  attendedScript,
  endByToken,
  READY,
  readSideBySide,
  sideBySide,
} from '../../../control/bench/scripts.js';
import { runProcess } from '../../../control/hosts/process.js';
import { waitFor } from '../../../control/lab/wait.js';

const TOKEN = 'token-of-a-test-0123456789';

const SHELLS = [['sh'], ['bash'], ['busybox', 'sh']].filter(([name]) =>
  ['/bin', '/usr/bin'].some((directory) => existsSync(`${directory}/${name}`)),
);

/** Runs it as its host would, in that shell. */
async function side(shell: readonly string[], programs: string[][], seconds = 20, token = TOKEN) {
  const { argv } = sideBySide(programs, seconds, token);
  const { stdout, status } = await runProcess([...shell, ...argv.slice(1)]);
  return { status, outputs: readSideBySide(stdout, token, programs.length) };
}

const isAlive = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

describe.each(SHELLS)('in %s', (...shell) => {
  it('programs run side by side; what each has said is told apart', async () => {
    const { outputs } = await side(shell, [
      ['sh', '-c', 'echo "{ \\"a\\": 1 }"; echo bad >&2; exit 3'],
      ['printf', '%s', 'no line’s end, and 0 err\n1 2'],
      ['no-such-program-at-all'],
    ]);
    expect(outputs[0]).toMatchObject({ status: 3, stderr: 'bad' });
    expect(JSON.parse(outputs[0]!.stdout)).toEqual({ a: 1 });
    expect(outputs[1]!.stdout.trim()).toBe('no line’s end, and 0 err\n1 2');
    expect(outputs[2]).toMatchObject({ status: 127, stdout: expect.stringMatching(/^\s*$/) });
    expect(outputs[2]!.stderr).toMatch(/not found/);
  });

  it('what does not end in time is ended', async () => {
    const { outputs } = await side(shell, [['sleep', '1000']], 1);
    expect(outputs[0]!.status).toBeGreaterThan(128);
  });

  it('they are found by their token, and ended; others are not', async () => {
    const other = `${TOKEN.slice(0, -1)}x`;
    const mine = side(shell, [['sleep', '1000']]);
    const others = side(shell, [['sh', '-c', 'sleep 3; echo whole']], 20, other);
    await waitFor('both', async () => {
      const { stdout } = await runProcess(['sh', '-c', 'cat /proc/[0-9]*/cmdline 2>/dev/null']);
      return stdout.includes(TOKEN) && stdout.includes(other);
    });
    await runProcess(endByToken(TOKEN).argv);
    expect((await mine).outputs[0]!.status).toBe(143);
    expect((await others).outputs[0]).toMatchObject({ status: 0 });
  });
});

describe.each(SHELLS)('attended in %s', (...shell) => {
  async function attended(programs: string[][], leaseSeconds?: number) {
    const argv = [...shell, '-c', attendedScript(programs, leaseSeconds)];
    const child: ChildProcess = spawn(argv[0]!, argv.slice(1), { stdio: 'pipe' });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = new Promise((resolve) => child.once('close', resolve));
    for await (const line of createInterface({ input: child.stdout! }))
      if (line.startsWith(READY)) {
        const pids = line.slice(READY.length).trim().split(' ').map(Number);
        return { child, ended, pids };
      }
    throw new Error('it did not begin');
  }

  it('programs live while there is a beat, and end with the input', async () => {
    const { child, ended, pids } = await attended([
      ['sleep', '1000'],
      ['sleep', '1001'],
    ]);
    expect(pids).toHaveLength(2);
    for (let i = 0; i < 3; i++) child.stdin!.write('\n');
    expect(pids.map(isAlive)).toEqual([true, true]);
    child.stdin!.end();
    await ended;
    expect(pids.map(isAlive)).toEqual([false, false]);
  });

  it('beats that come close together, at any moment, are beats', async () => {
    const beaten = async () => {
      const { child, ended, pids } = await attended([['sleep', '1000']]);
      for (let i = 0; i < 3; i++) child.stdin!.write('\n');
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
      const alive = pids.map(isAlive);
      child.stdin!.end();
      await ended;
      expect(alive).toEqual([true]);
    };
    for (let round = 0; round < 25; round++)
      await Promise.all(Array.from({ length: 8 }, () => beaten()));
  });

  it('without a beat for the length of the lease they end', async () => {
    const { ended, pids } = await attended([['sleep', '1000']], 1);
    await ended;
    expect(pids.map(isAlive)).toEqual([false]);
  });

  it('they end when the shell is told to', async () => {
    const { child, pids } = await attended([['sleep', '1000']]);
    child.kill('SIGTERM');
    child.stdin!.end();
    await waitFor('the program to end', () => !pids.some(isAlive));
  });
});
