import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Command, writeFileWithMode } from '../../../control/command/command.js';
import { tableNameFile } from '../../../control/plan/own-files.js';
import { TABLE_NAME_FILE } from '../../../control/plan/paths.js';
import type { ObservedFile } from '../../../control/plan/state.js';
import { file, fileOf } from '../../../control/resources/file.js';
import { bareRouter } from '../plan/fixtures.js';

const wish = tableNameFile({ id: 250, name: 'server1' });
const host = (found?: ObservedFile) =>
  bareRouter({ files: found ? { [TABLE_NAME_FILE]: found } : {} });
const { content, mode } = wish;

describe('a file', () => {
  it('that is as it should be is left alone', () => {
    expect(file.diff([wish], host({ content, mode }))).toEqual([]);
  });

  it.each([
    ['is absent', undefined],
    ['has other content', { content: 'other\n', mode }],
    ['has other permissions', { content, mode: 0o600 }],
  ])('that %s is written, and undo brings back what was there', (_how, found) => {
    const [change] = file.diff([wish], host(found));
    expect(file.title(change!)).toBe('name table 250 "server1"');
    expect(file.apply(change!, host(found))).toMatchObject({
      argv: ['sh', '-c', expect.any(String), 'sh', '644', TABLE_NAME_FILE],
      stdin: content,
    });
    const [undo] = file.undo(change!, host(found));
    if (found === undefined) expect(undo?.argv).toEqual(['rm', '-f', TABLE_NAME_FILE]);
    else
      expect(undo).toMatchObject({
        argv: ['sh', '-c', expect.any(String), 'sh', found.mode.toString(8), TABLE_NAME_FILE],
        stdin: found.content,
      });
  });

  it('that nothing wants any more goes, last, and comes back with undo', () => {
    const observed = host({ content, mode });
    const changes = file.diff([], observed);
    expect(changes).toEqual(file.remove(observed));
    expect(changes.map(file.clears)).toEqual([true]);
    expect(file.apply(changes[0]!, observed).argv).toEqual(['rm', '-f', TABLE_NAME_FILE]);
    expect(file.undo(changes[0]!, observed)[0]?.stdin).toBe(content);
  });

  it('on which no packet depends is optional, and says which setting asks for it', () => {
    const [change] = file.diff([wish], host());
    expect(file.apply(change!, host()).optional?.setting).toEqual(['router', 'table', 'name']);
  });

  it.each([0o600, 0o644, 0o4711])('is read back as it was written, with mode %o', (bits) => {
    const directory = mkdtempSync(join(tmpdir(), 'sidetrack-file-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, 'deeper', 'file');
    const run = ({ argv: [program, ...args], stdin = '' }: Command) =>
      execFileSync(program!, args, { input: stdin, encoding: 'utf8', env: { LC_ALL: 'C' } });
    run(writeFileWithMode(path, 'one\ntwo', bits));
    const [read] = file.observe({ ...host(), ownsEtc: true }).commands;
    const text = run({ argv: [...read!.argv.slice(0, -1), path] });
    expect(fileOf(text)).toEqual({ content: 'one\ntwo', mode: bits & 0o777 });
  });

  it.each([
    ['-rw-r--r-- 1 0 0 4 Nov  1 10:00 /etc/x', 0o644],
    ['-rw-------+ 1 0 0 4 Nov  1 10:00 /etc/x', 0o600],
    ['-rwsr-xr-T 1 0 0 4 Nov  1 10:00 /etc/x', 0o754],
  ])('is read from %s', (line, bits) => {
    expect(fileOf(`${line}\na\nb\n`)).toEqual({ content: 'a\nb\n', mode: bits });
  });
});
