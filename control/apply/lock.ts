/** One change at a time per host. */
import { hostname } from 'node:os';
import { directoriesBelow } from '../command/lock.js';
import { SidetrackError } from '../error.js';
import { ask, type Host, type Session } from '../hosts/host.js';
import { aboutChange, isUnfinished } from '../plan/change-check.js';
import { changeQuery } from '../plan/change-state.js';
import { lockPath, RUN } from '../plan/paths.js';

/**
 * Runs `work` while a session holds the host's lock, which goes with this process however it ends. After `down`
 * the directories are empty, and go too.
 */
export async function withLock<T>(host: Host, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await open(host);
  try {
    return await work(session);
  } finally {
    await session.end();
  }
}

async function open(host: Host): Promise<Session> {
  try {
    return await host.session({
      path: lockPath(host.stateDir),
      owner: { machine: hostname(), pid: process.pid },
      directories: directoriesBelow(RUN, host.stateDir),
    });
  } catch (error) {
    if (!(error instanceof SidetrackError) || error.code !== 'host-locked') throw error;
    throw await lockedBy(host, error);
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
