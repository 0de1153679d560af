/** iperf3 as a measuring instrument: its command lines, and what its JSON says, of all versions from 3.1 on. */
import { z } from 'zod';
import { failureOf, type Iperf3Failure, iperf3Failure } from './iperf3-failure.js';
import { jsonDocuments } from './iperf3-json.js';

/** `both`: at the same time, which iperf3 calls bidirectional (3.7 and later). */
export type Direction = 'upload' | 'download' | 'both';

export interface ClientOptions {
  address: string;
  port: number;
  /** Whole seconds. */
  seconds: number;
  direction: Direction;
  /** At most `MOST_STREAMS`. */
  streams?: number;
  /** Bit/s of each stream; without a limit when absent. */
  rate?: number;
  /** Where `address` is a name. */
  family?: 4 | 6;
}

/** From about 55 streams on the results of one process do not fit into its own message to the other side. */
export const MOST_STREAMS = 50;

/** Until the control connection stands. */
const CONNECT_TIMEOUT_MS = 5000;

export function clientArgv(options: ClientOptions): string[] {
  const { address, port, seconds, direction, streams = 1, rate, family } = options;
  return [
    'iperf3',
    ...['--client', address, '--port', `${port}`, '--json'],
    ...['--time', `${seconds}`, '--parallel', `${streams}`],
    ...['--connect-timeout', `${CONNECT_TIMEOUT_MS}`],
    ...(direction === 'download' ? ['--reverse'] : []),
    ...(direction === 'both' ? ['--bidir'] : []),
    ...(rate === undefined ? [] : ['--bitrate', `${rate}`]),
    ...(family === undefined ? [] : [`-${family}`]),
  ];
}

/** A server of one process has one test at a time. */
export function serverArgv(port: number, { oneOff = false }: { oneOff?: boolean } = {}): string[] {
  return ['iperf3', '--server', '--port', `${port}`, ...(oneOff ? ['--one-off'] : [])];
}

/** Streams of each process, as even as they can be; each process needs a server, and a port, of its own. */
export function divideStreams(streams: number): number[] {
  const processes = Math.max(1, Math.ceil(streams / MOST_STREAMS));
  return Array.from({ length: processes }, (_, i) =>
    Math.floor((streams + processes - 1 - i) / processes),
  );
}

/** The bytes of one direction. */
export interface Transfer {
  sentBytes: number;
  receivedBytes: number;
  /** What arrived, by the receiver's clock. */
  bitsPerSecond: number;
  /** Absent where the sender's kernel does not say. */
  retransmits?: number;
}

export interface Iperf3Result {
  /** Of the client, such as `3.12`. */
  version: string;
  streams: number;
  upload?: Transfer;
  download?: Transfer;
  /** Microseconds, by the client's kernel (TCP_INFO); it knows those of what it sends alone. */
  rtt?: { min: number; mean: number; max: number };
  /** Percent of one core, of the iperf3 processes. */
  cpu: { client: number; server: number };
  congestion?: { sender?: string; receiver?: string };
}

export type Iperf3Outcome = { result: Iperf3Result } | { failure: Iperf3Failure };

const half = z.object({
  bytes: z.number().nonnegative(),
  start: z.number(),
  end: z.number(),
  retransmits: z.number().exactOptional(),
  min_rtt: z.number().exactOptional(),
  mean_rtt: z.number().exactOptional(),
  max_rtt: z.number().exactOptional(),
  /** The client sends. */
  sender: z.boolean().exactOptional(),
});
type Half = z.output<typeof half>;
const stream = z.object({ sender: half, receiver: half });

const document = z.object({
  start: z.object({
    version: z.string().exactOptional(),
    test_start: z.object({ reverse: z.number().exactOptional() }).exactOptional(),
  }),
  end: z.object({
    streams: z.array(stream).min(1),
    cpu_utilization_percent: z
      .object({ host_total: z.number(), remote_total: z.number() })
      .exactOptional(),
    sender_tcp_congestion: z.string().exactOptional(),
    receiver_tcp_congestion: z.string().exactOptional(),
  }),
});
const failed = z.object({ error: z.string() });

/** @param output of the client with --json, and what it said beside it */
export function readIperf3(output: {
  status: number;
  stdout: string;
  stderr: string;
}): Iperf3Outcome {
  const { documents, isCutOff } = jsonDocuments(output.stdout);
  for (const one of documents) {
    const error = failed.safeParse(one);
    if (error.success) return { failure: iperf3Failure(error.data.error) };
  }
  for (const one of documents) {
    const read = document.safeParse(one);
    if (read.success) return { result: resultOf(read.data) };
  }
  const said = output.stderr.trim() || `it ended with status ${output.status} and without results`;
  if (isCutOff) return { failure: failureOf('cut-off', `its JSON has no end; ${said}`) };
  return { failure: iperf3Failure(said) };
}

function resultOf({ start, end }: z.output<typeof document>): Iperf3Result {
  // Sums have keys that stand twice, or miss a direction; the streams are right in every version.
  const reverse = start.test_start?.reverse === 1;
  const isUpload = ({ sender }: z.output<typeof stream>) => sender.sender ?? !reverse;
  const up = end.streams.filter(isUpload);
  const down = end.streams.filter((one) => !isUpload(one));
  const rtt = rttOf(up.map(({ sender }) => sender));
  const { host_total = 0, remote_total = 0 } = end.cpu_utilization_percent ?? {};
  const { sender_tcp_congestion: sender, receiver_tcp_congestion: receiver } = end;
  const congestion = { ...(sender && { sender }), ...(receiver && { receiver }) };
  return {
    version: start.version?.replace(/^iperf /, '') ?? 'unknown',
    streams: end.streams.length,
    ...(up.length > 0 && { upload: transferOf(up) }),
    ...(down.length > 0 && { download: transferOf(down) }),
    ...(rtt && { rtt }),
    cpu: { client: host_total, server: remote_total },
    ...((sender || receiver) && { congestion }),
  };
}

const sum = (values: readonly number[]) => values.reduce((total, one) => total + one, 0);

function transferOf(streams: readonly z.output<typeof stream>[]): Transfer {
  const retransmits = streams.flatMap(({ sender }) => sender.retransmits ?? []);
  return {
    sentBytes: sum(streams.map(({ sender }) => sender.bytes)),
    receivedBytes: sum(streams.map(({ receiver }) => receiver.bytes)),
    bitsPerSecond: sum(streams.map(({ receiver }) => rateOf(receiver))),
    ...(retransmits.length > 0 && { retransmits: sum(retransmits) }),
  };
}

const BITS = 8;

const rateOf = ({ bytes, start, end }: Half) => (end > start ? (bytes * BITS) / (end - start) : 0);

/** A kernel that does not say, says 0. */
function rttOf(senders: readonly Half[]): Iperf3Result['rtt'] {
  const known = senders.filter(({ mean_rtt = 0 }) => mean_rtt > 0);
  if (known.length === 0) return undefined;
  return {
    min: Math.min(...known.map(({ min_rtt = 0 }) => min_rtt)),
    mean: sum(known.map(({ mean_rtt = 0 }) => mean_rtt)) / known.length,
    max: Math.max(...known.map(({ max_rtt = 0 }) => max_rtt)),
  };
}

/** Processes that ran at the same time, as if they were one. @throws RangeError on an empty list */
export function sumResults(results: readonly Iperf3Result[]): Iperf3Result {
  const [first] = results;
  if (first === undefined) throw new RangeError('no results');
  const up = results.flatMap(({ upload }) => upload ?? []);
  const down = results.flatMap(({ download }) => download ?? []);
  const rtts = results.flatMap(({ rtt }) => rtt ?? []);
  return {
    version: first.version,
    streams: sum(results.map(({ streams }) => streams)),
    ...(up.length > 0 && { upload: sumTransfers(up) }),
    ...(down.length > 0 && { download: sumTransfers(down) }),
    ...(rtts.length > 0 && {
      rtt: {
        min: Math.min(...rtts.map(({ min }) => min)),
        mean: sum(rtts.map(({ mean }) => mean)) / rtts.length,
        max: Math.max(...rtts.map(({ max }) => max)),
      },
    }),
    cpu: {
      client: sum(results.map(({ cpu }) => cpu.client)),
      server: sum(results.map(({ cpu }) => cpu.server)),
    },
    ...(first.congestion && { congestion: first.congestion }),
  };
}

function sumTransfers(all: readonly Transfer[]): Transfer {
  const retransmits = all.flatMap((one) => one.retransmits ?? []);
  return {
    sentBytes: sum(all.map((one) => one.sentBytes)),
    receivedBytes: sum(all.map((one) => one.receivedBytes)),
    bitsPerSecond: sum(all.map((one) => one.bitsPerSecond)),
    ...(retransmits.length > 0 && { retransmits: sum(retransmits) }),
  };
}
