/** What attaches eBPF on a far machine: how the answers are read, and how a program gets there without base64. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Command, RunResult } from '../../../control/command/command.js';
import {
  farLoader,
  loaderQuery,
  parseFound,
  printed,
  sendProgram,
} from '../../../control/hosts/far-loader.js';
import type { Transport } from '../../../control/hosts/host.js';
import { version } from '../../../control/hosts/sidetrack.js';

const directory = mkdtempSync(join(tmpdir(), 'sidetrack-far-loader-'));
afterAll(() => rmSync(directory, { recursive: true }));

const EVERY_BYTE = Buffer.from([...Array(256).keys(), 45, 45, ...Array(256).keys()]);

it.each(['sh', 'bash'])('prints any byte in %s', (shell) => {
  const bytes = Buffer.concat([Buffer.from('-n '), EVERY_BYTE, Buffer.alloc(9000, '-%\\')]);
  const { stdout } = spawnSync(shell, { input: printed(bytes) });
  expect(stdout.equals(bytes)).toBe(true);
});

const program = (words: string) => Buffer.from(`#!/bin/sh\n${words}\n`);

function runHere({ argv, stdin = '' }: Command) {
  return spawnSync(argv[0]!, argv.slice(1), { input: stdin, encoding: 'utf8' });
}

it('sends a program that runs, and leaves nothing of one that does not, or was cut off', () => {
  const path = join(directory, 'run/sidetrack/sidetrack-bpf-1');
  expect(runHere(sendProgram(path, program('echo here'))).status).toBe(0);
  expect(spawnSync(path, { encoding: 'utf8' }).stdout).toBe('here\n');
  const whole = sendProgram(join(directory, 'sidetrack-bpf-2'), Buffer.from(EVERY_BYTE));
  for (const command of [
    sendProgram(join(directory, 'sidetrack-bpf-2'), program('exit 1')),
    { ...whole, stdin: `${whole.stdin!.slice(0, -40)}'\n` },
  ]) {
    expect(runHere(command).status).not.toBe(0);
    expect(spawnSync('ls', [directory], { encoding: 'utf8' }).stdout).toBe('run\n');
  }
});

it('asks nothing more of a machine on which nothing of ours is attached, unless it is needed', () => {
  const [attach, look] = (['attach', 'look'] as const).map((need) => {
    const [command] = loaderQuery(need).commands;
    const { stdout, stderr, status } = runHere(command!);
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    return parseFound(stdout);
  });
  expect(attach!.machine).toBe(spawnSync('uname', ['-m'], { encoding: 'utf8' }).stdout.trim());
  if (!attach!.isAttached) expect(look).toEqual({ names: [], isAttached: false });
});

describe('chooses', () => {
  const loader = join(directory, 'loader');
  const sent: Command[] = [];
  const transport = {
    address: 'ssh://root@router',
    sidetrack: ['sidetrack'],
    run: async (command: Command): Promise<RunResult> => {
      sent.push(command);
      return { status: 0, stdout: '', stderr: '' };
    },
  } as Pick<Transport, 'address' | 'sidetrack' | 'run'> as Transport;
  const choose = (text: string, built: string | undefined = loader) => {
    writeFileSync(loader, 'a loader');
    return farLoader(transport, parseFound(text), () => built);
  };
  const PLACE = 'machine x86_64\ndirectory /run/sidetrack\n';

  it('sidetrack where it is of this version', async () => {
    expect(await choose(`${PLACE}sidetrack 0 ${version()}\n`)).toEqual({ kind: 'sidetrack' });
  });

  it('a loader where it is of another, and sends it once, when it is needed', async () => {
    const found = await choose(`${PLACE}sidetrack 0 0.0.1\n`);
    if (found?.kind !== 'bundle') throw new Error('no bundle');
    const [path] = found.command;
    expect(path).toMatch(/^\/run\/sidetrack\/sidetrack-bpf-[0-9a-f]{12}$/);
    expect(sent).toHaveLength(0);
    await found.put();
    await found.put();
    expect(sent).toHaveLength(1);
    const again = await choose(`attached\n${PLACE}name ${path.split('/').at(-1)}\n`);
    expect(again?.kind).toBe('bundle');
    expect(sent).toHaveLength(1);
  });

  it.each([
    ['machine mips\ndirectory /run\n', undefined, 'a machine (mips)', 'install sidetrack'],
    [`${PLACE}sidetrack 126\n`, undefined, 'ends with status 126', 'make loader'],
    ['machine x86_64\n', loader, 'put and run in none of', 'remount'],
  ])('none for %j', async (text, built, why, hint) => {
    const found = await farLoader(transport, parseFound(text), () => built);
    writeFileSync(loader, 'a loader');
    expect(found).toMatchObject({
      kind: 'none',
      why: expect.stringContaining(why),
      hint: expect.stringContaining(hint),
    });
  });
});
