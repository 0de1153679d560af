/** The open connections: the engine's threads look when they are asked, see engine/thread/snapshot.h. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  connectionStates,
  ENTRY_SIZE,
  entryFlag,
  entryOffset,
  modes,
  SNAPSHOT_CLOSE,
  SNAPSHOT_LIST,
} from './abi.js';
import { formatEndpoint } from './address.js';
import { RelayError } from './error.js';
import * as ffi from './ffi.js';
import type { Mode, SlotNames } from './stats.js';

export type ConnectionState = (typeof connectionStates)[number];

/** One way of a connection. */
export interface DirectionView {
  bytes: number;
  mode: Mode;
  /** Bytes wait for a slow receiver. */
  stalled: boolean;
  /** FIN has been handed on. */
  ended: boolean;
}

export interface OpenConnection {
  id: number;
  acceptedAt: Date;
  /** Seconds since accept. */
  age: number;
  /** Seconds since a byte moved. */
  idle: number;
  client: string;
  /** `conntrack`: as the kernel first saw it; `socket`: the port may be a remapped one. */
  clientFrom: 'conntrack' | 'socket';
  originalDestination: string;
  /** Absent before one has been chosen. */
  upstream?: string;
  /** Of `relay.routes`. */
  route?: string;
  state: ConnectionState;
  upload: DirectionView;
  download: DirectionView;
  /** Smoothed round trips in seconds; absent where not measured yet. */
  rtt: { client?: number; upstream?: number };
}

const POLL_MS = 2;
const NO_IDS = Buffer.alloc(8);

/**
 * The two calls that take a snapshot of the connections; a second one waits for the first.
 * @param handle throws when the relay is no more.
 */
export function openConnections(
  handle: () => ffi.Handle,
  threads: number,
  names: () => SlotNames,
): {
  connections(): Promise<OpenConnection[]>;
  close(ids: readonly number[]): Promise<OpenConnection[]>;
} {
  let last: Promise<unknown> = Promise.resolve();
  const snapshot = (kind: number, ids: Buffer): Promise<OpenConnection[]> => {
    const mine = last.then(async () => {
      begin(handle(), kind, ids);
      while (ffi.snapshotDone(handle()) === 0) await delay(POLL_MS);
      return readAll(handle(), threads, names());
    });
    last = mine.catch(() => undefined);
    return mine;
  };
  return {
    connections: () => snapshot(SNAPSHOT_LIST, NO_IDS),
    close: (ids) => snapshot(SNAPSHOT_CLOSE, encodeIds(ids)),
  };
}

function encodeIds(ids: readonly number[]): Buffer {
  const buffer = Buffer.alloc(ids.length * 8);
  ids.forEach((id, i) => {
    buffer.writeBigUInt64LE(BigInt(id), i * 8);
  });
  return buffer;
}

function begin(handle: ffi.Handle, kind: number, ids: Buffer): void {
  const result = ffi.snapshot(handle, kind, ids);
  if (result === 0) return;
  const code = ffi.errnoName(result);
  const hints: Readonly<Record<string, string>> = {
    EINVAL: 'close fewer at a time',
    ESHUTDOWN: 'it has stopped',
  };
  throw new RelayError(
    `the relay cannot show its connections: ${code}`,
    code,
    hints[code] ?? 'try again',
  );
}

function readAll(handle: ffi.Handle, threads: number, names: SlotNames): OpenConnection[] {
  const all = Array.from({ length: threads }, (_, thread) => {
    const buffer = Buffer.alloc(Math.max(ffi.snapshotCount(handle, thread), 0) * ENTRY_SIZE);
    const count = ffi.readSnapshot(handle, thread, buffer);
    return Array.from({ length: Math.max(count, 0) }, (_, i) =>
      decodeEntry(buffer.subarray(i * ENTRY_SIZE, (i + 1) * ENTRY_SIZE), names),
    );
  });
  return all.flat().sort((a, b) => b.age - a.age);
}

/** @param bytes one entry as the engine filled it. */
export function decodeEntry(bytes: Buffer, names: SlotNames): OpenConnection {
  const u64 = (offset: number) => Number(bytes.readBigUInt64LE(offset));
  const flags = bytes.readUInt32LE(entryOffset.flags);
  const mode = (offset: number) => modes[bytes.readUInt8(offset)] ?? modes[0];
  const has = (flag: number) => (flags & flag) !== 0;
  const endpoint = (address: number, port: number) =>
    formatEndpoint(bytes.subarray(address, address + 16), bytes.readUInt16LE(port));
  const upstream = names.upstreams[bytes.readUInt32LE(entryOffset.upstream)];
  const route = names.routes[bytes.readUInt32LE(entryOffset.route)];
  return {
    id: u64(entryOffset.id),
    acceptedAt: new Date(u64(entryOffset.accepted_ms)),
    age: u64(entryOffset.age_us) / 1e6,
    idle: u64(entryOffset.idle_ms) / 1e3,
    client: endpoint(entryOffset.client, entryOffset.client_port),
    clientFrom: has(entryFlag.translated) ? 'conntrack' : 'socket',
    originalDestination: endpoint(entryOffset.destination, entryOffset.destination_port),
    ...(upstream !== undefined && { upstream }),
    ...(route !== undefined && { route }),
    state: connectionStates[bytes.readUInt32LE(entryOffset.state)] ?? 'relaying',
    upload: {
      bytes: u64(entryOffset.upload_bytes),
      mode: mode(entryOffset.upload_mode),
      stalled: has(entryFlag.uploadStalled),
      ended: has(entryFlag.uploadEnded),
    },
    download: {
      bytes: u64(entryOffset.download_bytes),
      mode: mode(entryOffset.download_mode),
      stalled: has(entryFlag.downloadStalled),
      ended: has(entryFlag.downloadEnded),
    },
    rtt: roundTrips(bytes),
  };
}

function roundTrips(bytes: Buffer): OpenConnection['rtt'] {
  const client = bytes.readUInt32LE(entryOffset.client_rtt_us) / 1e6;
  const upstream = bytes.readUInt32LE(entryOffset.upstream_rtt_us) / 1e6;
  return { ...(client > 0 && { client }), ...(upstream > 0 && { upstream }) };
}
