/** One change at a time per host. */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from '../command/command.js';
import {
  directoriesBelow,
  endHolder,
  HostLocked,
  type LockOwner,
  type LockRequest,
} from '../command/lock.js';
import { SidetrackError } from '../error.js';
import { ask, type Host, type Session } from '../hosts/host.js';
import { aboutChange, isUnfinished } from '../plan/change-check.js';
import { changeQuery } from '../plan/change-state.js';
import { lockPath, RUN } from '../plan/paths.js';

/**
 * Runs `work` while a session holds the host's lock, which goes with this process however it ends. After `down`
 * the directories are empty, and go too.
 * @param questions answered in the session, in the same round trip
 */
export async function withLock<T>(
  host: Host,
  work: (session: Session) => Promise<T>,
  questions: readonly Command[] = [],
): Promise<T> {
  const session = await open(host, questions);
  try {
    return await work(session);
  } finally {
    await session.end();
  }
}

/** Process numbers mean something within it. */
const BOOT = `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;

/** How long what a dead session has started may go on, the undoing of a change among it, or a repair of the host's own. */
const PATIENCE_MS = 10_000;
const POLL_MS = 250;

/** Where the lock is left to a process of ours that is no more, its shell is ended. A host that repairs something is waited for. */
async function open(host: Host, questions: readonly Command[]): Promise<Session> {
  const lock: LockRequest = {
    path: lockPath(host.stateDir),
    owner: { machine: hostname(), pid: process.pid, boot: BOOT },
    directories: directoriesBelow(RUN, host.stateDir),
  };
  for (const until = Date.now() + PATIENCE_MS; ; await delay(POLL_MS)) {
    try {
      return await host.session(lock, questions);
    } catch (error) {
      if (!(error instanceof HostLocked)) throw error;
      const isBrief = error.owner?.keeper === true || isDead(error.owner);
      if (!isBrief || Date.now() > until) throw await lockedBy(host, error);
      const { shell } = error.owner ?? {};
      if (shell !== undefined) await host.batch([endHolder(lock, shell)]);
    }
  }
}

/** A process of this machine, since it was started. */
function isDead(owner: LockOwner | undefined): owner is LockOwner {
  if (owner?.machine !== hostname() || owner.boot !== BOOT) return false;
  try {
    process.kill(owner.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}

/** The other one may wait for its change to be confirmed: then it says until when. */
async function lockedBy(host: Host, error: SidetrackError): Promise<SidetrackError> {
  const { change } = await ask(host, { change: changeQuery(host) });
  const said = change && isUnfinished(change) && aboutChange(change);
  if (!said) return error;
  const { code, source } = error;
  return new SidetrackError(`${host.address}: ${said.message}`, { code, source, hint: said.hint });
}
