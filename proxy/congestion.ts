/** Which congestion control this process may give a socket. */
import * as ffi from './ffi.js';

/** @returns undefined if it may, or why not: `ENOENT`, `EPERM` and so on. */
export function congestionRefusal(name: string): string | undefined {
  const result = ffi.congestion(Buffer.from(name, 'latin1'));
  return result === 0 ? undefined : ffi.errnoName(result);
}
