/** What one reading of the servers does not say: since when, how often one came back, what was ignored lately. */
import type { ServerHealthState, ServerStanding } from '../../monitoring/state.js';
import { familiesOf, isAlive } from '../../monitoring/web/servers.js';

/** What nft tells is whole seconds, so one moment may look like two. */
const SAME_SECONDS = 3;
const LATELY_SECONDS = 60;
/** Readings of the last minute that are remembered of a server. */
const KEPT_MOST = 70;

type Families = ServerHealthState['families'];

interface Sample {
  at: number;
  ignored: Readonly<Record<string, number>>;
}

interface Seen {
  families: Families;
  isAlive: boolean;
  /** Since when it is alive. */
  since: number | undefined;
  returns: number;
  samples: readonly Sample[];
}

export class ServerWatch {
  #seen: ReadonlyMap<string, Seen> = new Map();

  /** @param at Unix time of the reading. */
  next(at: number, servers: readonly ServerHealthState[]): ServerHealthState[] {
    const seen = new Map<string, Seen>();
    const told = servers.map((server) => {
      const now = follow(at, server, this.#seen.get(server.server));
      seen.set(server.server, now);
      const lately = latelyOf(at, server.ignored, now.samples);
      return {
        ...server,
        families: now.families,
        returns: server.returns ?? now.returns,
        ...(Object.keys(lately).length > 0 && { ignoredLately: lately }),
      };
    });
    this.#seen = seen;
    return told;
  }
}

function follow(at: number, server: ServerHealthState, before: Seen | undefined): Seen {
  const { ipv4, ipv6 } = server.families;
  const families: Families = {
    ...(ipv4 && { ipv4: standing(at, ipv4, before?.families.ipv4, before !== undefined) }),
    ...(ipv6 && { ipv6: standing(at, ipv6, before?.families.ipv6, before !== undefined) }),
  };
  const now = { families, isAlive: isAlive(server), since: aliveSince({ ...server, families }) };
  const samples = [
    ...(before?.samples ?? []).filter((one) => one.at > at - LATELY_SECONDS),
    { at, ignored: server.ignored },
  ].slice(-KEPT_MOST);
  return { ...now, returns: (before?.returns ?? 0) + Number(hasReturned(now, before)), samples };
}

/** Of the family that has been so for longest: one that comes later is no return. */
function aliveSince(server: ServerHealthState): number | undefined {
  const times = familiesOf(server).flatMap(([, { state, since }]) =>
    state === 'alive' || state === 'held' ? (since ?? []) : [],
  );
  return times.length === 0 ? undefined : Math.min(...times);
}

/** The router's own word first, and as it was said first; then when the change was seen. */
function standing(
  at: number,
  now: ServerStanding,
  before: ServerStanding | undefined,
  wasSeen: boolean,
): ServerStanding {
  const { state, since: told } = now;
  const known = before?.state === state ? before.since : undefined;
  if (told !== undefined) {
    const isSame = known !== undefined && Math.abs(known - told) <= SAME_SECONDS;
    return { state, since: isSame ? known : told };
  }
  const since = before?.state === state ? known : wasSeen ? at : undefined;
  return { state, ...(since !== undefined && { since }) };
}

/** Also when it was lost and came back between two readings: then it is alive since later than before. */
function hasReturned(now: Pick<Seen, 'isAlive' | 'since'>, before: Seen | undefined): boolean {
  if (before === undefined || !now.isAlive) return false;
  if (!before.isAlive) return true;
  return (
    before.since !== undefined && now.since !== undefined && now.since - before.since > SAME_SECONDS
  );
}

/** What counts less than before counts from nothing. */
function latelyOf(at: number, now: Readonly<Record<string, number>>, samples: readonly Sample[]) {
  const oldest = samples.find((one) => one.at >= at - LATELY_SECONDS)?.ignored ?? {};
  const moved = Object.entries(now).map(([reason, count]) => {
    const before = oldest[reason] ?? 0;
    return [reason, count >= before ? count - before : count] as const;
  });
  return Object.fromEntries(moved.filter(([, count]) => count > 0));
}
