/**
 * What `sidetrack bpf show --json` and `sidetrack bpf stats --json` print: one shape for those who write
 * it and those who read it, also from another version of sidetrack.
 */
import { z } from 'zod';
import {
  FAMILY_STATES,
  HEALTH_MODES,
  HEARTBEAT_REASONS,
  type HeartbeatReason,
} from './server-health.js';

/** Raised when what is there already changes its meaning; what is new may be absent. */
export const REPORT_VERSION = 1;

/** Before there were versions the shape was the same. */
const version = z.literal(REPORT_VERSION).exactOptional();
const count = z.number().min(0);
const ofFamilies = z.object({ v4: count, v6: count });

const filter = z.enum(['attached', 'missing', 'other']);
const familyState = z.enum(FAMILY_STATES);
const reasons = Object.keys(HEARTBEAT_REASONS) as [HeartbeatReason, ...HeartbeatReason[]];

/** A `ServerHealth`. */
const server = z.object({
  server: z.string(),
  health: z.enum(HEALTH_MODES),
  drained: z.boolean(),
  families: z.object({ 4: familyState.exactOptional(), 6: familyState.exactOptional() }),
  lastHeardSeconds: count.exactOptional(),
  aliveSeconds: count.exactOptional(),
  reason: z.enum(reasons).exactOptional(),
  ignored: z.object({ tag: count, address: count, mac: count, replay: count, malformed: count }),
});

export const classifierState = z.object({
  version,
  /** Id of the program set in force. */
  program: count.optional(),
  interfaces: z.array(
    z.object({
      name: z.string(),
      /** `other`: another program is attached than that of the program set in force. */
      filter,
    }),
  ),
  /** Interfaces where only heartbeats are heard; absent: there are none. */
  listening: z.array(z.object({ name: z.string(), filter })).exactOptional(),
  /** What is steered to, and whether it is fit; absent in an older version. */
  servers: z.array(server).exactOptional(),
  /** Devices with the XDP program, or that should have it; absent if redirect goes without it. */
  xdp: z
    .array(z.object({ name: z.string(), mode: z.enum(['native', 'generic', 'missing', 'other']) }))
    .exactOptional(),
  /** The port to which XDP sends, and the one on which the bridge heard the server instead. */
  serverMoved: z.object({ from: z.string(), to: z.string() }).exactOptional(),
  /** Room for flows. */
  flowTable: ofFamilies.optional(),
  /** Flows in it, those that are too old among them. */
  flows: ofFamilies,
  /** Those that are not. */
  liveFlows: ofFamilies.exactOptional(),
  /** Numbers of the targets that they go to. */
  liveTargets: z.array(count).exactOptional(),
  /** Clients that were over their share lately, and how many flows they have. */
  overShare: z.array(z.object({ client: z.string(), flows: count })).exactOptional(),
  /** As `attachClassifier` got it; nothing where an attach ended half-way. */
  digest: z.string().optional(),
  /** Whether the program is another than the one that `attachClassifier` would load now. */
  outdated: z.boolean(),
});

export type ClassifierState = z.output<typeof classifierState>;

const counter = z.object({ packets: count, bytes: count });

/** Another version may count more, or other things: what is read has a name here. */
export const classifierCounters = z.object({
  version,
  outcomes: z
    .object({ marked: counter, redirected: counter, embedded_v4: counter })
    .catchall(counter),
  events: z
    .object({ on_failure: count, over_share: count, table_full: count, no_route: count })
    .catchall(count),
  rules: z.array(counter.extend({ name: z.string() })),
  /** As in the state; absent in an older version. */
  servers: z.array(server).exactOptional(),
});

/** The part of the counters that a status shows. */
export type ClassifierCounters = z.output<typeof classifierCounters>;
