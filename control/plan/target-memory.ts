/**
 * Numbers of targets, which stay with the servers that they were given to: entries of flows have them. They
 * are remembered in the router's state file. Pure.
 */
import { TARGETS_MAX } from '../../bpf/abi.js';
import { formatAddress, parseAddress } from '../config/address.js';
import type { Config, ServerConfig } from '../config/config.js';
import type { HeartbeatSecrets } from '../heartbeat/message.js';
import type { SavedTarget } from './saved-state.js';
import { type ObservedHost, ROUTE_PROTOCOL } from './state.js';

export interface TargetNumbers {
  /** By name, of the servers of the file. */
  numbers: ReadonlyMap<string, number>;
  /** Names, of those that `sidetrack drain` has taken out. */
  drained: ReadonlySet<string>;
  /** What heartbeats were known by when they were applied last; by name. */
  heartbeats: ReadonlyMap<string, HeartbeatSecrets>;
  /** Those that the file has no more, and that flows may still go to. */
  leaving: readonly SavedTarget[];
}

type Remembers = Pick<ObservedHost, 'saved' | 'routes' | 'idleTargets' | 'drain'>;

export function targetNumbers(config: Config, router: Remembers): TargetNumbers {
  const { servers } = config;
  const { idleTargets = [], drain } = router;
  const known = new Map<string, Known>();
  const used = new Set<number>();
  for (const server of servers) {
    const found = rememberedOf(server, config, router);
    if (found === undefined || used.has(found.number)) continue;
    known.set(server.name, found);
    used.add(found.number);
  }
  const left = (router.saved?.targets ?? []).filter(({ number }) => !used.has(number));
  const leaving = left
    .filter(({ number }) => !idleTargets.includes(number))
    // A new server takes the room of one that leaves where there is no other.
    .slice(0, TARGETS_MAX - servers.length);
  for (const { number } of leaving) used.add(number);
  const numbers = new Map(
    servers.map(({ name }) => {
      const number = known.get(name)?.number ?? lowestFree(used);
      used.add(number);
      return [name, number];
    }),
  );
  const isDrained = (name: string) =>
    drain?.server === name ? drain.drained : known.get(name)?.drained === true;
  const drained = new Set(servers.map(({ name }) => name).filter(isDrained));
  const heartbeats = new Map(
    [...known].flatMap(([name, { heartbeat }]) => (heartbeat ? [[name, heartbeat]] : [])),
  );
  return { numbers, drained, heartbeats, leaving };
}

function lowestFree(used: ReadonlySet<number>): number {
  let number = 0;
  while (used.has(number)) number++;
  return number;
}

type Known = Pick<SavedTarget, 'number' | 'drained' | 'heartbeat'>;

/** By its name; one that has got another name is known by its address. */
function rememberedOf(
  server: ServerConfig,
  { servers, router: { table } }: Config,
  { saved, routes }: Remembers,
): Known | undefined {
  const hops = hopsOf(server);
  if (saved?.targets === undefined) {
    // What an earlier version applied: one server, to which the first table leads.
    const isFirst = routes.some(
      (route) =>
        route.table === table.id &&
        route.protocol === ROUTE_PROTOCOL &&
        route.via !== undefined &&
        hops.includes(formatAddress(parseAddress(route.via)!)),
    );
    return saved !== undefined && isFirst ? { number: 0 } : undefined;
  }
  const named = saved.targets.find(({ name }) => name === server.name);
  if (named !== undefined) return named;
  const others = servers.map(({ name }) => name);
  return saved.targets.find(
    ({ name, via }) =>
      !others.includes(name) &&
      [via.v4, via.v6].some((one) => one !== undefined && hops.includes(one)),
  );
}

const hopsOf = ({ address: { v4, v6 } }: ServerConfig): string[] =>
  [v4, v6].filter((one) => one !== undefined);
