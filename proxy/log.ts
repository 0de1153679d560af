/** Finished connections as lines of JSON: the engine makes them, see engine/base/log.h. */
import { NAME_LENGTH } from './abi.js';
import * as ffi from './ffi.js';

/** Finished connections that each thread keeps: nearly a second's worth at ten thousand a second. */
export const LOG_RECORDS = 8192;

/** Names of upstreams as the engine reads them: by slot, each with a final zero. */
export function encodeNames(names: readonly (string | undefined)[]): Buffer {
  const buffer = Buffer.alloc(Math.max(names.length, 1) * NAME_LENGTH);
  names.forEach((name, i) => {
    if (name !== undefined) buffer.write(name.slice(0, NAME_LENGTH - 1), i * NAME_LENGTH, 'latin1');
  });
  return buffer;
}

/** @returns bytes of whole lines in `out`; what did not fit stays for the next call. */
export function takeLog(handle: ffi.Handle, threads: number, names: Buffer, out: Buffer): number {
  let length = 0;
  for (let thread = 0; thread < threads; thread++)
    length += Math.max(ffi.readLog(handle, thread, names, out.subarray(length)), 0);
  return length;
}
