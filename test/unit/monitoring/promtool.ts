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
