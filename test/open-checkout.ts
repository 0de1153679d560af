/**
 * A checkout below /root, the usual place on a fresh machine, cannot be entered by `nobody`, as whom
 * some tests run our programs; nor can a Node.js that was installed there.
 */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../control/lab/lab.js';

/** Also where what runs was compiled into `build`. */
export const CHECKOUT = resolve(
  fileURLToPath(new URL('..', import.meta.url)).replace(/\/build\/$/, '/'),
);

const SEARCHED_BY_OTHERS = 0o001;

/** From the root directory down to `path` itself. */
function ancestors(path: string): string[] {
  const above = dirname(path);
  return above === path ? [path] : [...ancestors(above), path];
}

const isClosed = (directory: string) => (statSync(directory).mode & SEARCHED_BY_OTHERS) === 0;

/** $1 is closed, the others lie below it: open, and empty but for those. */
const SCRIPT = `set -e
closed=$1
shift
for kept; do
  n=$((n + 1))
  mkdir -p /run/kept/$n
  mount --rbind "$kept" /run/kept/$n
done
mount -t tmpfs -o mode=755 tmpfs "$closed"
n=0
for kept; do
  n=$((n + 1))
  mkdir -p "$kept"
  mount --rbind /run/kept/$n "$kept"
done`;

/** @returns each closed directory with those below it that others have to reach. */
function closedAbove(directories: readonly string[]): Map<string, string[]> {
  const below = new Map<string, string[]>();
  for (const directory of directories) {
    const closed = ancestors(dirname(directory)).find(isClosed);
    if (closed !== undefined) below.set(closed, [...(below.get(closed) ?? []), directory]);
  }
  return below;
}

/** Afterwards everybody may enter the directories in the lab. Only root has others as whom to run something. */
export async function openDirectories(lab: Lab, directories: readonly string[]): Promise<void> {
  if (process.getuid!() !== 0) return;
  for (const [closed, kept] of closedAbove(directories))
    await lab.check(undefined, ['sh', '-c', SCRIPT, 'sh', closed, ...kept]);
}

/** Where our programs are, and the one that runs them. */
export const openToOthers = (lab: Lab) =>
  openDirectories(lab, [CHECKOUT, dirname(dirname(process.execPath))]);
