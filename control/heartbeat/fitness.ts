/** Whether a server may be given new flows, by what it finds of itself. Pure. */
import { HEARTBEAT_REASONS, type HeartbeatReason } from '../../bpf/server-health.js';

export type FitFamily = 'ipv4' | 'ipv6';
export const FIT_FAMILIES = ['ipv4', 'ipv6'] as const;

export interface Fitness {
  /** Families of which new flows are taken. */
  fit: readonly FitFamily[];
  reason: HeartbeatReason;
}

/** What was found of a relay. Times are milliseconds. */
export interface RelayFacts {
  /** Families that the server has an address of, so that the router hands them over. */
  families: readonly FitFamily[];
  /** For so long a thread has not turned its loop. */
  hangingMs: number;
  /** For so long no connection to itself was accepted; undefined where none could be made. */
  notAcceptingMs: number | undefined;
  /**
   * So long ago it last had as many connections as it may: it pauses then by intention, and its own
   * connection waits with those of clients. Undefined where it never had.
   */
  sinceFullMs?: number | undefined;
  /** Families of which newcomers are accepted. */
  listening: readonly FitFamily[];
  upstreams: readonly UpstreamFacts[];
  descriptors?: { used: number; limit?: number };
  /** Bytes of the machine. */
  memory?: { available: number; total: number };
  /** Accepting has paused since the last look, because these were used up. */
  paused: readonly ('descriptors' | 'memory')[];
}

export interface UpstreamFacts {
  up: boolean;
  /** Families that it is configured to carry. */
  carries: readonly FitFamily[];
  /** Families of which its last probe failed. */
  lacking: readonly FitFamily[];
}

/** A thread turns at every event, and twice a second when it is idle. */
export const HANGING_MS = 1000;
export const NOT_ACCEPTING_MS = 1000;
/** What a relay needs for probes, pages and files, or a sixteenth of a small limit. */
const DESCRIPTORS_LEFT = 64;
const DESCRIPTORS_SHARE = 16;
/** Or a thirty-second of a small machine. */
const MEMORY_LEFT = 32 << 20;
const MEMORY_SHARE = 32;

export const unfit = (reason: HeartbeatReason): Fitness => ({ fit: [], reason });

export function relayFitness(facts: RelayFacts): Fitness {
  const reason = whyNone(facts);
  if (reason !== undefined) return unfit(reason);
  const fit = facts.families.filter((family) => isCarried(family, facts));
  // Of a family that no upstream carries, and the relay therefore refuses, this is why.
  return { fit, reason: fit.length === facts.families.length ? 'ok' : 'upstreams' };
}

/** The first is what the others may follow from. */
function whyNone(facts: RelayFacts): HeartbeatReason | undefined {
  const { hangingMs, paused } = facts;
  if (hangingMs >= HANGING_MS) return 'threads';
  if (paused.includes('descriptors') || fewDescriptors(facts)) return 'descriptors';
  if (paused.includes('memory') || littleMemory(facts)) return 'memory';
  if (doesNotAccept(facts)) return 'listener';
  return undefined;
}

/** Busy is not broken: who has been full has as long again to accept what waits. */
function doesNotAccept({ notAcceptingMs, sinceFullMs = Infinity }: RelayFacts): boolean {
  if (notAcceptingMs === undefined) return false;
  return Math.min(notAcceptingMs, sinceFullMs) >= NOT_ACCEPTING_MS;
}

const isCarried = (family: FitFamily, { listening, upstreams }: RelayFacts): boolean =>
  listening.includes(family) &&
  upstreams.some(
    ({ up, carries, lacking }) => up && carries.includes(family) && !lacking.includes(family),
  );

function fewDescriptors({ descriptors }: RelayFacts): boolean {
  const { used, limit } = descriptors ?? {};
  if (used === undefined || limit === undefined) return false;
  return limit - used < Math.min(DESCRIPTORS_LEFT, limit / DESCRIPTORS_SHARE);
}

function littleMemory({ memory }: RelayFacts): boolean {
  if (memory === undefined) return false;
  return memory.available < Math.min(MEMORY_LEFT, memory.total / MEMORY_SHARE);
}

/** What was found of a program that is not ours: by family whether its port accepts, and what a check says. */
export interface ProgramFacts {
  families: readonly FitFamily[];
  accepting: readonly FitFamily[];
  /** Undefined where none is configured. */
  check: boolean | undefined;
}

export function programFitness({ families, accepting, check }: ProgramFacts): Fitness {
  if (check === false) return unfit('check');
  const fit = families.filter((family) => accepting.includes(family));
  return { fit, reason: fit.length === families.length ? 'ok' : 'port' };
}

export const sameFitness = (a: Fitness, b: Fitness): boolean =>
  a.reason === b.reason &&
  a.fit.length === b.fit.length &&
  a.fit.every((one) => b.fit.includes(one));

const NAMES = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;

/** `fit for IPv4 and IPv6`, `fit for IPv4 alone: none of its upstreams is up (upstreams)`. */
export function fitnessText({ fit, reason }: Fitness): string {
  const names = fit.map((family) => NAMES[family]).join(' and ');
  if (reason === 'ok') return `fit for ${names}`;
  const why = `${HEARTBEAT_REASONS[reason]} (${reason})`;
  return fit.length > 0 ? `fit for ${names} alone: ${why}` : `not fit: ${why}`;
}
