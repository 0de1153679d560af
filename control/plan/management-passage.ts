/** Which hosts of a deployment the packets of a management connection pass. Pure. */
import type { Config } from '../config/config.js';
import type { Policy } from '../policy/rule.js';
import { sameSubnet } from './address.js';
import { type Management, packetsOf } from './management.js';
import { nextHopOf } from './packet-way.js';
import type { HostState, ObservedHost } from './state.js';

/** A host of this run. */
export interface ManagedHost {
  observed: ObservedHost;
  /** Absent where other findings left no plan. */
  desired?: HostState;
  /** Absent where no connection carries the change. */
  management?: Management;
}

export interface ManagementInput {
  config: Config;
  policy: Policy;
  /** By name; the servers, and `router`. */
  hosts: ReadonlyMap<string, ManagedHost>;
}

/** A management connection where it passes one host. */
export interface Passage {
  /** The host that is managed by it. */
  managed: string;
  management: Management;
  /** The host that it passes. */
  at: ManagedHost & { name: string; desired: HostState };
  /** Where its packets come in there, and its answers; `lo` at the host that sends them. */
  iif: string;
  answersIif: string;
}

export const ROUTER = 'router';

export function passagesOf({ config, hosts }: ManagementInput): Passage[] {
  return [...hosts].flatMap(([managed, own]) => {
    const { management } = own;
    if (management === undefined) return [];
    const back = nextHopOf(
      own.observed,
      packetsOf(management, management.server, management.client, 'lo'),
    );
    const end = passage(hosts, managed, management, managed, back?.dev ?? 'lo', 'lo');
    const between =
      managed === ROUTER
        ? serversBetween(config, hosts, management, back?.via)
        : routerBetween(hosts, management, own.observed);
    const others = between.map(({ name, iif, answersIif }) =>
      passage(hosts, managed, management, name, iif, answersIif),
    );
    return [end, ...others].filter((one) => one !== undefined);
  });
}

function passage(
  hosts: ManagementInput['hosts'],
  managed: string,
  management: Management,
  name: string,
  iif: string,
  answersIif: string,
): Passage | undefined {
  const host = hosts.get(name);
  if (host?.desired === undefined) return undefined;
  return { managed, management, at: { ...host, name, desired: host.desired }, iif, answersIif };
}

interface Between {
  name: string;
  iif: string;
  answersIif: string;
}

/** The router forwards to a server what comes from another subnet that it knows a way to. */
function routerBetween(
  hosts: ManagementInput['hosts'],
  management: Management,
  server: ObservedHost,
): Between[] {
  const router = hosts.get(ROUTER)?.observed;
  const { client, server: end } = management;
  if (router === undefined) return [];
  if (onOneLink([router, server], client.address, end.address)) return [];
  const towards = (from: typeof client, to: typeof client) =>
    nextHopOf(router, packetsOf(management, from, to, 'lo'))?.dev;
  const iif = towards(end, client);
  const answersIif = towards(client, end);
  if (iif === undefined || answersIif === undefined) return [];
  return [{ name: ROUTER, iif, answersIif }];
}

/** A server that is the router's way to the client: a machine behind it, or a network that it routes to. */
function serversBetween(
  { servers }: Config,
  hosts: ManagementInput['hosts'],
  management: Management,
  via: string | undefined,
): Between[] {
  return servers.flatMap(({ name, address, interface: answersIif }) => {
    const server = hosts.get(name)?.observed;
    if (server === undefined || via === undefined) return [];
    if (via !== address.v4 && via !== address.v6) return [];
    const { client, server: end } = management;
    const iif = nextHopOf(server, packetsOf(management, end, client, answersIif))?.dev;
    return iif === undefined ? [] : [{ name, iif, answersIif }];
  });
}

/** Such packets go straight from one to the other. */
function onOneLink(hosts: readonly ObservedHost[], one: string, other: string): boolean {
  return hosts
    .flatMap(({ interfaces }) => interfaces)
    .flatMap(({ addresses }) => addresses)
    .some(
      ({ address, prefixLength }) =>
        prefixLength > 0 &&
        sameSubnet(address, prefixLength, one) &&
        sameSubnet(address, prefixLength, other),
    );
}
