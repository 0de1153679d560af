/**
 * What a router knows of a server that it steers to, and what a server's heartbeat says of itself.
 * Both classifiers, the relay's pages and the command line name it, so it stands once, here.
 */

/** How the router judges a server: by its heartbeat, by its route alone, or never. */
export const HEALTH_MODES = ['heartbeat', 'route', 'none'] as const;
export type HealthMode = (typeof HEALTH_MODES)[number];

/** Why a server may not be given new flows; the index is the number in the heartbeat. */
export const HEARTBEAT_REASONS = {
  ok: 'it is fit',
  starting: 'it has just started',
  leaving: 'it is being stopped or drained',
  listener: 'its listener does not accept connections',
  threads: 'a thread of its relay does not turn',
  upstreams: 'none of its upstreams is up',
  descriptors: 'its relay has too few descriptors left',
  memory: 'its machine has too little memory left',
  check: 'the check of its program failed',
  port: "its program's port does not accept connections",
} as const;
export type HeartbeatReason = keyof typeof HEARTBEAT_REASONS;

/** In the order of their numbers. */
export const HEARTBEAT_REASON_NAMES = Object.keys(HEARTBEAT_REASONS) as HeartbeatReason[];

export const reasonNumber = (reason: HeartbeatReason): number =>
  HEARTBEAT_REASON_NAMES.indexOf(reason);

/** @returns undefined for a number of a newer version. */
export const reasonOfNumber = (number: number): HeartbeatReason | undefined =>
  HEARTBEAT_REASON_NAMES[number];

/** Bits of a heartbeat's flags. */
export const HEARTBEAT_FLAGS = {
  /** may be given new IPv4 flows */
  fit4: 1,
  /** may be given new IPv6 flows */
  fit6: 2,
  /** no new flows; live ones stay */
  leaving: 4,
} as const;

/** Where heartbeats go unless `health.port` says otherwise (UDP). */
export const HEARTBEAT_PORT = 9155;
/** A heartbeat comes from this port plus the number of its reason, where that port is free. */
export const HEARTBEAT_SOURCE_PORT = 9160;
/** From one heartbeat to the next: two may be lost before the router's time is over. */
export const HEARTBEAT_INTERVAL_MS = 500;
/** Without a heartbeat for so long a server is given no new flow. */
export const HEARTBEAT_ALIVE_MS = 2000;

/**
 * What becomes of new flows of one family. `alive`: it is given them. `held`: it came back too often
 * lately. `rising`: back, but not for long enough. `unfit`: it says so itself. `silent`: no heartbeat.
 * `unknown`: none so far and not believed in without, or the router does not listen for any.
 */
export const FAMILY_STATES = ['alive', 'held', 'rising', 'unfit', 'silent', 'unknown'] as const;
export type FamilyState = (typeof FAMILY_STATES)[number];

/** What was wrong with packets to the heartbeats' port. */
export const IGNORED_HEARTBEATS = ['tag', 'address', 'mac', 'replay', 'malformed'] as const;
export type IgnoredHeartbeat = (typeof IGNORED_HEARTBEATS)[number];

export interface ServerHealth {
  /** Its name in the configuration. */
  server: string;
  health: HealthMode;
  /** It is given no new flow because someone said so: `sidetrack drain`. */
  drained: boolean;
  /** A family that is not handed to it is absent. */
  families: { 4?: FamilyState; 6?: FamilyState };
  /** Since the last authentic heartbeat; absent where there was none. */
  lastHeardSeconds?: number;
  /** Since it was given flows without a break, as far as that is known. */
  aliveSeconds?: number;
  /** What it said last. */
  reason?: HeartbeatReason;
  /** Packets to the heartbeats' port that were dropped, by what was wrong. */
  ignored: Record<IgnoredHeartbeat, number>;
  /** Times that it was taken again after it had been lost, since the table or program was made. */
  returns?: number;
  /** Packets of its live flows that were answered with a reset, since it was silent for too long. */
  resets?: number;
}
