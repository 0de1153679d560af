/**
 * What the router steers to: the servers of the file with what the router was found to be like. The
 * only place that knows how many there are, and which of them has which mark, table and number. Pure.
 */
import type { Config, Health, ServerConfig } from '../config/config.js';
import { assignNumbers } from '../config/server-marks.js';
import type { HeartbeatSecrets } from '../heartbeat/message.js';
import type { RouteProbe } from '../nft/flow-target.js';
import type { Mark } from '../nft/mark.js';
import type { ServerAddresses } from '../nft/router-table.js';
import { probeMark } from '../nft/steering.js';
import type { Policy } from '../policy/rule.js';
import { interfaceTowards } from './address.js';
import { externalHops } from './hops.js';
import type { SavedTarget } from './saved-state.js';
import { serverFamilies } from './server-families.js';
import type { Family, ObservedHost } from './state.js';
import { targetNumbers } from './target-memory.js';

/** Where the packets of one family go. */
export interface Hop {
  family: Family;
  via: string;
  /** The router's interface on that subnet; absent where it has none, which preflight refuses. */
  dev?: string;
}

export interface Target {
  /** By which the flow entries of both classifiers name it; it stays with the server's name. */
  number: number;
  name: string;
  /** A family without one is not handed over. */
  hops: Hop[];
  /** All addresses that are the server's, whether anything is handed to them or not. */
  addresses: ServerAddresses;
  /** Resolved; absent where nothing has asked for it. */
  mac?: string;
  mark: Mark;
  /** Routing table that its mark leads to. */
  table: { id: number; name: string };
  /** Share of the new flows of a group, 1 to 1000. */
  weight: number;
  /** Gets new flows only where no other is fit. */
  backup: boolean;
  /** Gets no new flows: by `sidetrack drain`, or because the file has it no more. */
  drained: boolean;
  /** The file has it no more. */
  leaves?: true;
  health: Health;
  /** Another program installs its route. */
  external?: true;
  /** `mac` is as the file says, so that a heartbeat from another one counts for nothing. */
  macFixed: boolean;
  /** What the heartbeats are known by; absent where it is not asked for. */
  heartbeat?: HeartbeatSecrets;
}

/** The policy with numbers of targets in its groups, which has places in the file. */
export function numberedPolicy(policy: Policy, config: Config, router: ObservedHost): Policy {
  const { numbers } = targetNumbers(config, router);
  const numberAt = (place: number) => numbers.get(config.servers[place]!.name)!;
  if (policy.groups === undefined) return policy;
  return {
    ...policy,
    groups: policy.groups.map(({ targets }) => ({ targets: targets.map(numberAt) })),
  };
}

/** What is known of servers by their names. */
export interface KnownServers {
  macs?: ReadonlyMap<string, string>;
  heartbeats?: ReadonlyMap<string, HeartbeatSecrets>;
}

/** Those of the file, and those that the file has no more while flows of them live; by their numbers. */
export function targetsOf(
  config: Config,
  router: ObservedHost,
  { macs, heartbeats }: KnownServers = {},
): Target[] {
  const { numbers, drained, heartbeats: known, leaving } = targetNumbers(config, router);
  const numbered = config.servers.map((one) => ({ ...one, number: numbers.get(one.name)! }));
  const assigned = assignNumbers(config.router, [
    ...numbered,
    ...leaving.map(({ name, number }) => ({ name, number })),
  ]);
  const { mask } = config.router.mark;
  const current = numbered.map((server): Target => {
    const mac = macs?.get(server.name);
    // A run that does not see the server goes by what was applied last.
    const heartbeat = heartbeats?.get(server.name) ?? known.get(server.name);
    const { mark, table } = assigned.get(server.name)!;
    return {
      number: server.number,
      name: server.name,
      hops: serverFamilies(server).map((family) =>
        hopOf(config, server, router, family, server.route === 'external' ? table.id : undefined),
      ),
      ...(server.route === 'external' && { external: true as const }),
      addresses: allAddresses(server),
      ...(mac !== undefined && { mac }),
      mark: { value: mark!, mask },
      table,
      weight: server.weight,
      backup: server.backup,
      drained: drained.has(server.name),
      // Without its key the router hears nothing: then the route is what it goes by.
      health: server.health === 'heartbeat' && heartbeat === undefined ? 'route' : server.health,
      macFixed: server.mac !== 'auto',
      ...(server.health === 'heartbeat' && heartbeat && { heartbeat }),
    };
  });
  const all = [
    ...current,
    ...leaving.flatMap((one): Target[] => {
      const { mark, table } = assigned.get(one.name)!;
      if (mark === undefined) return [];
      return [leavingTarget(config, router, one, { mark: { value: mark, mask }, table })];
    }),
  ];
  return all.sort((a, b) => a.number - b.number);
}

function leavingTarget(
  config: Config,
  router: ObservedHost,
  { name, number, via, addresses, mac, heartbeat, external }: SavedTarget,
  assigned: Pick<Target, 'mark' | 'table'>,
): Target {
  const families = serverFamilies({ address: via });
  return {
    number,
    name,
    hops: families.map((family) =>
      hopOf(config, { address: via }, router, family, external && assigned.table.id),
    ),
    ...(external && { external }),
    addresses,
    ...(mac !== undefined && { mac }),
    ...assigned,
    weight: 1,
    backup: false,
    drained: true,
    leaves: true,
    ...(heartbeat ? { health: 'heartbeat', heartbeat } : { health: 'route' }),
    macFixed: false,
  };
}

/** For the state file. */
export function rememberedTargets(targets: readonly Target[]): SavedTarget[] {
  return targets.map((target) => {
    const [v4, v6] = [hopOfFamily(target, 4)?.via, hopOfFamily(target, 6)?.via];
    return {
      name: target.name,
      number: target.number,
      ...(target.drained && !target.leaves && { drained: true as const }),
      via: { ...(v4 !== undefined && { v4 }), ...(v6 !== undefined && { v6 }) },
      addresses: { v4: [...target.addresses.v4], v6: [...target.addresses.v6] },
      ...(target.mac !== undefined && { mac: target.mac }),
      ...(target.external && { external: target.external }),
      ...(target.heartbeat && { heartbeat: target.heartbeat }),
    };
  });
}

function hopOf(
  { router: own }: Config,
  { address }: Pick<ServerConfig, 'address'>,
  router: ObservedHost,
  family: Family,
  externalTable: number | undefined,
): Hop {
  const via = (family === 4 ? address.v4 : address.v6)!;
  const external = externalTable === undefined ? [] : externalHops(router, externalTable, via);
  const dev =
    interfaceTowards(router, own.interfaces, via)?.name ??
    external.find((one) => one.dev !== undefined && own.interfaces.includes(one.dev))?.dev;
  return { family, via, ...(dev !== undefined && { dev }) };
}

function allAddresses({ address, uncarried }: ServerConfig): ServerAddresses {
  const of = (family: 'v4' | 'v6') =>
    [address[family], uncarried?.[family]].filter((one) => one !== undefined);
  return { v4: of('v4'), v6: of('v6') };
}

export const hopOfFamily = ({ hops }: Target, family: Family): Hop | undefined =>
  hops.find((hop) => hop.family === family);

/** Those of all targets: what the guards know servers by. */
export function targetAddresses(targets: readonly Target[]): ServerAddresses {
  return {
    v4: targets.flatMap(({ addresses }) => addresses.v4),
    v6: targets.flatMap(({ addresses }) => addresses.v6),
  };
}

export function targetMacs(targets: readonly Target[]): string[] {
  return targets.flatMap(({ mac }) => mac ?? []);
}

/**
 * By which nftables knows packets that the eBPF classifier cannot hand over and that are to be reset: a mark that
 * leads to no server. Undefined where none are, or where the mask has none left.
 */
export function resetMark(
  { onFailure, router: { classifier, mark } }: Config,
  targets: readonly Target[],
): Mark | undefined {
  if (onFailure !== 'reset' || classifier !== 'ebpf') return undefined;
  const taken = new Set(targets.map((target) => target.mark.value));
  let value = mark.mask;
  // Servers have the lowest ones: the next smaller value inside the mask.
  while (value > 0 && taken.has(value)) value = ((value - 1) & mark.mask) >>> 0;
  return value === 0 ? undefined : { value, mask: mark.mask };
}

/** How nft asks for the target's policy route; nothing where it is not to, or its mask has no bit to spare. */
export function routeProbe(target: Target): RouteProbe | undefined {
  const mark = probeMark(target.mark);
  if (mark === undefined || target.health === 'none') return undefined;
  const devices = target.hops.flatMap(({ family, dev }) =>
    dev === undefined ? [] : [[family, dev]],
  );
  return { mark, devices: Object.fromEntries(devices) };
}
