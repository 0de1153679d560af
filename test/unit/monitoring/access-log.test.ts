import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
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
  await vi.waitFor(
    () => expect(readFileSync(file, 'utf8').length).toBeGreaterThan(1_000_000),
    20_000,
  );
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
  await vi.waitFor(() => expect(said).toHaveLength(1), 20_000);
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

it('is not held up by a FIFO that nobody reads', async () => {
  const file = join(folder, 'fifo');
  execFileSync('mkfifo', [file]);
  await expect(startAccessLog({ file, take: () => 0, say: () => {} })).rejects.toMatchObject({
    code: 'ENXIO',
  });
});

it('gives a slow reader of a FIFO every line once, also those of the last moment', async () => {
  const file = join(folder, 'fifo');
  execFileSync('mkfifo', [file]);
  const all = Array.from({ length: 1000 }, (_, i) => `${i} ${'x'.repeat(300)}\n`);
  const { lines, take } = ring();
  const reader = execFile(process.execPath, ['-e', SLOW_READER, file]);
  const got: string[] = [];
  reader.stdout!.on('data', (text: string) => got.push(text));
  const ended = new Promise((resolve) => reader.once('close', resolve));
  const log = await vi.waitFor(() => startAccessLog({ file, take, say: () => {} }), 5000);
  lines.push(...all);
  await vi.waitFor(() => expect(lines).toEqual([]), 5000);
  await log.close();
  await ended;
  expect(got.join('')).toBe(all.join(''));
});

/** Thirty kilobytes every five milliseconds. */
const SLOW_READER = `
const { openSync, readSync, writeSync } = require('node:fs');
const file = openSync(process.argv[1], 'r');
const bytes = Buffer.alloc(30000);
for (let count; (count = readSync(file, bytes)) > 0; Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5))
  writeSync(1, bytes, 0, count);
`;

/** Forty lines of 311 bytes for a file that may have 4096: cut within a line, until there is room again. */
const FULL = (module: string) => `
import { readFileSync, renameSync, truncateSync } from 'node:fs';
import { startAccessLog } from '${module}';
const [file, how] = process.argv.slice(1);
const lines = Array.from({ length: 40 }, (_, i) => JSON.stringify({ i: 100 + i, text: 'x'.repeat(290) }) + '\\n');
const rest = [...lines];
const take = (out) => (rest.length ? out.write(rest.splice(0).join('')) : 0);
const seen = [];
let failures = 0;
const log = await startAccessLog({ file, take, say: (line) => { failures += line.includes('cannot') } });
// Three full files hold all but the last lines.
while (seen.length < 3) {
  while (failures === 0) await new Promise((done) => setTimeout(done, 2));
  seen.push(readFileSync(file, 'utf8'));
  failures = 0;
  if (how === 'truncate') truncateSync(file);
  else renameSync(file, file + '.' + seen.length);
}
await log.close();
seen.push(readFileSync(file, 'utf8'));
console.log(JSON.stringify({ seen, lines }));
`;

it.each(['truncate', 'rename'])(
  'begins with a whole line after a full disk and %s',
  async (how) => {
    const module = new URL('../../../build/monitoring/access-log.js', import.meta.url);
    const file = join(folder, 'access.log');
    const limited = 'ulimit -f 8; exec "$@"';
    const node = [process.execPath, '--input-type=module', '-e', FULL(module.href), file, how];
    const { stdout } = await promisify(execFile)('sh', ['-c', limited, 'sh', ...node]);
    const { seen, lines } = JSON.parse(stdout) as { seen: string[]; lines: string[] };
    const whole = seen.flatMap((text) => text.match(/.*\n/g) ?? []);
    expect(seen[0]!.endsWith('\n')).toBe(false);
    expect(whole.filter((line) => lines.includes(line))).toEqual(whole);
    expect(new Set(whole).size).toBe(lines.length);
  },
);
