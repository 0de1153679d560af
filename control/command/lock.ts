/** The lock of a host as lines for the shell that holds it, until it ends. */
import { dirname } from 'node:path';
import { z } from 'zod';
import { readContract } from '../contract.js';
import { SidetrackError } from '../error.js';
import { commandError } from './answer.js';
import { changeDirectory } from './change.js';
import type { Command, RunResult } from './command.js';
import type { HostRef } from './explain.js';
import { shellWord, shellWords } from './shell.js';

export interface LockRequest {
  /** The file that is locked. */
  readonly path: string;
  readonly owner: LockOwner;
  /** Go with the lock when nothing else is in them, from the innermost on. */
  readonly directories: readonly string[];
}

/** Who has the lock, for whom it is in the way. */
const lockOwner = z.object({
  machine: z.string(),
  pid: z.number(),
  /** Of that machine's run since its start (boot_id of random(4)), and the process namespace: what `pid` is a number of. */
  boot: z.string().optional(),
  /** The process that holds the lock, on the host. */
  shell: z.number().optional(),
  /** It is the host's own watcher (`keep/program.ts`), which repairs something and is done in a moment. */
  keeper: z.literal(true).optional(),
});
export type LockOwner = z.infer<typeof lockOwner>;

/** Another has the lock. */
export class HostLocked extends SidetrackError {
  constructor(
    message: string,
    /** Absent where the lock does not say. */
    readonly owner?: LockOwner,
  ) {
    super(message, {
      code: 'host-locked',
      source: 'host',
      hint: 'wait for it, or end that process: the lock goes with it',
    });
  }
}

/** EX_TEMPFAIL of sysexits.h: another has it, and what that wrote into the lock is the output. */
const BUSY = 75;

/**
 * flock(1) on descriptor 9, to a file that says who has it. Programs inherit the descriptor, so the
 * lock is free when the shell and the last of what it has started have ended, however they did.
 * A lock that its last owner has just removed is another file than that at the path, and no lock.
 */
export function takeLock({ path, owner }: LockRequest): string {
  const [lock, directory] = [shellWord(path), shellWord(dirname(path))];
  return `
take() {
  command exec 9>>${lock} || return 2
  flock -n 9; status=$?
  [ $status != 1 ] || { cat ${lock}; exec 9>&-; return ${BUSY}; }
  [ $status = 0 ] || { exec 9>&-; return $status; }
  [ /proc/self/fd/9 -ef ${lock} ] && printf '%s\\n' ${ownerWord(owner)} | cat >${lock} && return
  exec 9>&-
  return 2
}
take_often() {
  for try in 1 2 3 4 5 6 7 8; do
    mkdir -p ${directory} && take; status=$?
    [ $status = 2 ] || return $status
  done
  return 2
}
take_often`;
}

/** What else is started goes on without the lock. A change that is kept goes with it. */
export function releaseLock({ path, directories }: LockRequest): string {
  const change = shellWord(changeDirectory(dirname(path)));
  return `[ ! -e ${change}/confirmed ] || rm -rf ${change}; rm -f ${shellWord(path)}; rmdir ${shellWords(directories)} 2>/dev/null; exec 9>&-`;
}

/** The lock as a command, for messages. */
export const lockCommand = ({ path }: LockRequest): Command => ({
  argv: ['flock', '-n', path],
  writes: path,
});

/** @throws SidetrackError when it says that the lock has not been taken */
export function checkLocked(host: HostRef, request: LockRequest, result: RunResult): void {
  if (result.status === 0) return;
  if (result.status !== BUSY) throw commandError(host, lockCommand(request), result);
  const read = readContract(result.stdout, lockOwner);
  const who = 'value' in read ? ` (process ${read.value.pid} on ${read.value.machine})` : '';
  throw new HostLocked(
    `${host.address}: another sidetrack${who} is changing this host`,
    'value' in read ? read.value : undefined,
  );
}

/**
 * Ends the shell that holds the lock. Where a network was cut, it waits for a process that is no more until TCP
 * gives up, which may take hours. What it had started keeps the lock to its end.
 */
export function endHolder({ path }: LockRequest, shell: number): Command {
  const script = '[ "/proc/$1/fd/9" -ef "$2" ] && kill -9 "$1"';
  return {
    argv: ['sh', '-c', script, 'sh', String(shell), path],
    purpose: 'ending a dead session',
  };
}

/** The owner as JSON, which the shell completes with its own number. */
const ownerWord = (owner: LockOwner) =>
  `${shellWord(JSON.stringify(owner).replace(/}$/, ',"shell":'))}$$'}'`;

/** `directory` and those above it, without `top`. */
export function directoriesBelow(top: string, directory: string): string[] {
  const parent = dirname(directory);
  return [directory, ...(parent.startsWith(`${top}/`) ? directoriesBelow(top, parent) : [])];
}
