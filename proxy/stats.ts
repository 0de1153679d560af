/** The engine's counter pages and records, decoded. */
import {
  counterOffset,
  HISTOGRAM_BUCKETS,
  histogramOffset,
  MODE_BYTES_OFFSET,
  MODE_CHANGES_OFFSET,
  modes,
  OUTCOME_COUNTERS_OFFSET,
  outcomes,
  RECORD_SIZE,
  ROUTE_COUNTERS_OFFSET,
  ROUTE_COUNTERS_SIZE,
  recordOffset,
  routeCounterOffset,
  UPSTREAM_COUNTERS_OFFSET,
  UPSTREAM_COUNTERS_SIZE,
  UPSTREAM_ERRORS_OFFSET,
  upstreamCounterOffset,
} from './abi.js';
import { formatEndpoint } from './address.js';
import type { Histogram } from './histogram.js';
import { FAMILIES, type Family } from './upstreams.js';

export type CounterName = keyof typeof counterOffset;
export type HistogramName = keyof typeof histogramOffset;
export type UpstreamCounterName = keyof typeof upstreamCounterOffset;
export type RouteCounterName = keyof typeof routeCounterOffset;
export type Outcome = (typeof outcomes)[number];
/** How bytes move: the list of the engine's modes. */
export type Mode = (typeof modes)[number];

export interface ModeStats {
  bytes: number;
  /** Directions that changed to it. */
  changes: number;
}

/** What has been done with one upstream. */
export interface UpstreamStats {
  name: string;
  /** How many it has now; absent for `direct`, which connects to its destinations. */
  addresses?: number;
  counters: Record<UpstreamCounterName, number>;
  /** Failed attempts, also those after which another upstream was tried. */
  errors: Record<Outcome, number>;
  /** False from a failure until the next success, and without an address. */
  up: boolean;
  /** It has failed so lately that it is not tried; without probes only the next client finds out more. */
  resting: boolean;
  /** False while the relay knows no address for its name. */
  resolved: boolean;
  /** It says yes and hangs up without a byte, too often. */
  silent: boolean;
  /** Families of addresses whose last probe failed. */
  lacking: Family[];
  /** Ports to which it would not connect, a few. */
  forbiddenPorts: number[];
}

/** What has been done by one route. */
export interface RouteStats {
  name: string;
  counters: Record<RouteCounterName, number>;
}

/** Sums over all threads since the start. */
export interface RelayStats {
  counters: Record<CounterName, number>;
  /** Of each thread, in order. */
  threads: { cpuSeconds: number }[];
  /** Bytes by how they moved. */
  modes: Record<Mode, ModeStats>;
  /** Connections by how they ended. */
  outcomes: Record<Outcome, number>;
  histograms: Record<HistogramName, Histogram>;
  /** Those of the configuration, and those that connections of earlier ones still use. */
  upstreams: UpstreamStats[];
  /** The same; the first is of connections that no route matched. */
  routes: RouteStats[];
  /** Families of addresses of which newcomers are accepted. */
  listening: Family[];
  /** Those of which they are refused, for probes know that no upstream carries them. */
  refused: Family[];
}

/** An accepted connection, as the engine remembers the last few thousand. */
export interface RecentConnection {
  id: number;
  acceptedAt: Date;
  client: string;
  originalDestination: string;
  outcome: Outcome;
  /** The one it goes through, or that was tried last; absent before that is known. */
  upstream?: string;
  /** The one that matched; `default` for none. */
  route?: string;
  /** Seconds; 0 while open, like the byte counts. */
  duration: number;
  uploadBytes: number;
  downloadBytes: number;
  /** Seconds until bytes could pass; absent when they never could. */
  connectTime?: number;
  /** Seconds from accept to the first byte from the upstream; absent when there was none. */
  firstByteTime?: number;
  /** Smoothed round trips at the end, seconds; absent while open or not asked for. */
  rtt?: { client?: number; upstream?: number };
  /** Segments sent again, by leg; absent while open. */
  retransmits?: { client: number; upstream: number };
}

/** Names by slot; those without one are not shown. */
export interface SlotNames {
  upstreams: readonly (string | undefined)[];
  routes: readonly (string | undefined)[];
}

/** What is known of upstreams, by slot, and what follows for all. */
export interface UpstreamHealth {
  isListening(family: Family): boolean;
  isRefused(family: Family): boolean;
  isFailing(slot: number): boolean;
  isResting(slot: number): boolean;
  isSilent(slot: number): boolean;
  isLacking(slot: number, family: Family): boolean;
  forbiddenPorts(slot: number): number[];
  isUnresolved(slot: number): boolean;
}

/** @param pages one counter page of each thread. */
export function sumStats(
  pages: readonly Buffer[],
  { upstreams, routes }: SlotNames,
  health: UpstreamHealth,
): RelayStats {
  const words = pages.map(wordsOf);
  const sum = (offset: number) => {
    let total = 0;
    for (const page of words) total += page[offset / 4]! + page[offset / 4 + 1]! * 2 ** 32;
    return total;
  };
  return {
    counters: mapValues(counterOffset, sum),
    threads: pages.map((page) => ({
      cpuSeconds: Number(page.readBigUInt64LE(counterOffset.cpu_us)) / 1e6,
    })),
    modes: byName(modes, (i) => ({
      bytes: sum(MODE_BYTES_OFFSET + 8 * i),
      changes: sum(MODE_CHANGES_OFFSET + 8 * i),
    })),
    outcomes: byName(outcomes, (i) => sum(OUTCOME_COUNTERS_OFFSET + 8 * i)),
    listening: FAMILIES.filter((family) => health.isListening(family)),
    refused: FAMILIES.filter((family) => health.isRefused(family)),
    histograms: mapValues(histogramOffset, (offset) => ({
      sum: sum(offset) / 1e6,
      buckets: sumBuckets(words, offset + 8),
    })),
    upstreams: upstreams.flatMap((name, i) => {
      if (name === undefined) return [];
      const start = UPSTREAM_COUNTERS_OFFSET + i * UPSTREAM_COUNTERS_SIZE;
      return {
        name,
        counters: mapValues(upstreamCounterOffset, (offset) => sum(start + offset)),
        errors: byName(outcomes, (outcome) => sum(start + UPSTREAM_ERRORS_OFFSET + 8 * outcome)),
        up: !health.isFailing(i) && !health.isUnresolved(i),
        resting: health.isResting(i),
        resolved: !health.isUnresolved(i),
        silent: health.isSilent(i),
        lacking: FAMILIES.filter((family) => health.isLacking(i, family)),
        forbiddenPorts: health.forbiddenPorts(i),
      };
    }),
    routes: routes.flatMap((name, i) => {
      if (name === undefined) return [];
      const start = ROUTE_COUNTERS_OFFSET + i * ROUTE_COUNTERS_SIZE;
      return { name, counters: mapValues(routeCounterOffset, (offset) => sum(start + offset)) };
    }),
  };
}

function sumBuckets(pages: readonly Uint32Array[], offset: number): number[] {
  const sums = new Array<number>(HISTOGRAM_BUCKETS).fill(0);
  for (const page of pages)
    for (let i = 0, at = offset / 4; i < HISTOGRAM_BUCKETS; i++, at += 2)
      sums[i]! += page[at]! + page[at + 1]! * 2 ** 32;
  return sums;
}

/** Ten thousand counters are read at a time: as halves, for a BigInt of each takes five times as long. */
function wordsOf(page: Buffer): Uint32Array {
  return new Uint32Array(page.buffer, page.byteOffset, page.length / 4);
}

/** One value for each name of a list of the engine, whose index is the engine's number. */
function byName<Name extends string, V>(names: readonly Name[], value: (index: number) => V) {
  return Object.fromEntries(names.map((name, i) => [name, value(i)])) as Record<Name, V>;
}

function mapValues<K extends string, V, W>(record: Readonly<Record<K, V>>, map: (value: V) => W) {
  const entries = Object.entries<V>(record).map(([key, value]) => [key, map(value)]);
  return Object.fromEntries(entries) as Record<K, W>;
}

/** @param page `count` records as the engine copied them. */
export function decodeRecords(page: Buffer, count: number, names: SlotNames): RecentConnection[] {
  return Array.from({ length: count }, (_, i) =>
    decodeRecord(page.subarray(i * RECORD_SIZE, (i + 1) * RECORD_SIZE), names),
  );
}

function decodeRecord(bytes: Buffer, { upstreams, routes }: SlotNames): RecentConnection {
  const number = (offset: number) => Number(bytes.readBigUInt64LE(offset));
  const endpoint = (address: number, port: number) =>
    formatEndpoint(bytes.subarray(address, address + 16), bytes.readUInt16LE(port));
  const upstream = upstreams[bytes.readUInt32LE(recordOffset.upstream)];
  const route = routes[bytes.readUInt32LE(recordOffset.route)];
  return {
    id: number(recordOffset.id),
    acceptedAt: new Date(number(recordOffset.accepted_ms)),
    client: endpoint(recordOffset.client, recordOffset.client_port),
    originalDestination: endpoint(recordOffset.destination, recordOffset.destination_port),
    outcome: outcomes[bytes.readUInt32LE(recordOffset.outcome)] ?? 'open',
    ...(upstream !== undefined && { upstream }),
    ...(route !== undefined && { route }),
    duration: number(recordOffset.duration_us) / 1e6,
    uploadBytes: number(recordOffset.upload_bytes),
    downloadBytes: number(recordOffset.download_bytes),
    ...decodeEnd(bytes),
  };
}

/** What is only known of a connection that has ended. */
function decodeEnd(bytes: Buffer): Partial<RecentConnection> {
  if (bytes.readUInt32LE(recordOffset.outcome) === outcomes.indexOf('open')) return {};
  const connectTime = Number(bytes.readBigUInt64LE(recordOffset.connect_us)) / 1e6;
  const firstByteTime = Number(bytes.readBigUInt64LE(recordOffset.first_byte_us)) / 1e6;
  const client = bytes.readUInt32LE(recordOffset.client_rtt_us) / 1e6;
  const upstream = bytes.readUInt32LE(recordOffset.upstream_rtt_us) / 1e6;
  return {
    ...(connectTime > 0 && { connectTime }),
    ...(firstByteTime > 0 && { firstByteTime }),
    ...(client > 0 && { rtt: { client, ...(upstream > 0 && { upstream }) } }),
    retransmits: {
      client: bytes.readUInt32LE(recordOffset.client_retransmitted),
      upstream: bytes.readUInt32LE(recordOffset.upstream_retransmitted),
    },
  };
}
