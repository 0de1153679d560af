/** A unix socket that only its user may open, in the place of one that was left behind. */
import { lstatSync, rmSync, statSync } from 'node:fs';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import { dirname } from 'node:path';

const OWNER_ONLY = 0o177;

/** Begins to listen; may be called again. The socket is made within listen(), so no other file gets this umask. */
export function listenOn(server: Server, path: string): void {
  rmSync(path, { force: true });
  const before = process.umask(OWNER_ONLY);
  try {
    server.listen(path);
  } finally {
    process.umask(before);
  }
}

/** No process listens there any more. */
export function isStale(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (stale: boolean) => {
      socket.destroy();
      resolve(stale);
    };
    socket.once('connect', () => done(false));
    socket.once('error', ({ code }: NodeJS.ErrnoException) => done(code === 'ECONNREFUSED'));
  });
}

/** Whether the path may be taken: @returns the errno name of what is in the way. */
export async function obstacleAt(path: string): Promise<string | undefined> {
  // libuv tells this as EACCES.
  if (statSync(dirname(path), { throwIfNoEntry: false }) === undefined) return 'ENOENT';
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  // A file of another kind is not ours to remove.
  if (!found.isSocket()) return 'EEXIST';
  return (await isStale(path)) ? undefined : 'EADDRINUSE';
}
