/** What a relay finds of itself, for its heartbeats. */
import { readFileSync } from 'node:fs';
import { descriptorLimit, openDescriptors } from '../../../monitoring/descriptors.js';
import type { Relay } from '../../../proxy/relay.js';
import type { RelayStats } from '../../../proxy/stats.js';
import type { RelayConfig, ServerConfig } from '../../config/config.js';
import {
  FIT_FAMILIES,
  type FitFamily,
  type RelayFacts,
  relayFitness,
  type UpstreamFacts,
} from '../../heartbeat/fitness.js';
import type { Judge } from '../heartbeat/beats.js';

export interface RelayJudge extends Judge {
  /** Like `relay.hangingThreads() === 0`, which tells only the first who asks. */
  threadsTurn(): boolean;
  /**
   * While another process accepts from the same sockets no connection to ourselves is made, for it would
   * take that for a client's: whether we accept is as it was found before. All else is judged as ever.
   */
  holdBack(on: boolean): void;
}

type Watched = Pick<Relay, 'hangingThreads'>;
type Judged = Watched & Pick<Relay, 'notAccepting' | 'stats' | 'active' | 'maxConnections'>;

/** No heartbeats are sent, which ask more often. */
const STALE_MS = 2000;

/** @param config the one in force. */
export function relayJudge(
  relay: Judged,
  config: () => { relay: RelayConfig },
  server: Pick<ServerConfig, 'address'>,
): RelayJudge {
  const threads = threadWatch(relay);
  let isHeldBack = false;
  /** It has accepted a connection of its own. */
  let isKnown = false;
  let notAcceptingMs: number | undefined;
  let fullAt: number | undefined;
  let paused: Pauses | undefined;
  return {
    judge() {
      const hangingMs = threads.hangingMs();
      const stats = relay.stats();
      const before = paused ?? pausesOf(stats);
      paused = pausesOf(stats);
      const hasPausedFor = (one: keyof Pauses) => paused![one] > before[one];
      const isFull = hasPausedFor('connections') || relay.active() >= relay.maxConnections;
      const now = performance.now();
      if (isFull) fullAt = now;
      if (!isHeldBack) {
        notAcceptingMs = relay.notAccepting();
        // Who is full has accepted so many.
        isKnown ||= notAcceptingMs === undefined || notAcceptingMs === 0 || isFull;
      }
      if (!isKnown) return undefined;
      return relayFitness({
        families: familiesOf(server),
        hangingMs,
        notAcceptingMs,
        sinceFullMs: fullAt === undefined ? undefined : now - fullAt,
        listening: stats.listening,
        upstreams: upstreamFacts(stats, config().relay),
        ...descriptorsLeft(stats),
        ...memoryLeft(),
        paused: (['descriptors', 'memory'] as const).filter(hasPausedFor),
      });
    },
    rest() {
      relay.notAccepting(false);
      isKnown = false;
    },
    threadsTurn: () => threads.turn(),
    holdBack(on) {
      isHeldBack = on;
      if (on) relay.notAccepting(false);
    },
  };
}

/** How often accepting has paused, by what was used up. */
type Pauses = Record<'descriptors' | 'memory' | 'connections', number>;

const pausesOf = ({ counters }: RelayStats): Pauses => ({
  descriptors: counters.paused_descriptors,
  memory: counters.paused_memory,
  connections: counters.paused_connections,
});

/** Each answer is about the time since the last question, whoever asked that. */
function threadWatch(relay: Watched) {
  const never = Number.NEGATIVE_INFINITY;
  const asked = { ever: never, byJudge: never, byManager: never };
  let hangingSince: number | undefined;
  const ask = (now: number) => {
    const hanging = relay.hangingThreads() > 0;
    if (!hanging) hangingSince = undefined;
    // What was asked then is still unanswered.
    else hangingSince ??= Number.isFinite(asked.ever) ? asked.ever : now;
    asked.ever = now;
  };
  return {
    hangingMs: () => {
      const now = performance.now();
      asked.byJudge = now;
      ask(now);
      return hangingSince === undefined ? 0 : now - hangingSince;
    },
    /** Since this was asked last. */
    turn: () => {
      const [now, before] = [performance.now(), asked.byManager];
      asked.byManager = now;
      if (now - asked.byJudge > STALE_MS) {
        ask(now);
        return hangingSince === undefined;
      }
      return hangingSince === undefined || hangingSince > before;
    },
  };
}

export const familiesOf = ({ address }: Pick<ServerConfig, 'address'>): FitFamily[] =>
  FIT_FAMILIES.filter((family) => address[family === 'ipv4' ? 'v4' : 'v6'] !== undefined);

/** Without probes only a client finds out that one is back, so one is given to it when the backoff is over. */
function upstreamFacts(
  { upstreams }: RelayStats,
  { upstreams: configured, probe }: RelayConfig,
): UpstreamFacts[] {
  if (configured.length === 0) return [{ up: true, carries: FIT_FAMILIES, lacking: [] }];
  return configured.flatMap(({ name, families = FIT_FAMILIES }) => {
    const found = upstreams.find((one) => one.name === name);
    if (found === undefined) return [];
    const { up, resting, resolved, lacking } = found;
    const isUp = probe === undefined ? resolved && !resting : up;
    return [{ up: isUp, carries: families, lacking }];
  });
}

function descriptorsLeft({ counters }: RelayStats): Pick<RelayFacts, 'descriptors'> {
  const [used, limit] = [openDescriptors(counters), descriptorLimit()];
  if (used === undefined) return {};
  return { descriptors: { used, ...(limit !== undefined && { limit }) } };
}

/** @param root where /proc is, for tests. */
export function memoryLeft(root = '/proc'): Pick<RelayFacts, 'memory'> {
  try {
    const text = readFileSync(`${root}/meminfo`, 'utf8');
    const bytes = (name: string) =>
      1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]);
    const memory = { available: bytes('MemAvailable'), total: bytes('MemTotal') };
    return Number.isNaN(memory.available + memory.total) ? {} : { memory };
  } catch {
    return {};
  }
}
