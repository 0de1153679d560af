/** Owns one relay engine: options in, statistics out, drain and stop. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  ABI_VERSION,
  COUNTERS_SIZE,
  captures,
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
import { adoptListeners, errorText, type RefusedListener, readListeners } from './listeners.js';
import { encodeNames, takeLog } from './log.js';
import { type OpenConnection, openConnections } from './open-connections.js';
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
  /** Descriptors of listening sockets to go on with; the port's other sockets are opened. */
  listeners?: readonly number[];
  /** False copies every byte. */
  splice?: boolean;
  /** In order of preference; a direct one when absent. */
  upstreams?: readonly Upstream[];
  /** `failover` when absent. */
  strategy?: Strategy;
  /** False saves two system calls for each connection: no RTT, no retransmissions. */
  tcpInfo?: boolean;
  /** True keeps finished connections for `takeLog()`. */
  log?: boolean;
}

export interface Relay {
  /** The port in use. */
  readonly port: number;
  readonly threads: number;
  readonly maxConnections: number;
  /** Sockets it was told to go on with and could not, open as before. */
  readonly refusedListeners: readonly RefusedListener[];
  /** Most pipes of all threads together. */
  readonly maxPipes: number;
  /** Connections open now. */
  active(): number;
  stats(): RelayStats;
  /** Names of the upstreams that have failed and have not been back in favour since. */
  resting(): string[];
  /** The last few hundred accepted connections, oldest first. */
  recent(): RecentConnection[];
  /** Descriptors of its listening sockets, for a successor or the service manager. */
  listeners(): number[];
  /** Threads that have not turned their loop since this was asked last; at first 0. */
  hangingThreads(): number;
  /** Like drain, but what waits in the sockets' queues is left to whoever else has them. */
  handOver(deadlineMs: number): Promise<void>;
  /** Every open connection, oldest first. Threads look a few at a time; traffic goes on. */
  connections(): Promise<OpenConnection[]>;
  /** Resets both legs of each. @returns those that were still open. */
  close(ids: readonly number[]): Promise<OpenConnection[]>;
  /** Lines of JSON about connections that have ended since the last call, as many as fit. */
  takeLog(out: Buffer): number;
  /** Takes no more connections; resolves when all have ended, those left at `deadlineMs` by RST. */
  drain(deadlineMs: number): Promise<void>;
  /** Resets what is left and ends the threads; statistics stay readable. Safe to call twice. */
  stop(): void;
  /** Stops, wipes the passwords and frees the memory. Nothing may be asked afterwards. */
  destroy(): void;
}

const KEEPALIVE_IDLE_S = 120;
const KEEPALIVE_INTERVAL_S = 30;
const DESCRIPTOR_RESERVE = 64;
const PIPES_PER_THREAD = 64;
const DRAIN_POLL_MS = 20;
/** For each thread: nearly a second's worth at ten thousand connections a second. */
const LOG_RECORDS = 8192;

/** @throws RelayError with `EADDRINUSE` when somebody else listens on the port, and so on. */
export function startRelay(options: RelayOptions): Relay {
  const handle = ffi.create(encodeOptions(options));
  if (handle === undefined)
    throw new RelayError('the relay engine and its TypeScript side differ', 'abi', 'run: make');
  const upstreams = options.upstreams ?? [DIRECT];
  const refused = adoptListeners(handle, options.listeners ?? []);
  const result = addUpstreams(handle, upstreams) || ffi.start(handle);
  if (result === 0)
    return relayOf(
      handle,
      upstreams.map(({ name }) => name),
      refused,
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
    tcp_info: options.tcpInfo === false ? 0 : 1,
    pipes_per_thread: PIPES_PER_THREAD,
    log_records: options.log ? LOG_RECORDS : 0,
  };
  for (const [name, offset] of Object.entries(optionOffset))
    buffer.writeUInt32LE(values[name as keyof typeof optionOffset] ?? 0, offset);
  if (options.address !== undefined)
    addressToBytes(options.address).copy(buffer, OPTION_ADDRESS_OFFSET);
  return buffer;
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

function relayOf(
  handle: ffi.Handle,
  upstreams: readonly string[],
  refusedListeners: readonly RefusedListener[],
): Relay {
  const status = Buffer.alloc(STATUS_SIZE);
  ffi.readStatus(handle, status);
  const threads = status.readUInt32LE(statusOffset.threads);
  const pages = Array.from({ length: threads }, () => Buffer.alloc(COUNTERS_SIZE));
  let stopped = false;
  const untilDrained = async () => {
    while (!stopped && ffi.drained(handle) === 0) await delay(DRAIN_POLL_MS);
  };
  return {
    port: status.readUInt32LE(statusOffset.port),
    threads,
    maxConnections: status.readUInt32LE(statusOffset.max_connections),
    refusedListeners,
    listeners: () => readListeners(handle),
    hangingThreads: () => (stopped ? 0 : ffi.heartbeat(handle)),
    maxPipes: threads * PIPES_PER_THREAD,
    active: () => ffi.active(handle),
    stats: () => {
      pages.forEach((page, thread) => {
        ffi.readCounters(handle, thread, page);
      });
      return sumStats(pages, upstreams);
    },
    resting: () => {
      const bits = ffi.resting(handle);
      return upstreams.filter((_, i) => bits & (1 << i));
    },
    recent: () => readRecent(handle, threads, upstreams),
    ...openConnections(handle, threads, upstreams),
    takeLog: (out) => takeLog(handle, threads, encodeNames(upstreams), out),
    drain(deadlineMs) {
      ffi.drain(handle, deadlineMs);
      return untilDrained();
    },
    handOver(deadlineMs) {
      ffi.handOver(handle, deadlineMs);
      return untilDrained();
    },
    stop: () => {
      if (!stopped) ffi.stop(handle);
      stopped = true;
    },
    destroy: () => {
      stopped = true;
      ffi.destroy(handle);
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
