/** One change at a time per host. */
import { hostname } from 'node:os';
import { directoriesBelow } from '../command/lock.js';
import type { Host, Session } from '../hosts/host.js';
import { lockPath, RUN } from '../plan/paths.js';

/**
 * Runs `work` while a session holds the host's lock, which goes with this process however it ends. After `down`
 * the directories are empty, and go too.
 */
export async function withLock<T>(host: Host, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await host.session({
    path: lockPath(host.stateDir),
    owner: { machine: hostname(), pid: process.pid },
    directories: directoriesBelow(RUN, host.stateDir),
  });
  try {
    return await work(session);
  } finally {
    await session.end();
  }
}
