/** Owns one relay engine: options in, statistics out, drain and stop. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  ABI_VERSION,
  COUNTERS_SIZE,
  captures,
  ERROR_LENGTH,
  OPTION_ADDRESS_OFFSET,
  OPTIONS_SIZE,
  optionOffset,
  RECENT,
  RECORD_SIZE,
  STATUS_SIZE,
  statusOffset,
} from './abi.js';
import { addressToBytes } from './address.js';
import { RelayError } from './error.js';
import * as ffi from './ffi.js';
import { decodeRecords, type RecentConnection, type RelayStats, sumStats } from './stats.js';
import {
  DIRECT,
  encodeUpstream,
  type Strategy,
  strategyNumber,
  type Upstream,
} from './upstreams.js';

export type Capture = (typeof captures)[number];

/** Milliseconds unless the name says otherwise; an absent time-out is off. */
export interface RelayOptions {
  /** 0 lets the kernel choose. */
  port: number;
  /** Where to listen; everywhere when absent. */
  address?: string;
  /** One for each CPU when absent. */
  threads?: number;
  maxConnections?: number;
  /** More from one client are reset; an IPv6 client is its /64. No limit when absent. */
  maxConnectionsPerClient?: number;
  /** More that wait for their upstreams are reset. No limit when absent. */
  maxHandshakes?: number;
  /** How connections get here; `redirect` when absent. */
  capture?: Capture;
  /** TCP Fast Open with clients and proxies. */
  fastOpen?: boolean;
  connectTimeoutMs?: number;
  handshakeTimeoutMs?: number;
  idleTimeoutMs?: number;
  halfCloseTimeoutMs?: number;
  /** False copies every byte. */
  splice?: boolean;
  /** In order of preference; a direct one when absent. */
  upstreams?: readonly Upstream[];
  /** `failover` when absent. */
  strategy?: Strategy;
}

export interface Relay {
  /** The port in use. */
  readonly port: number;
  readonly threads: number;
  readonly maxConnections: number;
  /** Connections open now. */
  active(): number;
  stats(): RelayStats;
  /** The last few hundred accepted connections, oldest first. */
  recent(): RecentConnection[];
  /** Takes no more connections; resolves when all have ended, those left at `deadlineMs` by RST. */
  drain(deadlineMs: number): Promise<void>;
  /** Resets what is left and ends the threads; statistics stay readable. Safe to call twice. */
  stop(): void;
}

const KEEPALIVE_IDLE_S = 120;
const KEEPALIVE_INTERVAL_S = 30;
const DESCRIPTOR_RESERVE = 64;
const DRAIN_POLL_MS = 20;

/** @throws RelayError with `EADDRINUSE` when somebody else listens on the port, and so on. */
export function startRelay(options: RelayOptions): Relay {
  const handle = ffi.create(encodeOptions(options));
  if (handle === undefined)
    throw new RelayError('the relay engine and its TypeScript side differ', 'abi', 'run: make');
  const upstreams = options.upstreams ?? [DIRECT];
  const result = addUpstreams(handle, upstreams) || ffi.start(handle);
  if (result === 0)
    return relayOf(
      handle,
      upstreams.map(({ name }) => name),
    );
  const said = errorText(handle);
  ffi.destroy(handle);
  throw startError(result, said, options.port);
}

/** Returns 0 or the -errno of the first that the engine refuses. */
function addUpstreams(handle: ffi.Handle, upstreams: readonly Upstream[]): number {
  for (const upstream of upstreams) {
    const buffer = encodeUpstream(upstream);
    const result = ffi.addUpstream(handle, buffer);
    buffer.fill(0);
    if (result !== 0) return result;
  }
  return 0;
}

function encodeOptions(options: RelayOptions): Buffer {
  const buffer = Buffer.alloc(OPTIONS_SIZE);
  const values: Partial<Record<keyof typeof optionOffset, number | undefined>> = {
    abi_version: ABI_VERSION,
    port: options.port,
    threads: options.threads,
    max_connections: options.maxConnections,
    max_connections_per_client: options.maxConnectionsPerClient,
    max_handshakes: options.maxHandshakes,
    capture: captures.indexOf(options.capture ?? 'redirect'),
    fast_open: options.fastOpen ? 1 : 0,
    descriptor_reserve: DESCRIPTOR_RESERVE,
    connect_timeout_ms: options.connectTimeoutMs,
    handshake_timeout_ms: options.handshakeTimeoutMs,
    idle_timeout_ms: options.idleTimeoutMs,
    half_close_timeout_ms: options.halfCloseTimeoutMs,
    keepalive_idle_s: KEEPALIVE_IDLE_S,
    keepalive_interval_s: KEEPALIVE_INTERVAL_S,
    splice: options.splice === false ? 0 : 1,
    strategy: strategyNumber(options.strategy ?? 'failover'),
  };
  for (const [name, offset] of Object.entries(optionOffset))
    buffer.writeUInt32LE(values[name as keyof typeof optionOffset] ?? 0, offset);
  if (options.address !== undefined)
    addressToBytes(options.address).copy(buffer, OPTION_ADDRESS_OFFSET);
  return buffer;
}

function errorText(handle: ffi.Handle): string {
  const buffer = Buffer.alloc(ERROR_LENGTH);
  const length = ffi.readError(handle, buffer);
  return buffer.toString('utf8', 0, Math.max(length, 0));
}

function startError(result: number, said: string, port: number): RelayError {
  const code = ffi.errnoName(result);
  const hints: Readonly<Record<string, string>> = {
    EADDRINUSE: `see who listens there: ss -ltnp 'sport = :${port}'`,
    EACCES: 'ports below 1024 need root or CAP_NET_BIND_SERVICE',
    EPERM: 'run it as root, or give the service CAP_NET_RAW (AmbientCapabilities=CAP_NET_RAW)',
    EMFILE: 'raise the limit of open files: ulimit -n',
  };
  return new RelayError(said || `the relay cannot start: ${code}`, code, hints[code] ?? '');
}

function relayOf(handle: ffi.Handle, upstreams: readonly string[]): Relay {
  const status = Buffer.alloc(STATUS_SIZE);
  ffi.readStatus(handle, status);
  const threads = status.readUInt32LE(statusOffset.threads);
  const pages = Array.from({ length: threads }, () => Buffer.alloc(COUNTERS_SIZE));
  let stopped = false;
  return {
    port: status.readUInt32LE(statusOffset.port),
    threads,
    maxConnections: status.readUInt32LE(statusOffset.max_connections),
    active: () => ffi.active(handle),
    stats: () => {
      pages.forEach((page, thread) => {
        ffi.readCounters(handle, thread, page);
      });
      return sumStats(pages, upstreams);
    },
    recent: () => readRecent(handle, threads, upstreams),
    async drain(deadlineMs) {
      ffi.drain(handle, deadlineMs);
      while (!stopped && ffi.drained(handle) === 0) await delay(DRAIN_POLL_MS);
    },
    stop: () => {
      if (!stopped) ffi.stop(handle);
      stopped = true;
    },
  };
}

function readRecent(
  handle: ffi.Handle,
  threads: number,
  upstreams: readonly string[],
): RecentConnection[] {
  const buffer = Buffer.alloc(RECENT * RECORD_SIZE);
  const records = Array.from({ length: threads }, (_, thread) => {
    const count = ffi.readRecent(handle, thread, buffer);
    return decodeRecords(buffer, Math.max(count, 0), upstreams);
  });
  return records.flat().sort((a, b) => a.acceptedAt.getTime() - b.acceptedAt.getTime());
}
