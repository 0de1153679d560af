/** The engine's counter pages and records, decoded. */
import {
  counterOffset,
  HISTOGRAM_BUCKETS,
  histogramOffset,
  OUTCOME_COUNTERS_OFFSET,
  outcomes,
  RECORD_SIZE,
  recordOffset,
} from './abi.js';
import { formatEndpoint } from './address.js';
import type { Histogram } from './histogram.js';

export type CounterName = keyof typeof counterOffset;
export type HistogramName = keyof typeof histogramOffset;
export type Outcome = (typeof outcomes)[number];

/** Sums over all threads since the start. */
export interface RelayStats {
  counters: Record<CounterName, number>;
  /** Connections by how they ended. */
  outcomes: Record<Outcome, number>;
  histograms: Record<HistogramName, Histogram>;
}

/** An accepted connection, as the engine remembers the last few hundred. */
export interface RecentConnection {
  id: number;
  acceptedAt: Date;
  client: string;
  originalDestination: string;
  outcome: Outcome;
  /** Seconds; 0 while open, like the byte counts. */
  duration: number;
  uploadBytes: number;
  downloadBytes: number;
}

/** @param pages one counter page of each thread. */
export function sumStats(pages: readonly Buffer[]): RelayStats {
  const sum = (offset: number) =>
    pages.reduce((total, page) => total + Number(page.readBigUInt64LE(offset)), 0);
  return {
    counters: mapValues(counterOffset, sum),
    outcomes: Object.fromEntries(
      outcomes.map((name, i) => [name, sum(OUTCOME_COUNTERS_OFFSET + 8 * i)]),
    ) as Record<Outcome, number>,
    histograms: mapValues(histogramOffset, (offset) => ({
      sum: sum(offset) / 1e6,
      buckets: Array.from({ length: HISTOGRAM_BUCKETS }, (_, i) => sum(offset + 8 * (i + 1))),
    })),
  };
}

function mapValues<K extends string, V, W>(record: Readonly<Record<K, V>>, map: (value: V) => W) {
  const entries = Object.entries<V>(record).map(([key, value]) => [key, map(value)]);
  return Object.fromEntries(entries) as Record<K, W>;
}

/** @param page `count` records as the engine copied them. */
export function decodeRecords(page: Buffer, count: number): RecentConnection[] {
  return Array.from({ length: count }, (_, i) =>
    decodeRecord(page.subarray(i * RECORD_SIZE, (i + 1) * RECORD_SIZE)),
  );
}

function decodeRecord(bytes: Buffer): RecentConnection {
  const number = (offset: number) => Number(bytes.readBigUInt64LE(offset));
  const endpoint = (address: number, port: number) =>
    formatEndpoint(bytes.subarray(address, address + 16), bytes.readUInt16LE(port));
  return {
    id: number(recordOffset.id),
    acceptedAt: new Date(number(recordOffset.accepted_ms)),
    client: endpoint(recordOffset.client, recordOffset.client_port),
    originalDestination: endpoint(recordOffset.destination, recordOffset.destination_port),
    outcome: outcomes[bytes.readUInt32LE(recordOffset.outcome)] ?? 'open',
    duration: number(recordOffset.duration_us) / 1e6,
    uploadBytes: number(recordOffset.upload_bytes),
    downloadBytes: number(recordOffset.download_bytes),
  };
}
