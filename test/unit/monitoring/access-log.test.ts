import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { startAccessLog } from '../../../monitoring/access-log.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sidetrack-log-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A ring that somebody fills. */
function ring() {
  const lines: string[] = [];
  const take = (out: Buffer) => {
    let length = 0;
    while (lines[0] !== undefined && length + lines[0].length <= out.length)
      length += out.write(lines.shift()!, length);
    return length;
  };
  return { lines, take };
}

it('writes every line once and in order, also those of the last moment', async () => {
  const file = join(folder, 'access.log');
  const { lines, take } = ring();
  const log = await startAccessLog({ file, take, say: () => {} });
  const all = Array.from({ length: 5000 }, (_, i) => `${i} ${'x'.repeat(400)}\n`);
  lines.push(...all.slice(0, 4000));
  await vi.waitFor(() => expect(readFileSync(file, 'utf8').length).toBeGreaterThan(1_000_000));
  lines.push(...all.slice(4000));
  await log.close();
  expect(readFileSync(file, 'utf8')).toBe(all.join(''));
});

it('appends to what is there', async () => {
  const file = join(folder, 'access.log');
  for (const word of ['one\n', 'two\n']) {
    const { lines, take } = ring();
    lines.push(word);
    await (await startAccessLog({ file, take, say: () => {} })).close();
  }
  expect(readFileSync(file, 'utf8')).toBe('one\ntwo\n');
});

it('takes no more while nothing can be written, and says so once', async () => {
  const { lines, take } = ring();
  const said: string[] = [];
  lines.push('first\n');
  const log = await startAccessLog({ file: '/dev/full', take, say: (line) => said.push(line) });
  await vi.waitFor(() => expect(said).toHaveLength(1));
  lines.push('second\n');
  await log.close();
  expect(lines).toEqual(['second\n']);
  expect(said).toEqual([
    'access log /dev/full: cannot be written (ENOSPC); connections are not logged until it can',
  ]);
});

it('cannot be opened where there is no folder', async () => {
  const file = join(folder, 'none', 'access.log');
  await expect(startAccessLog({ file, take: () => 0, say: () => {} })).rejects.toMatchObject({
    code: 'ENOENT',
  });
});
