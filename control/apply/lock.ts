/** One change at a time per host. */
import { hostname } from 'node:os';
import { z } from 'zod';
import { commandError } from '../command/answer.js';
import { BUSY, directoriesBelow, HELD, lockCommand } from '../command/lock.js';
import { readContract } from '../contract.js';
import { SidetrackError } from '../error.js';
import type { Host } from '../hosts/host.js';
import type { RunningProgram } from '../hosts/running-program.js';
import { lockPath, RUN } from '../plan/paths.js';

/** Who has the lock, for whom it is in the way. */
const OWNER = z.object({ machine: z.string(), pid: z.number() });

/**
 * Runs `work` while holding the host's lock, which goes with this process however it ends. After `down`
 * the directories are empty, and go too.
 */
export async function withLock<T>(host: Host, work: () => Promise<T>): Promise<T> {
  const lock = await acquire(host);
  try {
    return await work();
  } finally {
    await lock.end();
  }
}

async function acquire(host: Host): Promise<RunningProgram> {
  const owner = JSON.stringify({ machine: hostname(), pid: process.pid });
  const path = lockPath(host.stateDir);
  const command = lockCommand(path, owner, directoriesBelow(RUN, host.stateDir));
  const program = host.start(command);
  if ((await program.firstLine) === HELD) return program;
  const result = await program.end();
  if (result.status === BUSY) throw lockedError(host, result.stdout);
  throw commandError(host, command, result);
}

function lockedError({ address }: Host, text: string): SidetrackError {
  const read = readContract(text, OWNER);
  const who = 'value' in read ? ` (process ${read.value.pid} on ${read.value.machine})` : '';
  return new SidetrackError(`${address}: another sidetrack${who} is changing this host`, {
    code: 'host-locked',
    source: 'host',
    hint: 'wait for it, or end that process: the lock goes with it',
  });
}
