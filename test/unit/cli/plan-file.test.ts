import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeOwnFile } from '../../../control/cli/plan-file.js';

const OWN = {
  content: 'mark 2',
  mode: 0o600,
  isOurs: (text: string) => text.startsWith('mark'),
  what: 'plan',
};
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sidetrack-plan-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const path = (name: string) => join(directory, name);
const read = (name: string) => readFileSync(path(name), 'utf8');

it('makes a file for its owner alone, and takes the place of one of its kind', async () => {
  for (const content of ['mark 1', 'mark 2'])
    await writeOwnFile(path('plan'), { ...OWN, content }, false);
  expect(read('plan')).toBe('mark 2');
  expect(statSync(path('plan')).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory)).toEqual(['plan']);
});

it('overwrites another file only with --force', async () => {
  writeFileSync(path('other'), 'mine');
  await expect(writeOwnFile(path('other'), OWN, false)).rejects.toThrow('is no plan');
  expect(read('other')).toBe('mine');
  await writeOwnFile(path('other'), OWN, true);
  expect(read('other')).toBe('mark 2');
});

it('follows no link: with --force it takes its place', async () => {
  writeFileSync(path('other'), 'mark of another');
  symlinkSync(path('other'), path('link'));
  await expect(writeOwnFile(path('link'), OWN, false)).rejects.toThrow('is no plan');
  await writeOwnFile(path('link'), OWN, true);
  expect([read('other'), read('link')]).toEqual(['mark of another', 'mark 2']);
});

it('waits for no pipe, and replaces neither it nor a directory, also with --force', async () => {
  execFileSync('mkfifo', [path('pipe')]);
  mkdirSync(path('directory'));
  for (const name of ['pipe', 'directory'])
    await expect(writeOwnFile(path(name), OWN, true)).rejects.toThrow('is no file');
  expect(statSync(path('pipe')).isFIFO()).toBe(true);
  await expect(writeOwnFile(path('absent/plan'), OWN, false)).rejects.toThrow('cannot write');
  expect(existsSync(path('absent'))).toBe(false);
});
