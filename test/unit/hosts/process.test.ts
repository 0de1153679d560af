import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runProcess } from '../../../control/hosts/process.js';

/** Process group: the fifth field of proc_pid_stat(5); neither program has blanks in its name. */
const groupOf = (stat: string) => stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2];

it('keeps Ctrl-C, which goes to our whole process group, from the programs that it runs', async () => {
  const { stdout } = await runProcess(['cat', '/proc/self/stat']);
  expect(groupOf(stdout)).not.toBe(groupOf(readFileSync('/proc/self/stat', 'utf8')));
});

it('reports the signal that ended a program', async () => {
  const { status } = await runProcess(['sh', '-c', 'kill -INT $$']);
  expect(status).toBe(128 + 2);
});

it('hands over its input as a file that can be opened by name, whole, and leaves none behind', async () => {
  const before = process.env.TMPDIR;
  const directory = mkdtempSync(join(tmpdir(), 'sidetrack-input-'));
  process.env.TMPDIR = directory;
  try {
    const stdin = 'x'.repeat(3_000_000);
    const running = runProcess(['sh', '-c', 'wc -c < /dev/stdin; wc -c'], { stdin });
    expect(readdirSync(directory)).toEqual([]);
    expect((await running).stdout.split('\n')).toEqual(['3000000', '3000000', '']);
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    rmSync(directory, { recursive: true });
  }
});

it('finds room for an input elsewhere when there is none for temporary files', async () => {
  const before = process.env.TMPDIR;
  process.env.TMPDIR = '/nonexistent';
  try {
    expect((await runProcess(['cat'], { stdin: 'here' })).stdout).toBe('here');
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
});
