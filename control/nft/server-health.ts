/**
 * What the router knows of its servers, read from what nft lists of the table: sets that heartbeats fill, and
 * counters. The elements of these sets are no configuration: no plan and no digest has them. Pure.
 */
import {
  type FamilyState,
  HEARTBEAT_SOURCE_PORT,
  type HealthMode,
  type HeartbeatReason,
  type IgnoredHeartbeat,
  reasonOfNumber,
  type ServerHealth,
} from '../../bpf/server-health.js';
import { FAMILIES, type Family } from './flow-time.js';
import {
  ALIVE_SECONDS,
  aliveSet,
  HEARD_SECONDS,
  HEARD_SET,
  heldSet,
  isHealthSet,
  KEEP_SET,
  REASON_SET,
  riseSet,
  sinceSet,
} from './health-sets.js';
import { heartbeatComment, parseHeartbeatComment } from './heartbeats.js';
import type { ListedSet, TableListing } from './listing.js';

/** The sets to ask for, with their elements (`nft -j list set inet sidetrack NAME`); `rise` is `health.rise`. */
export function healthSetNames(rise: number): string[] {
  const steps = Array.from({ length: rise - 1 }, (_, i) => i + 1);
  return [
    ...FAMILIES.flatMap((family) => [
      aliveSet(family),
      heldSet(family),
      sinceSet(family),
      ...steps.map((count) => riseSet(family, count)),
    ]),
    KEEP_SET,
    HEARD_SET,
    REASON_SET,
  ];
}

/** A server as the configuration has it. */
export interface AskedServer {
  name: string;
  /** Value of its mark. */
  mark: number;
  families: readonly Family[];
  health: HealthMode;
  drained: boolean;
}

/** @param listing the table with the elements of the sets above, and its rules with their counters. */
export function serverHealth(
  listing: Pick<TableListing, 'sets' | 'chains'>,
  servers: readonly AskedServer[],
): ServerHealth[] {
  const known = listing.sets.filter(({ name }) => isHealthSet(name));
  const sets = new Map(known.map((set) => [set.name, leftOf(set)]));
  const left: Left = (set, mark) => sets.get(set)?.find((one) => one.mark === mark)?.seconds;
  const ignored = ignoredBy(listing);
  return servers.map((server) => {
    const { name, mark, families, health, drained } = server;
    const heard = left(HEARD_SET, mark);
    const lastHeardSeconds = heard === undefined ? undefined : Math.max(0, HEARD_SECONDS - heard);
    const states = families.map((family) => [family, stateOf(server, family, left, sets)] as const);
    const since = states.flatMap(([family, state]) =>
      state === 'alive' || state === 'held' ? (left(sinceSet(family), mark) ?? []) : [],
    );
    const reason = lastReason(sets.get(REASON_SET) ?? [], mark);
    return {
      server: name,
      health,
      drained,
      families: Object.fromEntries(states),
      ...(lastHeardSeconds !== undefined && { lastHeardSeconds }),
      ...(since.length > 0 && { aliveSeconds: Math.max(0, HEARD_SECONDS - Math.min(...since)) }),
      ...(reason !== undefined && { reason }),
      ignored: ignored(name),
    };
  });
}

/** Seconds until the set forgets the mark. */
type Left = (set: string, mark: number) => number | undefined;

interface Remembered {
  mark: number;
  port?: number;
  seconds: number;
}

/** nft rounds down. An element without a time-out is none of ours. */
function leftOf({ elements }: ListedSet): Remembered[] {
  return elements.flatMap((element) => {
    const { val, expires } =
      (element as { elem?: { val?: unknown; expires?: unknown } }).elem ?? {};
    const { concat = [val] } = (val ?? {}) as { concat?: unknown[] };
    const [mark, port] = concat;
    if (typeof mark !== 'number' || typeof expires !== 'number') return [];
    return [{ mark, ...(typeof port === 'number' && { port }), seconds: expires }];
  });
}

function stateOf(
  { mark, health }: AskedServer,
  family: Family,
  left: Left,
  sets: ReadonlyMap<string, unknown>,
): FamilyState {
  if (health !== 'heartbeat') return 'unknown';
  if (left(aliveSet(family), mark) !== undefined)
    return left(heldSet(family), mark) === undefined ? 'alive' : 'held';
  const rising = [...sets.keys()].some(
    (set) => set.startsWith(`rise${family}_`) && left(set, mark) !== undefined,
  );
  if (rising) return 'rising';
  const heard = left(HEARD_SET, mark);
  if (heard === undefined) return 'unknown';
  return HEARD_SECONDS - heard > ALIVE_SECONDS ? 'silent' : 'unfit';
}

/** Two in one second look alike: then what is wrong is said. */
function lastReason(said: readonly Remembered[], mark: number): HeartbeatReason | undefined {
  const [last] = said
    .filter((one) => one.mark === mark && one.port !== undefined)
    .toSorted((a, b) => b.seconds - a.seconds || b.port! - a.port!);
  return last && reasonOfNumber(last.port! - HEARTBEAT_SOURCE_PORT);
}

function ignoredBy({ chains }: Pick<TableListing, 'chains'>) {
  const counts = new Map<string, number>();
  for (const { comment, packets } of chains.flatMap(({ rules }) => rules)) {
    const { server, wrong } = (comment && parseHeartbeatComment(comment)) || {};
    if (server === undefined || wrong === undefined) continue;
    const key = heartbeatComment(server, wrong);
    counts.set(key, (counts.get(key) ?? 0) + packets);
  }
  return (server: string): Record<IgnoredHeartbeat, number> => {
    const of = (wrong: 'tag' | 'address' | 'mac' | 'malformed') =>
      counts.get(heartbeatComment(server, wrong)) ?? 0;
    return {
      tag: of('tag'),
      address: of('address'),
      mac: of('mac'),
      // nftables cannot tell a heartbeat that was sent again.
      replay: 0,
      malformed: of('malformed'),
    };
  };
}
