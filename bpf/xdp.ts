/**
 * The XDP program on network devices. One that is not ours is never replaced: the kernel is told
 * which program we expect to find, and refuses if it is another one.
 */
import { ClassifierError } from './error.js';
import { call, check, closeDescriptor } from './ffi.js';
import { isCallError } from './object.js';
import { programName } from './tc.js';

/** The program's function, which is also the name that the kernel shows. */
export const XDP_PROGRAM = 'sidetrack_xdp';

/** `native`: in the driver. `generic`: a step later, with any driver. */
export type XdpMode = 'native' | 'generic';

const IF_NONE_YET = 1;
const MODES = { native: 4, generic: 2 } as const satisfies Record<XdpMode, number>;
const HARDWARE = 8;

/** `struct bpf_xdp_attach_opts`: size, the program that must be there; 0: any. */
function expecting(program = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(16n, 0);
  bytes.writeInt32LE(program, 8);
  return bytes;
}

function idIn(ifindex: number, mode: number): number {
  const id = Buffer.alloc(4);
  return call('bpf_xdp_query_id', ifindex, mode, id) < 0 ? 0 : id.readUInt32LE();
}

/** Our program on the device, and how it runs there. */
export function attachedXdp(ifindex: number): { id: number; mode: XdpMode } | undefined {
  for (const mode of ['native', 'generic'] as const) {
    const id = idIn(ifindex, MODES[mode]);
    if (id !== 0 && programName(id) === XDP_PROGRAM) return { id, mode };
  }
  return undefined;
}

function foreign(name: string): ClassifierError {
  return new ClassifierError(`another tool's XDP program is on ${name}`, {
    code: 'xdp-foreign',
    source: 'host',
    hint: `see: ip link show ${name}; or write forwarding: redirect`,
  });
}

/** @throws ClassifierError when there is an XDP program that is not ours, in any mode. */
export function requireFreeXdp(name: string, ifindex: number): void {
  const ids = [MODES.native, MODES.generic, HARDWARE].map((mode) => idIn(ifindex, mode));
  if (ids.some((id) => id !== 0 && programName(id) !== XDP_PROGRAM)) throw foreign(name);
}

function replace(name: string, ifindex: number, program: number, mode: XdpMode, id: number): void {
  const old = check('bpf_prog_get_fd_by_id', id);
  try {
    check('bpf_xdp_attach', ifindex, program, MODES[mode], expecting(old));
  } catch (cause) {
    throw isCallError(cause, 'EEXIST') ? foreign(name) : cause;
  } finally {
    closeDescriptor(old);
  }
}

/** Puts `program` on the device, in one step where an older one of ours is; native if it can be. */
export function attachXdp(name: string, ifindex: number, program: number): XdpMode {
  requireFreeXdp(name, ifindex);
  const present = attachedXdp(ifindex);
  if (present) {
    replace(name, ifindex, program, present.mode, present.id);
    return present.mode;
  }
  for (const mode of ['native', 'generic'] as const) {
    try {
      check('bpf_xdp_attach', ifindex, program, MODES[mode] | IF_NONE_YET, expecting());
      return mode;
    } catch (cause) {
      if (isCallError(cause, 'EBUSY', 'EEXIST')) throw foreign(name);
      // Without support, or without room in its buffers, a driver refuses in its own words.
      if (mode === 'generic') throw refused(name, cause);
    }
  }
  throw refused(name, undefined);
}

function refused(name: string, cause: unknown): ClassifierError {
  return new ClassifierError(`${name} takes no XDP program`, {
    code: 'xdp-refused',
    source: 'kernel',
    hint: 'write forwarding: redirect',
    cause,
  });
}

/** Takes our program off the device, if it is there. */
export function detachXdp(ifindex: number): void {
  const present = attachedXdp(ifindex);
  if (!present) return;
  const old = check('bpf_prog_get_fd_by_id', present.id);
  try {
    check('bpf_xdp_detach', ifindex, MODES[present.mode], expecting(old));
  } finally {
    closeDescriptor(old);
  }
}
