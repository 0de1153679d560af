/** Config + policy + what the hosts told us → the router's desired state. Pure. */
import type { Config, ServerConfig } from '../config/config.js';
import type { Table } from '../nft/json.js';
import type { Mark } from '../nft/mark.js';
import { routerTable } from '../nft/router-table.js';
import { probeMark, type RouteProbe } from '../nft/steering.js';
import { guardedAddresses, interfaceTowards, routerMacs, serverAddresses } from './address.js';
import { ebpfState } from './ebpf.js';
import { hopsOf } from './hops.js';
import type { RouterPlanInput } from './router-input.js';
import { routerPlace } from './rule-priority.js';
import { serverFamilies } from './server-families.js';
import {
  type Family,
  type HostState,
  type IpRule,
  LAST_METRIC,
  type ObservedHost,
  type Route,
  type Sysctl,
} from './state.js';

export function routerState(input: RouterPlanInput): HostState {
  const { config, router } = input;
  const server = config.servers[0]!;
  const { classifier, interfaces, table } = config.router;
  return {
    name: 'router',
    ...(classifier === 'ebpf' ? ebpfState(input) : { table: nftablesTable(input) }),
    ipRules: serverFamilies(server).flatMap((family) => ipRules(config, router, family)),
    routes: serverFamilies(server).flatMap((family) => routes(config, server, router, family)),
    sysctls: [...redirectSysctls(interfaces), ...reversePathSysctls(config, router)],
    tableName: table,
  };
}

function nftablesTable({ config, policy, router, serverMac }: RouterPlanInput): Table {
  const server = config.servers[0]!;
  const { interfaces, mark, flowTableSize, maxFlowsPerClient } = config.router;
  return routerTable({
    policy,
    interfaces,
    routerMacs: routerMacs(router, interfaces),
    serverMacs: [serverMac],
    serverAddresses: serverAddresses(server),
    guardedAddresses: guardedAddresses(server),
    mark,
    flowTableSize,
    maxFlowsPerClient,
    onFailure: config.onFailure,
    ...routeProbe(config, router),
  });
}

function ipRules(config: Config, host: ObservedHost, family: Family): IpRule[] {
  const { router } = config;
  const { mark, table } = router;
  const place = routerPlace(config, host);
  const rule = (iif: string, value: number): IpRule => ({
    family,
    ...place,
    iif,
    mark: value,
    mask: mark.mask,
    table: table.id,
  });
  // The eBPF program looks routes up as if from the client's interface and needs no rule for that.
  const probe = router.classifier === 'ebpf' ? undefined : probeMark(mark);
  return [
    ...router.interfaces.map((iif) => rule(iif, mark.value)),
    ...(probe === undefined
      ? []
      : [rule('lo', probe), probeEnd(family, place.priority, probe, mark)]),
  ];
}

/**
 * Without its route a probe would be answered by the main table, whose default route may leave by the
 * very interface that leads to the server.
 */
function probeEnd(family: Family, priority: number, mark: number, { mask }: Mark): IpRule {
  return { family, priority: priority + 1, iif: 'lo', mark, mask };
}

function routeProbe(config: Config, router: ObservedHost): { probe?: RouteProbe } {
  const mark = probeMark(config.router.mark);
  if (mark === undefined) return {};
  const server = config.servers[0]!;
  const device = (address: string | undefined) =>
    address && interfaceTowards(router, config.router.interfaces, address)?.name;
  const [v4, v6] = [device(server.address.v4), device(server.address.v6)];
  return { probe: { mark, devices: { ...(v4 && { 4: v4 }), ...(v6 && { 6: v6 }) } } };
}

function routes(
  config: Config,
  server: ServerConfig,
  router: ObservedHost,
  family: Family,
): Route[] {
  const via = (family === 4 ? server.address.v4 : server.address.v6)!;
  const dev = interfaceTowards(router, config.router.interfaces, via)!.name;
  const table = config.router.table.id;
  const route: Route = { family, table, nextHop: { via, dev } };
  // A link flap takes the route away. Without a second one the traffic then goes direct.
  return config.onFailure === 'block' ? [route, { family, table, metric: LAST_METRIC }] : [route];
}

/**
 * The router would tell clients to send to the server directly (ICMP redirect), and they would then
 * do so for every port, also after the rule is gone. The kernel sends them if `all` or the
 * interface says so.
 */
function redirectSysctls(interfaces: readonly string[]): Sysctl[] {
  return ['all', 'default', ...interfaces].map((name) => ({
    key: `net/ipv4/conf/${name}/send_redirects`,
    value: '0',
  }));
}

const STRICT = 1;
const LOOSE = '2';

/**
 * Answers to clients of another subnet come back through this router with Internet sources, which
 * strict reverse-path filtering drops. Loosened only on the server's interface, and only where such
 * clients can exist: several interfaces, or a route to another subnet behind one of them.
 */
function reversePathSysctls(config: Config, router: ObservedHost): Sysctl[] {
  const v4 = config.servers[0]!.address.v4;
  if (v4 === undefined || !hasDistantClients(config, router)) return [];
  const { name } = interfaceTowards(router, config.router.interfaces, v4)!;
  const value = (key: string) => Number(router.sysctls[`net/ipv4/conf/${key}/rp_filter`] ?? 0);
  const key = `net/ipv4/conf/${name}/rp_filter`;
  // Keep what we loosened before: the value found is then our own.
  const loosenedByUs = router.saved?.sysctls[key] !== undefined;
  const effective = Math.max(value('all'), value(name));
  return effective === STRICT || loosenedByUs ? [{ key, value: LOOSE }] : [];
}

function hasDistantClients({ router: { interfaces } }: Config, router: ObservedHost): boolean {
  if (interfaces.length > 1) return true;
  return router.routes.some(
    (route) =>
      route.destination !== 'default' &&
      route.protocol !== undefined &&
      hopsOf(route).some(({ via, dev = '' }) => via !== undefined && interfaces.includes(dev)),
  );
}
