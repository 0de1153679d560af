/** Owns one relay engine: options in, statistics out, reload, drain and stop. */
import type { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { RECENT, RECORD_SIZE } from './abi.js';
import { addressToBytes } from './address.js';
import { type ClientStats, ClientTables } from './clients.js';
import { RelayError } from './error.js';
import * as ffi from './ffi.js';
import {
  commitNames,
  fillGeneration,
  type Names,
  newNames,
  type Proposal,
  propose,
  readStatus,
  reusedSlots,
} from './generation.js';
import { adoptListeners, errorText, type RefusedListener, readListeners } from './listeners.js';
import { encodeNames, takeLog } from './log.js';
import { type OpenConnection, openConnections } from './open-connections.js';
import {
  type Capture,
  encodeOptions,
  fixedOptions,
  type GenerationOptions,
  PIPES_PER_THREAD,
  type RelayOptions,
} from './options.js';
import { Pages } from './pages.js';
import { type DestinationTable, encodeDestinations } from './routes.js';
import {
  decodeRecords,
  type RecentConnection,
  type RelayStats,
  type SlotNames,
  sumStats,
} from './stats.js';

export type { Capture, GenerationOptions, RelayOptions } from './options.js';

export interface Relay {
  /** The port in use. */
  readonly port: number;
  readonly threads: number;
  readonly capture: Capture;
  readonly maxConnections: number;
  /** Sockets it was told to go on with and could not, open as before. */
  readonly refusedListeners: readonly RefusedListener[];
  /** Most pipes of all threads together. */
  readonly maxPipes: number;
  /** How many configurations are in use: the current one, and those of older connections. */
  readonly generations: number;
  /** Connections open now. */
  active(): number;
  stats(): RelayStats;
  /** What was done for each client, a bounded number of them; the rest is one more, `other`. */
  clients(): ClientStats[];
  /** Names of the upstreams that have failed and have not been back in favour since. */
  backedOff(): string[];
  /** The last few thousand accepted connections, oldest first. */
  recent(): RecentConnection[];
  /** Descriptors of its listening sockets, for a successor or the service manager. */
  listeners(): number[];
  /** Starts a program, which has copies of our sockets until it says its first word or ends. */
  forking<T extends EventEmitter>(start: () => T): T;
  /** Threads that have not turned their loop since this was asked last; at first 0. */
  hangingThreads(): number;
  /**
   * Milliseconds for which it has accepted no connection of its own, 0 when it accepted the one that was
   * made when this was asked last: none of them is counted. Undefined where it does not accept by
   * intention, or none could be made.
   * @param on false: none is made any more, until this is asked again.
   */
  notAccepting(on?: boolean): number | undefined;
  /** Like drain, but what waits in the sockets' queues is left to the other process that has them. */
  handOver(deadlineMs: number): Promise<void>;
  /** Every open connection, oldest first. Threads look a few at a time; traffic goes on. */
  connections(): Promise<OpenConnection[]>;
  /** Resets both legs of each. @returns those that were still open. */
  close(ids: readonly number[]): Promise<OpenConnection[]>;
  /** Lines of JSON about connections that have ended since the last call, as many as fit. */
  takeLog(out: Buffer): number;
  /** Number of the route that a new connection would take; undefined for none. */
  routeTo(address: string, port: number): number | undefined;
  /**
   * New connections find the upstream at these addresses; those that it had before keep their health.
   * @throws RelayError when it is not configured, and then nothing has changed.
   */
  setAddresses(upstream: string, addresses: readonly string[]): void;
  /**
   * New connections are judged by this, and nothing else changes.
   * @throws RelayError when that cannot be, and then they are judged as before.
   */
  setGuard(guard: DestinationTable): void;
  /**
   * New connections use what is given here; open ones keep what they have. All or nothing.
   * @throws RelayError when that cannot be, and then nothing has changed.
   */
  reload(options: GenerationOptions): Promise<void>;
  /**
   * Takes no more connections; resolves when all have ended, those left at `deadlineMs` by RST.
   * Infinity waits for them all.
   */
  drain(deadlineMs: number): Promise<void>;
  /** Resets what is left and ends the threads; statistics stay readable. Safe to call twice. */
  stop(): void;
  /** Stops, wipes the passwords and frees the memory. What is asked afterwards throws. */
  destroy(): void;
}

/** As the engine wants it. */
const finite = (deadlineMs: number) => (deadlineMs === Number.POSITIVE_INFINITY ? -1 : deadlineMs);

const POLL_MS = 20;
const ADOPTION_MOST_MS = 5000;

/** @throws RelayError with `EADDRINUSE` when another program listens on the port, and so on. */
export function startRelay(options: RelayOptions): Relay {
  const handle = ffi.create(encodeOptions(options));
  if (handle === undefined)
    throw new RelayError('the relay engine and its TypeScript side differ', 'abi', 'run: make');
  const names = newNames();
  const proposal = propose(names, options, readStatus(handle));
  const refused = adoptListeners(handle, options.listeners ?? []);
  const result =
    useExpress(handle, options) || fillGeneration(handle, options, proposal) || ffi.start(handle);
  if (result === 0) {
    commitNames(names, proposal);
    return relayOf(handle, options, names, refused);
  }
  const said = errorText(handle);
  ffi.destroy(handle);
  throw startError(result, said, options.port);
}

const useExpress = (handle: ffi.Handle, { expressMaps: maps }: RelayOptions) =>
  maps === undefined ? 0 : ffi.setExpress(handle, maps.flows, maps.slots);

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
  options: RelayOptions,
  names: Names,
  refusedListeners: readonly RefusedListener[],
): Relay {
  const status = readStatus(handle);
  const threads = status.value('threads');
  const pages = new Pages(handle, threads);
  const clientTables = new ClientTables(handle, threads);
  const slotNames = () => ({ upstreams: names.upstreams.names, routes: names.routes.names });
  let stopped = false;
  let destroyed = false;
  /** Who asked before the end may come to the engine only after it, when its memory is another's. */
  const live = () => {
    if (destroyed) throw new RelayError('the relay has ended', 'ESHUTDOWN', 'start it anew');
    return handle;
  };
  const untilDrained = async () => {
    while (!stopped && ffi.drained(handle) === 0) await delay(POLL_MS);
  };
  return {
    port: status.value('port'),
    threads,
    capture: options.capture ?? 'redirect',
    get maxConnections() {
      return readStatus(live()).value('max_connections');
    },
    get generations() {
      return readStatus(live()).value('generations');
    },
    refusedListeners,
    listeners: () => readListeners(handle),
    forking: (start) => {
      ffi.forking(handle, true);
      const over = () => void (stopped || ffi.forking(handle, false));
      try {
        const child = start();
        for (const event of ['message', 'exit', 'error']) child.once(event, over);
        return child;
      } catch (error) {
        over();
        throw error;
      }
    },
    hangingThreads: () => (stopped ? 0 : ffi.heartbeat(handle)),
    notAccepting: (on = true) => {
      const waited = stopped ? -1 : ffi.checkAccept(handle, on);
      return waited < 0 ? undefined : waited;
    },
    maxPipes: threads * PIPES_PER_THREAD,
    active: () => ffi.active(live()),
    stats: () => readStats(live(), pages, names),
    clients() {
      live();
      return clientTables.read();
    },
    backedOff: () => backedOffUpstreams(live(), names),
    recent: () => readRecent(live(), threads, slotNames()),
    ...openConnections(live, threads, slotNames),
    takeLog: (out) => takeLog(live(), threads, encodeNames(names.upstreams.names), out),
    routeTo: (address, port) => {
      const number = ffi.findRoute(handle, addressToBytes(address), port);
      return number < 0 ? undefined : number;
    },
    setAddresses: (upstream, addresses) => {
      const bytes = Buffer.concat(addresses.map(addressToBytes));
      const result = ffi.setAddresses(handle, names.upstreams.slotOf(upstream), bytes);
      if (result !== 0) throw new RelayError(errorText(handle), ffi.errnoName(result), '');
      names.addresses.set(upstream, addresses.length);
    },
    setGuard(guard) {
      const result = ffi.setGuard(handle, encodeDestinations(guard)) || ffi.publishGuard(handle);
      if (result !== 0)
        throw new RelayError(errorText(handle), ffi.errnoName(result), 'what ran before goes on');
    },
    async reload(next) {
      const proposal = propose(names, next, readStatus(handle));
      const reused = reusedSlots(names, proposal);
      const before = pages.picture(reused.upstreams, reused.routes);
      replace(handle, { ...next, ...fixedOptions(options) }, proposal);
      pages.startAnew(before);
      commitNames(names, proposal);
      await adopted(handle, threads, () => stopped);
    },
    drain(deadlineMs) {
      ffi.drain(handle, finite(deadlineMs));
      return untilDrained();
    },
    handOver(deadlineMs) {
      ffi.handOver(handle, finite(deadlineMs));
      return untilDrained();
    },
    stop: () => {
      if (!stopped) ffi.stop(handle);
      stopped = true;
    },
    destroy: () => {
      stopped = true;
      destroyed = true;
      ffi.destroy(handle);
    },
  };
}

/** All or nothing. @throws RelayError */
function replace(handle: ffi.Handle, options: RelayOptions, proposal: Proposal): void {
  const result =
    ffi.begin(handle, encodeOptions(options)) ||
    fillGeneration(handle, options, proposal) ||
    ffi.commit(handle);
  if (result !== 0)
    throw new RelayError(errorText(handle), ffi.errnoName(result), 'what ran before goes on');
}

/** Threads change over when they wake up, at once unless the machine is very busy. */
async function adopted(handle: ffi.Handle, threads: number, isStopped: () => boolean) {
  for (let waited = 0; waited < ADOPTION_MOST_MS && !isStopped(); waited += POLL_MS) {
    if (readStatus(handle).value('adopted') === threads) return;
    await delay(POLL_MS);
  }
}

function readStats(handle: ffi.Handle, pages: Pages, names: Names): RelayStats {
  const status = readStatus(handle);
  const visible = {
    upstreams: names.upstreams.visible(status.isBusyUpstream),
    routes: names.routes.visible(status.isBusyRoute),
  };
  const stats = sumStats(pages.read(), visible, status);
  for (const upstream of stats.upstreams) {
    const addresses = names.addresses.get(upstream.name);
    if (addresses !== undefined) upstream.addresses = addresses;
  }
  return stats;
}

function backedOffUpstreams(handle: ffi.Handle, names: Names): string[] {
  const { isBusyUpstream, isFailing } = readStatus(handle);
  const visible = names.upstreams.visible(isBusyUpstream);
  return visible.filter((name, slot): name is string => name !== undefined && isFailing(slot));
}

function readRecent(handle: ffi.Handle, threads: number, names: SlotNames): RecentConnection[] {
  const buffer = Buffer.alloc(RECENT * RECORD_SIZE);
  const records = Array.from({ length: threads }, (_, thread) => {
    const count = ffi.readRecent(handle, thread, buffer);
    return decodeRecords(buffer, Math.max(count, 0), names);
  });
  return records.flat().sort((a, b) => a.acceptedAt.getTime() - b.acceptedAt.getTime());
}
