import { readFileSync } from 'node:fs';
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
