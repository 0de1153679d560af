/** `/connections.json`: open connections, or those that have ended, filtered and in order. */
import { z } from 'zod';
import { STATE_VERSION } from './state.js';

const amount = z.number().min(0);

const way = z.object({
  bytes: amount,
  /** Bytes a second between the last two looks at it; over the whole age before there were two. */
  rate: amount,
  /** While it is open: how the bytes move, whether they wait for a slow receiver, whether FIN was handed on. */
  mode: z.string().exactOptional(),
  stalled: z.boolean().exactOptional(),
  ended: z.boolean().exactOptional(),
});

const item = z.object({
  id: z.int().min(0),
  open: z.boolean(),
  /** Unix time in seconds. */
  acceptedAt: z.number(),
  /** Seconds since then; of one that has ended how long it lasted. */
  age: amount,
  /** Seconds since a byte moved, while it is open. */
  idle: amount.exactOptional(),
  /** `192.0.2.1:40000` or `[2001:db8::1]:40000` */
  client: z.string(),
  originalDestination: z.string(),
  upstream: z.string().exactOptional(),
  route: z.string().exactOptional(),
  /** What it is doing; of one that has ended how: see `sidetrack_relay_closed_total`. */
  state: z.string(),
  upload: way,
  download: way,
  /** Smoothed round trips in seconds, where measured. */
  rtt: z.object({ client: amount.exactOptional(), upstream: amount.exactOptional() }),
  /** Of one that has ended: seconds until bytes could pass, and until the first one came. */
  connectTime: amount.exactOptional(),
  firstByteTime: amount.exactOptional(),
  /** Of one that has ended: segments sent again, by leg. */
  retransmits: z.object({ client: amount, upstream: amount }).exactOptional(),
});

export const connectionPage = z.object({
  version: z.literal(STATE_VERSION),
  at: z.number(),
  /** How many there are, and how many of them the filter lets through; the page has a part of those. */
  all: z.int().min(0),
  matching: z.int().min(0),
  connections: z.array(item),
});

/** `POST /connections/close`: by number, or all open ones that a filter lets through, by the words of the page. */
export const closeByPage = z.union([
  z.strictObject({ ids: z.array(z.int().min(0)).min(1).max(1024) }),
  z.strictObject({
    filter: z.strictObject({
      q: z.string().exactOptional(),
      to: z.string().exactOptional(),
      client: z.string().exactOptional(),
      upstream: z.string().exactOptional(),
      route: z.string().exactOptional(),
    }),
  }),
]);

/** The answer: how many were still open and are closed now. */
export const closedByPage = z.object({
  version: z.literal(STATE_VERSION),
  closed: z.array(z.int().min(0)),
});

/** Longer ones are of no configuration of ours. */
const words = z.string().max(4000);

/** The exporter's `/why.json?client=…&to=…`: what the configuration makes of such a connection. */
export const ruleAnswer = z.object({
  version: z.literal(STATE_VERSION),
  /** The rule's name, or `default`; absent where none would hand it over (any more). */
  rule: words.exactOptional(),
  action: words,
  /** `sidetrack.yaml:12:5`, without its directory. */
  at: words.exactOptional(),
  /** One sentence for a person. */
  text: words,
});

/** `/why.json?id=…`: what of the configuration steered a connection here. */
export const why = ruleAnswer.extend({ id: z.int().min(0) });

export type ConnectionItem = z.output<typeof item>;
export type ConnectionPage = z.output<typeof connectionPage>;
export type CloseByPage = z.output<typeof closeByPage>;
export type RuleAnswer = z.output<typeof ruleAnswer>;
export type Why = z.output<typeof why>;
