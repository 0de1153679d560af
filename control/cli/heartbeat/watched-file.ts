/** `heartbeat.json` as it is now: it comes, changes and goes while its reader runs. */
import { readFileSync, statSync } from 'node:fs';
import { type HeartbeatFile, readHeartbeatFile } from '../../heartbeat/key-file.js';
import { say } from '../output.js';

/**
 * Looks each time that it is called. Without the thread pool of Node, in which a resolver that hangs
 * may keep everything waiting.
 * @returns a function to what the file says; undefined where there is none, or none that can be used, which is told once.
 */
export function watchedFile(path: string): () => HeartbeatFile | undefined {
  let seen = '';
  let known: HeartbeatFile | undefined;
  return () => {
    const stamp = stampOf(path);
    if (stamp === seen) return known;
    seen = stamp;
    known = stamp === ABSENT ? undefined : read(path);
    return known;
  };
}

const ABSENT = 'absent';

function stampOf(path: string): string {
  try {
    const { ino, mtimeMs, ctimeMs, size, mode, gid } = statSync(path);
    return [ino, mtimeMs, ctimeMs, size, mode, gid].join(' ');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? ABSENT : `${code}`;
  }
}

function read(path: string): HeartbeatFile | undefined {
  try {
    const found = readHeartbeatFile(readFileSync(path, 'utf8'));
    if ('value' in found) return found.value;
    say(`warning: no heartbeats: ${path} is damaged: ${found.problem}\n  ${AGAIN}`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    say(`warning: no heartbeats: ${path} cannot be read (${code})\n  ${AGAIN}`);
  }
  return undefined;
}

const AGAIN = 'hint: sudo sidetrack apply, where the configuration is, writes it for this user';
