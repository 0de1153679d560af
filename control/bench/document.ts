/** What a benchmark has measured, as it is printed with --json, and read again by --compare. */
import { z } from 'zod';
import { readContract } from '../contract.js';
import { SidetrackError } from '../error.js';
import { ORDERS } from './schedule.js';

export const BENCH_VERSION = 1;

const text = z.string().max(2000);
/** No file of ours has more; one that has is not read to its end in vain. */
const MOST_ENTRIES = 100_000;
const list = <T extends z.ZodType>(of: T) => z.array(of).max(MOST_ENTRIES);

/** A machine that took part. */
const machine = z.object({
  /** `client`, `server`, `router`, or the name of a server of the configuration. */
  name: text,
  /** As it was given, such as `ssh://root@192.168.1.1`. */
  address: text,
  kernel: text.exactOptional(),
  cpu: text.exactOptional(),
  cores: z.number().exactOptional(),
  iperf3: text.exactOptional(),
  congestion: text.exactOptional(),
  /** Of the interface towards the other side. */
  device: text.exactOptional(),
  mtu: z.number().exactOptional(),
  offloads: list(text).exactOptional(),
  /** The number of its boot: two names with the same one share a kernel, and its processors. */
  boot: text.exactOptional(),
});
export type Machine = z.output<typeof machine>;

const family = z.union([z.literal(4), z.literal(6)]);

const test = z.object({
  /** Such as `download-4` or `parallel-6`. */
  name: text,
  kind: z.enum(['bulk', 'latency', 'connections']),
  family,
  direction: z.enum(['upload', 'download']).exactOptional(),
  streams: z.int().positive().exactOptional(),
  /** Small requests go beside it. */
  probed: z.boolean(),
  seconds: z.int().positive(),
});
export type Test = z.output<typeof test>;

const variant = z.object({ name: text, description: text });
export type Variant = z.output<typeof variant>;

const figures = z.object({
  /** What arrived. */
  bitsPerSecond: z.number().exactOptional(),
  sentBytes: z.number().exactOptional(),
  receivedBytes: z.number().exactOptional(),
  retransmits: z.number().exactOptional(),
  /** Microseconds: of the sender's kernel (TCP_INFO), so to a relay that stands between, not through it. */
  rtt: z.number().exactOptional(),
  /** Microseconds of a small request and its answer, from end to end. */
  latencyP50: z.number().exactOptional(),
  latencyP99: z.number().exactOptional(),
  connectionsPerSecond: z.number().exactOptional(),
  connectP50: z.number().exactOptional(),
  /** Requests or connections without an answer. */
  failures: z.number().exactOptional(),
  /** Seconds of processor time of the relay's process, for each gigabyte. */
  relayPerGigabyte: z.number().exactOptional(),
});
export type Figures = z.output<typeof figures>;
export type FigureName = keyof Figures;

const run = z.object({
  round: z.int().nonnegative(),
  test: text,
  variant: text,
  /** ISO 8601. */
  at: text,
  figures,
  /** Seconds in which processors of a machine were busy, by its name. */
  busy: z.record(text, z.number()),
  /** Why there are no figures. */
  problem: text.exactOptional(),
});
export type Run = z.output<typeof run>;

const benchDocument = z.object({
  version: z.literal(BENCH_VERSION),
  sidetrack: text,
  at: text,
  /** It was ended before its end. */
  interrupted: z.boolean(),
  settings: z.object({
    runs: z.int().positive(),
    seconds: z.int().positive(),
    order: z.enum(ORDERS),
    seed: z.number(),
  }),
  machines: list(machine),
  /** How latency was measured, or why it was not. */
  prober: text,
  variants: list(variant),
  tests: list(test),
  runs: list(run),
  /** What a reader of the figures has to know. */
  notes: list(text),
});
export type BenchDocument = z.output<typeof benchDocument>;

/** @throws SidetrackError `bench-file` where it is none that can be read */
export function parseBenchDocument(path: string, content: string): BenchDocument {
  const read = readContract(content, benchDocument);
  if ('value' in read) return read.value;
  const isCutOff = read.problem === 'it is no JSON' && content.trimStart().startsWith('{');
  const problem = isCutOff ? 'its JSON has no end; was the file cut off?' : read.problem;
  throw new SidetrackError(`${path} is no result of sidetrack bench: ${problem}`, {
    code: 'bench-file',
    source: 'user',
    hint: read.isVersion
      ? 'compare results of the same version: measure both with one sidetrack'
      : 'make one with: sidetrack bench … --json > FILE',
  });
}

/** Runs that count: not those that warm up, and not those that failed. */
export const counted = (document: BenchDocument, test: string, variant: string): Run[] =>
  document.runs.filter(
    (one) =>
      one.round > 0 && one.problem === undefined && one.test === test && one.variant === variant,
  );
