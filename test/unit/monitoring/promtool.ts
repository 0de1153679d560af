/** Prometheus's promtool: installed, or unpacked below build/rivals by `test/tools/deps.sh test`. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runProcess } from '../../../control/hosts/process.js';
import { missingPrograms, requireAll } from '../../netns/rivals/installed.js';

const UNPACKED = fileURLToPath(new URL('../../../build/rivals/usr/bin/promtool', import.meta.url));

const isUnpacked = existsSync(UNPACKED);

/** For `describe.skipIf`. */
export const hasPromtool = requireAll || isUnpacked || missingPrograms(['promtool']).length === 0;

/** @throws with its words when it fails. */
export async function promtool(...args: readonly string[]): Promise<string> {
  const argv = [isUnpacked ? UNPACKED : 'promtool', ...args];
  const { status, stdout, stderr } = await runProcess(argv, { timeoutMs: 60_000 });
  if (status === 0) return stdout;
  throw new Error(`promtool ${args.join(' ')} ended with ${status}: ${stderr}${stdout}`);
}

/**
 * What `promtool check metrics` says of an exposition: a line for each complaint.
 * @throws with its words when it cannot read it at all.
 */
export async function complaintsAbout(exposition: string): Promise<string[]> {
  const argv = [isUnpacked ? UNPACKED : 'promtool', 'check', 'metrics'];
  const options = { timeoutMs: 60_000, stdin: exposition };
  const { status, stdout, stderr } = await runProcess(argv, options);
  const lines = `${stderr}${stdout}`.split('\n').filter((line) => line !== '');
  // 3: it could be read, and is not as it should be.
  if (status === 0 || status === 3) return lines;
  throw new Error(`promtool check metrics ended with ${status}: ${lines.join('\n')}`);
}
