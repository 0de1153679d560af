import { describe, expect, it } from 'vitest';
import { fileOf } from '../../../control/apply/observe.js';
import { tableNameFile } from '../../../control/plan/own-files.js';
import { TABLE_NAME_FILE } from '../../../control/plan/paths.js';
import type { ObservedFile } from '../../../control/plan/state.js';
import { file } from '../../../control/resources/file.js';
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

  it.each([
    ['-rw-r--r-- 1 0 0 4 Nov  1 10:00 /etc/x', 0o644],
    ['-rw-------+ 1 0 0 4 Nov  1 10:00 /etc/x', 0o600],
    ['-rwsr-xr-T 1 0 0 4 Nov  1 10:00 /etc/x', 0o754],
  ])('is read from %s', (line, bits) => {
    expect(fileOf(`${line}\na\nb\n`)).toEqual({ content: 'a\nb\n', mode: bits });
  });
});
