/** What a reload replaces, on its way into the engine: options, upstreams, routes. */
import { isIPv4 } from 'node:net';
import {
  ABI_VERSION,
  captures,
  FORBIDDEN_PORTS,
  OPTION_ADDRESS_OFFSET,
  OPTION_PROBE_OFFSET,
  OPTIONS_SIZE,
  optionOffset,
  PROBE_REQUEST,
  PROBE_SIZE,
  probeAnswers,
  probeOffset,
  ROUTE_SLOTS,
  STATUS_FORBIDDEN_PORTS_OFFSET,
  STATUS_SIZE,
  statusOffset,
  UPSTREAM_SLOTS,
} from './abi.js';
import { addressToBytes } from './address.js';
import * as ffi from './ffi.js';
import {
  type DestinationTable,
  encodeDestinations,
  encodeRoute,
  NO_ROUTE,
  NO_ROUTES,
  type Routing,
} from './routes.js';
import { Slots } from './slots.js';
import {
  DIRECT,
  encodeUpstream,
  FAMILIES,
  type Family,
  type Strategy,
  strategyNumber,
  type Upstream,
} from './upstreams.js';

export type Capture = (typeof captures)[number];

export interface ProbeOptions {
  /** What a probe waits for once it is connected; nothing when absent. */
  answer?: (typeof probeAnswers)[number];
  /** Where to, one of each family at most, and what is said there. */
  targets: readonly { address: string; port: number; request?: Buffer }[];
  intervalMs: number;
  timeoutMs: number;
}

/** Milliseconds unless the name says otherwise; an absent time-out is off. */
export interface GenerationOptions {
  maxConnections?: number;
  /** More from one client are reset; an IPv6 client is its /64. No limit when absent. */
  maxConnectionsPerClient?: number;
  /** More that wait for their upstreams are reset. No limit when absent. */
  maxHandshakes?: number;
  /** False saves two system calls for each connection: no RTT, no retransmissions. */
  tcpInfo?: boolean;
  /** Seconds of silence before a client is asked whether it is there; never when absent. */
  clientKeepaliveS?: number;
  connectTimeoutMs?: number;
  handshakeTimeoutMs?: number;
  idleTimeoutMs?: number;
  halfCloseTimeoutMs?: number;
  /** In order of preference; a direct one when absent. */
  upstreams?: readonly Upstream[];
  /** `failover` when absent. */
  strategy?: Strategy;
  /** Which upstreams by destination; all of them for all when absent. */
  routing?: Routing;
  /** Bits of `guardBit`: what is refused, and what is this machine. What was said before when absent. */
  guard?: DestinationTable;
  /** Connections through every upstream that find out whether it works; none when absent. */
  probe?: ProbeOptions;
}

/** What is settled when the relay starts. */
export interface FixedOptions {
  /** 0 lets the kernel choose. */
  port: number;
  /** Where to listen; everywhere when absent. */
  address?: string;
  /** One for each CPU when absent. */
  threads?: number;
  /** How connections get here; `redirect` when absent. */
  capture?: Capture;
  /** TCP Fast Open with clients and proxies. */
  fastOpen?: boolean;
  /** Descriptors of listening sockets to go on with; the port's other sockets are opened. */
  listeners?: readonly number[];
  /** True keeps finished connections for `takeLog()`. */
  log?: boolean;
  /** False copies every byte. */
  splice?: boolean;
}

export type RelayOptions = FixedOptions & GenerationOptions;

const KEEPALIVE_IDLE_S = 120;
const KEEPALIVE_INTERVAL_S = 30;
/** What Node.js needs, the pages' clients, and files. */
const DESCRIPTOR_RESERVE = 96;
export const PIPES_PER_THREAD = 64;
/** For each thread: nearly a second's worth at ten thousand connections a second. */
const LOG_RECORDS = 8192;

export function encodeOptions(options: RelayOptions): Buffer {
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
    tcp_info: options.tcpInfo === false ? 0 : 1,
    pipes_per_thread: PIPES_PER_THREAD,
    log_records: options.log ? LOG_RECORDS : 0,
    descriptor_reserve: DESCRIPTOR_RESERVE,
    connect_timeout_ms: options.connectTimeoutMs,
    handshake_timeout_ms: options.handshakeTimeoutMs,
    idle_timeout_ms: options.idleTimeoutMs,
    half_close_timeout_ms: options.halfCloseTimeoutMs,
    keepalive_idle_s: KEEPALIVE_IDLE_S,
    client_keepalive_idle_s: options.clientKeepaliveS,
    keepalive_interval_s: KEEPALIVE_INTERVAL_S,
    splice: options.splice === false ? 0 : 1,
    strategy: strategyNumber(options.strategy ?? 'failover'),
    probe_answer: probeAnswers.indexOf(options.probe?.answer ?? 'none'),
    probe_interval_ms: options.probe?.intervalMs,
    probe_timeout_ms: options.probe?.timeoutMs,
  };
  for (const [name, offset] of Object.entries(optionOffset))
    buffer.writeUInt32LE(values[name as keyof typeof optionOffset] ?? 0, offset);
  if (options.address !== undefined)
    addressToBytes(options.address).copy(buffer, OPTION_ADDRESS_OFFSET);
  for (const target of options.probe?.targets ?? []) encodeProbe(target, buffer);
  return buffer;
}

/** @throws RangeError when it is to say too much. */
function encodeProbe(
  { address, port, request = Buffer.alloc(0) }: ProbeOptions['targets'][number],
  options: Buffer,
): void {
  if (request.length > PROBE_REQUEST)
    throw new RangeError(`a probe may say ${PROBE_REQUEST} bytes at most`);
  const start = OPTION_PROBE_OFFSET + (isIPv4(address) ? 0 : PROBE_SIZE);
  options.writeUInt32LE(port, start + probeOffset.port);
  options.writeUInt32LE(request.length, start + probeOffset.request_length);
  addressToBytes(address).copy(options, start + probeOffset.address);
  request.copy(options, start + probeOffset.request);
}

/** The slots of one relay, by name. */
export interface Names {
  upstreams: Slots;
  routes: Slots;
}

export const newNames = (): Names => ({
  upstreams: new Slots(UPSTREAM_SLOTS),
  routes: new Slots(ROUTE_SLOTS, [NO_ROUTE]),
});

/** Slots that a proposed generation takes once it is committed. */
export interface Proposal {
  upstreams: { names: string[]; slots: number[] };
  routes: { names: string[]; slots: number[] };
}

export interface EngineStatus {
  value(name: keyof typeof statusOffset): number;
  isBusyUpstream(slot: number): boolean;
  isBusyRoute(slot: number): boolean;
  isFailing(slot: number): boolean;
  /** It hangs up without a byte. */
  isSilent(slot: number): boolean;
  /** Probes found out that it does not carry this family. */
  isLacking(slot: number, family: Family): boolean;
  /** Newcomers of this family are accepted. */
  isListening(family: Family): boolean;
  /** They are not, for probes know that no upstream carries it. */
  isRefused(family: Family): boolean;
  /** Where it would not connect to. */
  forbiddenPorts(slot: number): number[];
  /** No address is known for its name. */
  isUnresolved(slot: number): boolean;
}

export function readStatus(handle: ffi.Handle): EngineStatus {
  const status = Buffer.alloc(STATUS_SIZE);
  ffi.readStatus(handle, status);
  const hasBit = (offset: number, bit: number) =>
    ((status.readUInt32LE(offset + 4 * Math.floor(bit / 32)) >>> (bit % 32)) & 1) === 1;
  return {
    value: (name) => status.readUInt32LE(statusOffset[name]),
    isBusyUpstream: (slot) => hasBit(statusOffset.busy_upstreams, slot),
    isBusyRoute: (slot) => hasBit(statusOffset.busy_routes, slot),
    isSilent: (slot) => hasBit(statusOffset.silent_upstreams, slot),
    isLacking: (slot, family) => hasBit(statusOffset[`lacking_${family}`], slot),
    isListening: (family) => hasBit(statusOffset.listening_families, FAMILIES.indexOf(family)),
    isRefused: (family) => hasBit(statusOffset.refused_families, FAMILIES.indexOf(family)),
    forbiddenPorts: (slot) => {
      const start = STATUS_FORBIDDEN_PORTS_OFFSET + 2 * FORBIDDEN_PORTS * slot;
      const ports = Array.from({ length: FORBIDDEN_PORTS }, (_, i) =>
        status.readUInt16LE(start + 2 * i),
      );
      return ports.filter((port) => port !== 0);
    },
    isUnresolved: (slot) => hasBit(statusOffset.unresolved_upstreams, slot),
    isFailing: (slot) => hasBit(statusOffset.failing_upstreams, slot),
  };
}

/** Finds every name its slot. @throws RelayError when there are too many. */
export function propose(
  names: Names,
  { upstreams = [DIRECT], routing = NO_ROUTES }: GenerationOptions,
  status: EngineStatus,
): Proposal {
  const upstreamNames = upstreams.map(({ name }) => name);
  const routeNames = routing.routes.map(({ name }) => name);
  return {
    upstreams: {
      names: upstreamNames,
      slots: names.upstreams.propose(upstreamNames, status.isBusyUpstream),
    },
    routes: {
      names: routeNames,
      slots: names.routes.propose(routeNames, status.isBusyRoute),
    },
  };
}

/** Slots that another name has had before. */
export const reusedSlots = (names: Names, { upstreams, routes }: Proposal) => ({
  upstreams: names.upstreams.reused(upstreams.names, upstreams.slots),
  routes: names.routes.reused(routes.names, routes.slots),
});

export function commitNames(names: Names, { upstreams, routes }: Proposal): void {
  names.upstreams.commit(upstreams.names, upstreams.slots);
  names.routes.commit(routes.names, routes.slots);
}

/** Into the generation that has been begun. Returns 0 or the -errno of what the engine refuses. */
export function fillGeneration(
  handle: ffi.Handle,
  { upstreams = [DIRECT], routing = NO_ROUTES, guard }: GenerationOptions,
  proposal: Proposal,
): number {
  for (const [i, upstream] of upstreams.entries()) {
    const buffer = encodeUpstream(upstream, proposal.upstreams.slots[i]!);
    const result = ffi.addUpstream(handle, buffer);
    buffer.fill(0);
    if (result !== 0) return result;
  }
  const refusal = guard ? ffi.setGuard(handle, encodeDestinations(guard)) : 0;
  if (refusal !== 0) return refusal;
  if (routing.routes.length === 0) return 0;
  const result = ffi.setDestinations(handle, encodeDestinations(routing.destinations));
  if (result !== 0) return result;
  for (const [i, route] of routing.routes.entries()) {
    const buffer = encodeRoute(route, proposal.routes.slots[i]!, proposal.upstreams.names);
    const refused = ffi.addRoute(handle, buffer);
    if (refused !== 0) return refused;
  }
  return 0;
}
