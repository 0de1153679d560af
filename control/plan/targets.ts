/**
 * What the router steers to: the servers of the file with what the router was found to be like. The
 * only place that knows how many there are, and which of them has which mark, table and number. Pure.
 */
import type { Config, Health, ServerConfig } from '../config/config.js';
import { assignNumbers } from '../config/server-marks.js';
import type { RouteProbe } from '../nft/flow-target.js';
import type { Mark } from '../nft/mark.js';
import type { ServerAddresses } from '../nft/router-table.js';
import { probeMark } from '../nft/steering.js';
import type { Policy } from '../policy/rule.js';
import { interfaceTowards } from './address.js';
import { serverFamilies } from './server-families.js';
import type { Family, ObservedHost } from './state.js';

/** Where the packets of one family go. */
export interface Hop {
  family: Family;
  via: string;
  /** The router's interface on that subnet; absent where it has none, which preflight refuses. */
  dev?: string;
}

export interface Target {
  /** By which the flow entries of both classifiers name it: the server's place in the file. */
  number: number;
  name: string;
  /** A family without one is not handed over. */
  hops: Hop[];
  /** All addresses that are the server's, whether anything is handed to them or not. */
  addresses: ServerAddresses;
  /** Resolved; absent where nothing has asked for it. */
  mac?: string;
  mark: Mark;
  /** Number of the routing table that its mark leads to. */
  table: number;
  /** Share of the new flows of a group, 1 to 1000. */
  weight: number;
  /** Gets new flows only where no other is fit. */
  backup: boolean;
  /** Gets no new flows: by `sidetrack drain`, or because the file has it no more. */
  drained: boolean;
  health: Health;
  /** `mac` is as the file says, so that a heartbeat from another one counts for nothing. */
  macFixed: boolean;
  /** What the heartbeats are known by; absent where it is not asked for. */
  heartbeat?: HeartbeatSecrets;
}

/** Made of the server's key; never printed. Lower-case hex. */
export interface HeartbeatSecrets {
  /** 16 bytes. */
  tag: string;
  /** 16 bytes. */
  siphashKey: string;
}

/** Numbers of the servers by name: what is remembered on the router, and the next free ones for others. */
export function targetNumbers({ servers }: Config, _router: ObservedHost): Map<string, number> {
  return new Map(servers.map(({ name }, place) => [name, place]));
}

/** The policy with numbers of targets in its groups, which has places in the file. */
export function numberedPolicy(policy: Policy, config: Config, router: ObservedHost): Policy {
  const numbers = targetNumbers(config, router);
  const numberAt = (place: number) => numbers.get(config.servers[place]!.name)!;
  if (policy.groups === undefined) return policy;
  return {
    ...policy,
    groups: policy.groups.map(({ targets }) => ({ targets: targets.map(numberAt) })),
  };
}

/** @param macs of the servers, by name. */
export function targetsOf(
  config: Config,
  router: ObservedHost,
  macs: ReadonlyMap<string, string> = new Map(),
): Target[] {
  const numbers = targetNumbers(config, router);
  const numbered = config.servers.map((server) => ({
    ...server,
    number: numbers.get(server.name)!,
  }));
  const assigned = assignNumbers(config.router, numbered);
  return numbered.map((server) => {
    const mac = macs.get(server.name);
    const { mark, table } = assigned.get(server.name)!;
    return {
      number: server.number,
      name: server.name,
      hops: serverFamilies(server).map((family) => hopOf(config, server, router, family)),
      addresses: allAddresses(server),
      ...(mac !== undefined && { mac }),
      mark: { value: mark!, mask: config.router.mark.mask },
      table: table.id,
      weight: server.weight,
      backup: server.backup,
      drained: false,
      health: server.health,
      macFixed: server.mac !== 'auto',
    };
  });
}

function hopOf(
  { router: own }: Config,
  { address }: ServerConfig,
  router: ObservedHost,
  family: Family,
): Hop {
  const via = (family === 4 ? address.v4 : address.v6)!;
  const dev = interfaceTowards(router, own.interfaces, via)?.name;
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

/** How nft asks for the target's policy route; nothing where its mask has no bit to spare. */
export function routeProbe(target: Target): RouteProbe | undefined {
  const mark = probeMark(target.mark);
  if (mark === undefined) return undefined;
  const devices = target.hops.flatMap(({ family, dev }) =>
    dev === undefined ? [] : [[family, dev]],
  );
  return { mark, devices: Object.fromEntries(devices) };
}
