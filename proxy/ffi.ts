/**
 * The engine's symbols, and nothing else: see engine/abi.h. A call costs microseconds, so these are
 * made at control rate only. The library stays open as long as the process: its threads run in it.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { getSystemErrorName } from 'node:util';
import type { DataType, JsExternal } from 'ffi-rs';
import { RelayError } from './error.js';

/** A `struct relay *`. */
export type Handle = JsExternal;

const LIBRARY = 'sidetrack-relay';
const FILE = 'engine/libsidetrack-relay.so';

/**
 * Beside the compiled code, or below build/ when the source itself is run; SIDETRACK_RELAY_LIBRARY
 * names another one, such as a build for a sanitizer.
 */
function libraryPath(): string {
  const chosen = process.env.SIDETRACK_RELAY_LIBRARY;
  if (chosen) return chosen;
  const beside = fileURLToPath(new URL(FILE, import.meta.url));
  const built = fileURLToPath(new URL(`../build/proxy/${FILE}`, import.meta.url));
  const found = [beside, built].find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new RelayError(`the relay engine is not built (${beside})`, 'library-missing', 'run: make');
}

type Ffi = typeof import('ffi-rs');

let ffi: Ffi | undefined;

/**
 * Loaded when the engine is called: its part for this machine is an optional dependency that may be
 * absent, and what needs no engine works without.
 */
function loadFfi(): Ffi {
  try {
    return createRequire(import.meta.url)('ffi-rs') as Ffi;
  } catch {
    throw new RelayError(
      `the relay cannot start: the module ffi-rs has no part for this machine (${process.platform} ${process.arch})`,
      'ffi-missing',
      "type in sidetrack's directory: npm ci --include=optional",
    );
  }
}

function openOnce(): Ffi {
  if (ffi !== undefined) return ffi;
  const loaded = loadFfi();
  loaded.open({ library: LIBRARY, path: libraryPath() });
  ffi = loaded;
  return loaded;
}

/** Of ffi-rs's DataType, which would have to be loaded to be read. */
export const TYPES = { I32: 1, U8Array: 10, External: 11 } as const;

const { External, I32, U8Array } = TYPES as Pick<typeof DataType, keyof typeof TYPES>;

/** Calls a function that returns 0 or -errno. */
function call(
  funcName: string,
  paramsType: DataType[],
  paramsValue: (Handle | Buffer | number)[],
): number {
  const { load } = openOnce();
  return load({ library: LIBRARY, funcName, retType: I32, paramsType, paramsValue });
}

/** Undefined when the options do not suit the library or memory is out. */
export function create(options: Buffer): Handle | undefined {
  const { isNullPointer, load } = openOnce();
  const handle = load({
    library: LIBRARY,
    funcName: 'sidetrack_relay_create',
    retType: External,
    paramsType: [U8Array, I32],
    paramsValue: [options, options.length],
  });
  return isNullPointer(handle) ? undefined : handle;
}

/** The engine keeps a copy. */
export const addUpstream = (relay: Handle, upstream: Buffer) =>
  call(
    'sidetrack_relay_add_upstream',
    [External, U8Array, I32],
    [relay, upstream, upstream.length],
  );

/** The descriptor is the relay's own once this has succeeded. */
export const adoptListener = (relay: Handle, fd: number) =>
  call('sidetrack_relay_adopt_listener', [External, I32], [relay, fd]);

export const addRoute = (relay: Handle, route: Buffer) =>
  call('sidetrack_relay_add_route', [External, U8Array, I32], [relay, route, route.length]);

/** Before the first route; the engine keeps a copy. */
export const setDestinations = (relay: Handle, destinations: Buffer) =>
  call(
    'sidetrack_relay_set_destinations',
    [External, U8Array, I32],
    [relay, destinations, destinations.length],
  );

/** For the generation that has been begun, or until it is published; the engine keeps a copy. */
export const setGuard = (relay: Handle, table: Buffer) =>
  call('sidetrack_relay_set_guard', [External, U8Array, I32], [relay, table, table.length]);

export const publishGuard = (relay: Handle) =>
  call('sidetrack_relay_publish_guard', [External], [relay]);

/** Begins a generation beside the one that runs. */
export const begin = (relay: Handle, options: Buffer) =>
  call('sidetrack_relay_begin', [External, U8Array, I32], [relay, options, options.length]);

export const commit = (relay: Handle) => call('sidetrack_relay_commit', [External], [relay]);

/** New connections find one upstream at other addresses, 16 bytes each. */
export const setAddresses = (relay: Handle, slot: number, addresses: Buffer) =>
  call(
    'sidetrack_relay_set_addresses',
    [External, I32, U8Array, I32],
    [relay, slot, addresses, addresses.length],
  );

/** Number of the route that a new connection there would take, or -ENOENT. */
export const findRoute = (relay: Handle, address: Buffer, port: number) =>
  call('sidetrack_relay_find_route', [External, U8Array, I32], [relay, address, port]);

export const setExpress = (relay: Handle, flows: number, slots: number) =>
  call('sidetrack_relay_set_express', [External, I32, I32], [relay, flows, slots]);

export const start = (relay: Handle) => call('sidetrack_relay_start', [External], [relay]);

export const drain = (relay: Handle, deadlineMs: number) =>
  call('sidetrack_relay_drain', [External, I32], [relay, deadlineMs]);

export const handOver = (relay: Handle, deadlineMs: number) =>
  call('sidetrack_relay_hand_over', [External, I32], [relay, deadlineMs]);

/** 1 when no thread listens any more and no connection is left, else 0. */
export const drained = (relay: Handle) => call('sidetrack_relay_drained', [External], [relay]);

export const active = (relay: Handle) => call('sidetrack_relay_active', [External], [relay]);

export const stop = (relay: Handle) => call('sidetrack_relay_stop', [External], [relay]);

export const destroy = (relay: Handle) => call('sidetrack_relay_destroy', [External], [relay]);

export const readStatus = (relay: Handle, out: Buffer) =>
  call('sidetrack_relay_read_status', [External, U8Array, I32], [relay, out, out.length]);

/** Returns the number of descriptors written, 32 bits each. */
export const readListeners = (relay: Handle, out: Buffer) =>
  call('sidetrack_relay_read_listeners', [External, U8Array, I32], [relay, out, out.length]);

export const forking = (relay: Handle, on: boolean) =>
  call('sidetrack_relay_forking', [External, I32], [relay, Number(on)]);

/** Returns how many threads have not turned their loop since this was asked last. */
export const heartbeat = (relay: Handle) => call('sidetrack_relay_heartbeat', [External], [relay]);

/** Milliseconds for which no connection to ourselves has been accepted, 0 when the last one was, or -errno. */
export const checkAccept = (relay: Handle, on: boolean) =>
  call('sidetrack_relay_check_accept', [External, I32], [relay, Number(on)]);

export const readCounters = (relay: Handle, thread: number, out: Buffer) =>
  call(
    'sidetrack_relay_read_counters',
    [External, I32, U8Array, I32],
    [relay, thread, out, out.length],
  );

/** Returns the number of records written, in no order, or -errno. */
export const readRecent = (relay: Handle, thread: number, out: Buffer) =>
  call(
    'sidetrack_relay_read_recent',
    [External, I32, U8Array, I32],
    [relay, thread, out, out.length],
  );

/** Returns the number of entries written, the first of them that of all others, or -errno. */
export const readClients = (relay: Handle, thread: number, out: Buffer) =>
  call(
    'sidetrack_relay_read_clients',
    [External, I32, U8Array, I32],
    [relay, thread, out, out.length],
  );

/** Has the threads list or close connections; 0 or -errno. */
export const snapshot = (relay: Handle, kind: number, ids: Buffer) =>
  call('sidetrack_relay_snapshot', [External, I32, U8Array, I32], [relay, kind, ids, ids.length]);

/** 1 when the snapshot is complete, else 0. */
export const snapshotDone = (relay: Handle) =>
  call('sidetrack_relay_snapshot_done', [External], [relay]);

export const snapshotCount = (relay: Handle, thread: number) =>
  call('sidetrack_relay_snapshot_count', [External, I32], [relay, thread]);

/** Returns the number of entries written, or -errno; they can be read once. */
export const readSnapshot = (relay: Handle, thread: number, out: Buffer) =>
  call(
    'sidetrack_relay_read_snapshot',
    [External, I32, U8Array, I32],
    [relay, thread, out, out.length],
  );

/** Returns the bytes written: whole lines, 0 when there are none, -errno without a log. */
export const readLog = (relay: Handle, thread: number, names: Buffer, out: Buffer) =>
  call(
    'sidetrack_relay_read_log',
    [External, I32, U8Array, I32, U8Array, I32],
    [relay, thread, names, names.length, out, out.length],
  );

export const readError = (relay: Handle, out: Buffer) =>
  call('sidetrack_relay_read_error', [External, U8Array, I32], [relay, out, out.length]);

/** Whether the kernel lets go of a receive buffer that was held. */
export const canFreeWindow = () => call('sidetrack_can_free_window', [], []) === 1;

/** Returns 0, -ENOENT, -EPERM or another -errno. */
export const congestion = (name: Buffer) =>
  call('sidetrack_congestion', [U8Array, I32], [name, name.length]);

/** Returns the bytes that those lines of tcp and tcp6 need that tell of half-open handshakes, or -errno. */
export const halfOpen = (directory: Buffer, out: Buffer): Promise<number> => {
  const { load } = openOnce();
  const read: Promise<number> = load({
    library: LIBRARY,
    funcName: 'sidetrack_half_open',
    retType: I32,
    paramsType: [U8Array, I32, U8Array, I32],
    paramsValue: [directory, directory.length, out, out.length],
    runInNewThread: true,
  });
  // The other thread reads the name and writes the lines where they are, perhaps much later.
  return read.finally(() => [directory, out]);
};

/** `fd` -1 sends none. */
export const notify = (address: Buffer, message: Buffer, fd: number) =>
  call(
    'sidetrack_notify',
    [U8Array, I32, U8Array, I32, I32],
    [address, address.length, message, message.length, fd],
  );

/** `EADDRINUSE` for -98. */
export const errnoName = (result: number) => getSystemErrorName(result);
