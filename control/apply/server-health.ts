/** What the router knows of the servers, asked of either classifier and told in one shape. */
import type { ServerHealthState, ServerStanding } from '../../monitoring/state.js';
import { parseJson } from '../command/answer.js';
import { type Query, query } from '../command/query.js';
import type { Config } from '../config/config.js';
import type { ServerHealth } from '../heartbeat/server-health.js';
import type { ListedSet, TableListing } from '../nft/listing.js';
import { nftAnswer, tableListing } from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';
import { healthSetNames, serverHealth } from '../nft/server-health.js';
import type { Family } from '../plan/state.js';
import type { Target } from '../plan/targets.js';

/** nft 1.0.6 prints one set at a time, and reads no others for it. One that is not there says nothing. */
const LIST =
  'table=$1; shift; for set; do nft -j list set inet "$table" "$set" 2>/dev/null; done; :';

const nothing: Query<ListedSet[]> = { commands: [], parse: () => [] };

/** The sets that heartbeats fill, with their elements. */
export function healthSetsQuery({ router, servers, health }: Config): Query<ListedSet[]> {
  const listens = servers.some((one) => one.health === 'heartbeat');
  if (router.classifier !== 'nftables' || !listens) return nothing;
  const argv = ['sh', '-c', LIST, 'sh', TABLE_NAME, ...healthSetNames(health.rise)];
  return query({ argv, purpose: 'reading what heartbeats said' }, ({ host, command, result }) =>
    result.stdout
      .split('\n')
      .filter((line) => line !== '')
      .flatMap((line) => tableListing(parseJson(host, command, line, nftAnswer)).sets),
  );
}

/** A target as the pages name it. */
export type ShownTarget = Pick<
  Target,
  'number' | 'name' | 'mark' | 'health' | 'drained' | 'weight' | 'backup'
> & { hops: readonly { family: Family }[] };

export interface Heard {
  targets: readonly ShownTarget[];
  /** Of the nftables classifier. */
  listing?: Pick<TableListing, 'sets' | 'chains'> | undefined;
  /** Of the eBPF classifier, which knows them itself. */
  servers?: readonly ServerHealth[] | undefined;
}

/** What `bpf show` or `bpf stats` say of them; a program of an earlier version says nothing. */
export function serversIn(report: object | undefined): readonly ServerHealth[] | undefined {
  if (report === undefined || !('servers' in report)) return undefined;
  return Array.isArray(report.servers) ? report.servers : undefined;
}

export function knownServers({ targets, listing, servers }: Heard): ServerHealth[] {
  if (servers !== undefined) return [...servers];
  const asked = targets.map(({ name, mark, hops, health, drained }) => ({
    ...{ name, health, drained, mark: mark.value },
    families: hops.map(({ family }) => family),
  }));
  return serverHealth(listing ?? { sets: [], chains: [] }, asked);
}

export interface Counts {
  steered?: { packets: number; bytes?: number } | undefined;
  flows?: number | undefined;
  resets?: number | undefined;
}

export interface Surroundings {
  /** Unix time of the reading. */
  at: number;
  /** Whether the policy route is there. */
  hasRoute: (server: string, family: Family) => boolean;
  countsOf?: (target: ShownTarget) => Counts;
}

/** In the order of the targets. */
export function serverStates(
  targets: readonly ShownTarget[],
  known: readonly ServerHealth[],
  around: Surroundings,
): ServerHealthState[] {
  return targets.flatMap((target) => {
    const found = known.find(({ server }) => server === target.name);
    return found === undefined ? [] : [stateOf(target, found, around)];
  });
}

function stateOf(
  target: ShownTarget,
  known: ServerHealth,
  { at, hasRoute, countsOf }: Surroundings,
): ServerHealthState {
  const { lastHeardSeconds, reason, returns } = known;
  const lastHeard = lastHeardSeconds === undefined ? undefined : at - lastHeardSeconds;
  const { steered, flows, resets = known.resets } = countsOf?.(target) ?? {};
  const judged = target.hops.map(({ family }): [string, ServerStanding] => [
    `ipv${family}`,
    target.health === 'heartbeat'
      ? standingOf(known, family, at, lastHeard)
      : { state: isTaken(target, hasRoute(target.name, family)) ? 'alive' : 'silent' },
  ]);
  return {
    server: target.name,
    health: target.health,
    drained: target.drained,
    weight: target.weight,
    ...(target.backup && { backup: true }),
    families: Object.fromEntries(judged),
    ...(lastHeard !== undefined && { lastHeard }),
    ...(reason !== undefined && { reason }),
    ignored: { ...known.ignored },
    ...(steered && { steered }),
    ...(flows !== undefined && { flows }),
    ...(resets !== undefined && { resets }),
    ...(returns !== undefined && { returns }),
  };
}

/** What is not judged by heartbeats has flows as long as its route is there; without any judgement always. */
const isTaken = ({ health }: ShownTarget, hasRoute: boolean) => health === 'none' || hasRoute;

function standingOf(
  { families, aliveSeconds }: ServerHealth,
  family: Family,
  at: number,
  lastHeard: number | undefined,
): ServerStanding {
  const state = families[family] ?? 'unknown';
  const isAlive = state === 'alive' || state === 'held';
  const since = isAlive
    ? aliveSeconds === undefined
      ? undefined
      : at - aliveSeconds
    : state === 'silent'
      ? lastHeard
      : undefined;
  return { state, ...(since !== undefined && { since }) };
}
