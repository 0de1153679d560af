import { type ChildProcess, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withLock } from '../../../control/apply/lock.js';
import { batchScript } from '../../../control/command/batch.js';
import { directoriesBelow, type LockOwner, takeLock } from '../../../control/command/lock.js';
import { SHELL_LOOP, scriptRequest } from '../../../control/command/shell-loop.js';
import { connect } from '../../../control/hosts/connect.js';
import type { Host } from '../../../control/hosts/host.js';

const ROUNDS = 15;

let directory: string;
let host: Host;
const children: ChildProcess[] = [];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sidetrack-lock-'));
  host = {
    ...(await connect({ kind: 'local' })),
    address: 'local',
    stateDir: join(directory, 'state'),
  };
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

const lockFile = () => join(host.stateDir, 'lock');

const ELSEWHERE: LockOwner = { machine: 'elsewhere', pid: 7 };

/** Takes the lock as another process would, and keeps it as long as that lives. */
async function takenByAnother(owner = ELSEWHERE): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', SHELL_LOOP], { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const lock = { path: lockFile(), owner, directories: [] };
  child.stdin!.write(scriptRequest(batchScript([takeLock(lock)], 'B')));
  let said = '';
  for await (const chunk of child.stdout!) {
    said += chunk;
    if (said.includes('B end')) break;
  }
  expect(said).toContain('B 0\n');
  return child;
}

const inside = () => withLock(host, async () => 'done');

it('lets one in at a time, and tells the others nothing but that', async () => {
  let holders = 0;
  const together: number[] = [];
  const codes = new Set<string>();
  const contender = async () => {
    for (let round = 0; round < ROUNDS; round++)
      await withLock(host, async () => {
        together.push(++holders);
        await setTimeout(1);
        holders--;
      }).catch((error: { code: string }) => codes.add(error.code));
  };
  await Promise.all([contender(), contender(), contender()]);
  expect(Math.max(...together)).toBe(1);
  expect([...codes].filter((code) => code !== 'host-locked')).toEqual([]);
});

it('is held over the whole work, and says whose it is', async () => {
  await withLock(host, async () => {
    expect(JSON.parse(readFileSync(lockFile(), 'utf8'))).toEqual({
      machine: hostname(),
      pid: process.pid,
      boot: expect.stringMatching(/^[0-9a-f-]{36} pid:/),
      shell: expect.any(Number),
    });
    await expect(inside()).rejects.toMatchObject({
      code: 'host-locked',
      message: `local: another sidetrack (process ${process.pid} on ${hostname()}) is changing this host`,
    });
  });
  expect(await inside()).toBe('done');
});

it('is let go when the work fails', async () => {
  await expect(withLock(host, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(await inside()).toBe('done');
});

it('leaves neither itself nor directories that hold nothing', async () => {
  await inside();
  expect(existsSync(host.stateDir)).toBe(false);
  mkdirSync(host.stateDir);
  writeFileSync(join(host.stateDir, 'state.json'), '{}');
  await inside();
  expect(existsSync(lockFile())).toBe(false);
  expect(existsSync(join(host.stateDir, 'state.json'))).toBe(true);
});

it('goes with the shell that holds it', async () => {
  const owner = await takenByAnother();
  await expect(inside()).rejects.toThrow('(process 7 on elsewhere)');
  owner.kill('SIGKILL');
  await vi.waitFor(async () => expect(await inside()).toBe('done'), 20_000);
});

it('goes with a process that is no more, though the shell that holds it lives', async () => {
  const random = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const boot = `${random} ${readlinkSync('/proc/self/ns/pid')}`;
  const { pid } = spawn('true');
  const dead = { machine: hostname(), pid: pid!, boot };
  await vi.waitFor(() => expect(() => process.kill(pid!, 0)).toThrow(), 20_000);
  await takenByAnother({ ...dead, boot: 'before' });
  await expect(inside()).rejects.toMatchObject({ code: 'host-locked' });
  children[0]!.kill('SIGKILL');
  await vi.waitFor(async () => expect(await inside()).toBe('done'), 20_000);
  const holder = await takenByAnother(dead);
  expect(await inside()).toBe('done');
  await vi.waitFor(() => expect(holder.signalCode).toBe('SIGKILL'), 20_000);
});

it('goes when the process at the other end of its input is no more', async () => {
  const owner = await takenByAnother();
  owner.stdin!.destroy();
  await vi.waitFor(async () => expect(await inside()).toBe('done'), 20_000);
});

it.each(['', 'half {', '{"machine":1}', '{"machine":"a","pid":4,"startTime":"17"}'])(
  'is not in the way when it was left behind, with any content: %s',
  async (content) => {
    mkdirSync(host.stateDir);
    writeFileSync(lockFile(), content);
    expect(await inside()).toBe('done');
  },
);

it('says less of an owner that wrote something else into it', async () => {
  await takenByAnother();
  writeFileSync(lockFile(), 'half {');
  await expect(inside()).rejects.toThrow('local: another sidetrack is changing this host');
});

it('is no lock where its file was removed under it', async () => {
  await takenByAnother();
  rmSync(lockFile());
  expect(await inside()).toBe('done');
});

describe('without', () => {
  const PATH = process.env.PATH ?? '';
  afterEach(() => {
    process.env.PATH = PATH;
  });

  it('flock names its package', async () => {
    const programs = join(directory, 'bin');
    mkdirSync(programs);
    for (const name of ['sh', 'mkdir', 'cat', 'head', 'rm'])
      symlinkSync(`/usr/bin/${name}`, join(programs, name));
    process.env.PATH = programs;
    await expect(inside()).rejects.toMatchObject({
      code: 'program-missing',
      message: 'local: the program "flock" is missing',
      hint: 'install it (Debian: apt-get install util-linux)',
    });
  });

  it('a place for it names the file', async () => {
    const full = join(directory, 'bin');
    mkdirSync(full);
    writeFileSync(
      join(full, 'mkdir'),
      '#!/bin/sh\necho "mkdir: No space left on device" >&2\nexit 1\n',
    );
    chmodSync(join(full, 'mkdir'), 0o755);
    process.env.PATH = `${full}:${PATH}`;
    await expect(inside()).rejects.toMatchObject({
      code: 'not-writable',
      message: `local: writing ${lockFile()} failed: No space left on device`,
    });
  });
});

it('knows the directories that are its own', () => {
  expect(directoriesBelow('/run', '/run/sidetrack/netns/router')).toEqual([
    '/run/sidetrack/netns/router',
    '/run/sidetrack/netns',
    '/run/sidetrack',
  ]);
  expect(directoriesBelow('/run', '/tmp/x')).toEqual(['/tmp/x']);
});
