/** Listening sockets that come from outside and go there: descriptors in, descriptors out. */
import { ERROR_LENGTH, LISTENERS } from './abi.js';
import * as ffi from './ffi.js';

/** A descriptor that is no socket of this relay; it stays open and stays the caller's. */
export interface RefusedListener {
  fd: number;
  reason: string;
}

/** Gives the relay those that listen where it shall. @returns the others. */
export function adoptListeners(handle: ffi.Handle, fds: readonly number[]): RefusedListener[] {
  const refused: RefusedListener[] = [];
  for (const fd of fds)
    if (ffi.adoptListener(handle, fd) !== 0) refused.push({ fd, reason: errorText(handle) });
  return refused;
}

export function readListeners(handle: ffi.Handle): number[] {
  const buffer = Buffer.alloc(LISTENERS * 4);
  const count = ffi.readListeners(handle, buffer);
  return Array.from({ length: Math.max(count, 0) }, (_, i) => buffer.readInt32LE(4 * i));
}

/** What the engine said about its last failure. */
export function errorText(handle: ffi.Handle): string {
  const buffer = Buffer.alloc(ERROR_LENGTH);
  const length = ffi.readError(handle, buffer);
  return buffer.toString('utf8', 0, Math.max(length, 0));
}
