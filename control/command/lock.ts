/** A lock as a command: it is held from the first line of its output until its input ends. */
import { dirname } from 'node:path';
import type { Command } from './command.js';

/** The first line of the command that has the lock. */
export const HELD = 'held';

/** EX_TEMPFAIL of sysexits.h: another has it, and what that wrote into the lock is the output. */
export const BUSY = 75;

/**
 * flock(1) on a file that says who has it. The kernel lets go with the shell that holds it, which
 * ends with its input: when that is closed, when the process that feeds it dies, when a connection breaks.
 * A lock that its last owner has just removed is another file than that at the path, and no lock.
 */
const HOLD = `
lock=$1 owner=$2; shift 2
hold() {
  flock -n 9; status=$?
  [ $status != 1 ] || { cat "$lock"; exit ${BUSY}; }
  [ $status = 0 ] || exit $status
  [ /proc/self/fd/9 -ef "$lock" ] || return 1
  printf '%s\\n' "$owner" | cat >"$lock" || return 1
  echo ${HELD}
  read -r _
  rm -f "$lock"; rmdir "$@" 2>/dev/null
  exit 0
}
for try in 1 2 3 4 5 6 7 8; do
  mkdir -p "\${lock%/*}" && hold "$@" 9>>"$lock"
done
exit 1`;

/** @param directories that go with the lock when nothing else is in them, from the innermost on. */
export function lockCommand(path: string, owner: string, directories: readonly string[]): Command {
  return {
    argv: ['sh', '-c', HOLD, 'sh', path, owner, ...directories],
    program: ['flock', '-n', path],
    writes: path,
  };
}

/** `directory` and those above it, without `top`. */
export function directoriesBelow(top: string, directory: string): string[] {
  const parent = dirname(directory);
  return [directory, ...(parent.startsWith(`${top}/`) ? directoriesBelow(top, parent) : [])];
}
