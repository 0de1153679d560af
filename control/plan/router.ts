/** Config + policy + what the hosts told us → the router's desired state. Pure. */
import type { Config } from '../config/config.js';
import { refuses } from '../config/on-failure.js';
import { withAdoption } from '../nft/adoption.js';
import { FAMILIES } from '../nft/flow-time.js';
import type { Table } from '../nft/json.js';
import type { Mark } from '../nft/mark.js';
import { routerTable } from '../nft/router-table.js';
import { routerMacs } from './address.js';
import { ebpfState } from './ebpf.js';
import { flowTarget, serverInterfaces } from './flow-target.js';
import { hopsOf } from './hops.js';
import { tableNameFile } from './own-files.js';
import type { RouterPlanInput } from './router-input.js';
import { routerRulePriority } from './rule-priority.js';
import {
  type Family,
  type HostState,
  type IpRule,
  LAST_METRIC,
  type ObservedHost,
  type Route,
  type Sysctl,
} from './state.js';
import {
  type Hop,
  hopOfFamily,
  numberedPolicy,
  rememberedTargets,
  resetMark,
  routeProbe,
  type Target,
  targetAddresses,
  targetMacs,
  targetsOf,
} from './targets.js';

export function routerState(given: RouterPlanInput): HostState {
  const { config, router, serverMacs } = given;
  const input = { ...given, policy: numberedPolicy(given.policy, config, router) };
  const targets = targetsOf(config, router, {
    macs: serverMacs,
    ...(given.heartbeats && { heartbeats: given.heartbeats }),
  });
  const { classifier, interfaces } = config.router;
  return {
    name: 'router',
    ...(classifier === 'ebpf'
      ? ebpfState(input, targets)
      : { table: nftablesTable(input, targets) }),
    ipRules: [
      ...targets.flatMap((target) => ipRules(config, router, target)),
      ...resetRules(config, router, targets),
    ],
    routes: targets.flatMap((target) => target.hops.flatMap((hop) => routes(config, target, hop))),
    sysctls: [...redirectSysctls(interfaces), ...reversePathSysctls(config, router, targets)],
    files: router.ownsEtc ? [tableNameFile(...targets.map(({ table }) => table))] : [],
    targets: rememberedTargets(targets),
  };
}

function nftablesTable({ config, policy, router }: RouterPlanInput, targets: Target[]): Table {
  const { interfaces, flowTableSize, maxFlowsPerClient, takesOver } = config.router;
  const table = routerTable({
    policy,
    interfaces,
    routerMacs: routerMacs(router, interfaces),
    serverMacs: targetMacs(targets),
    serverAddresses: targetAddresses(targets),
    targets: targets.map(flowTarget),
    flowTableSize,
    maxFlowsPerClient,
    onFailure: config.onFailure,
    balance: config.balance,
    health: config.health,
    serverInterfaces: serverInterfaces(targets),
  });
  return takesOver ? withAdoption(table) : table;
}

function ipRules(config: Config, host: ObservedHost, target: Target): IpRule[] {
  const { router } = config;
  const { mark, table } = target;
  const chosen = routerRulePriority(config, host);
  // The eBPF program looks routes up as if from the client's interface and needs no rule for that.
  const probe = router.classifier === 'ebpf' ? undefined : routeProbe(target)?.mark;
  return target.hops.flatMap(({ family }) => {
    const rule = (iif: string, value: number): IpRule => ({
      family,
      ...chosen,
      iif,
      mark: value,
      mask: mark.mask,
      table: table.id,
    });
    return [
      ...router.interfaces.map((iif) => rule(iif, mark.value)),
      ...(probe === undefined
        ? []
        : [rule('lo', probe), probeEnd(family, chosen.priority, probe, mark)]),
    ];
  });
}

/**
 * Without its route a probe would be answered by the main table, whose default route may leave by the
 * very interface that leads to the server.
 */
function probeEnd(family: Family, priority: number, mark: number, { mask }: Mark): IpRule {
  return { family, priority: priority + 1, iif: 'lo', mark, mask };
}

/** What is to be reset goes nowhere either when nft's table is gone. */
function resetRules(config: Config, host: ObservedHost, targets: readonly Target[]): IpRule[] {
  const mark = resetMark(config, targets);
  if (mark === undefined) return [];
  const { value, mask } = mark;
  const { priority } = routerRulePriority(config, host);
  return FAMILIES.flatMap((family) =>
    config.router.interfaces.map((iif) => ({ family, priority, iif, mark: value, mask })),
  );
}

function routes(
  { onFailure }: Config,
  { table, external }: Target,
  { family, via, dev }: Hop,
): Route[] {
  const ours: Route[] = external ? [] : [{ family, table: table.id, nextHop: { via, dev: dev! } }];
  // A link flap takes the route away. Without a second one the traffic then goes direct.
  return refuses(onFailure) ? [...ours, { family, table: table.id, metric: LAST_METRIC }] : ours;
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
 * strict reverse-path filtering drops. Loosened only on the servers' interfaces, and only where such
 * clients can exist: several interfaces, or a route to another subnet behind one of them.
 */
function reversePathSysctls(
  config: Config,
  router: ObservedHost,
  targets: readonly Target[],
): Sysctl[] {
  if (!hasDistantClients(config, router)) return [];
  const devices = targets.map((target) => hopOfFamily(target, 4)?.dev);
  const value = (key: string) => Number(router.sysctls[`net/ipv4/conf/${key}/rp_filter`] ?? 0);
  return [...new Set(devices)].flatMap((name) => {
    if (name === undefined) return [];
    const key = `net/ipv4/conf/${name}/rp_filter`;
    // Keep what we loosened before: the value found is then our own.
    const loosenedByUs = router.saved?.sysctls[key] !== undefined;
    const effective = Math.max(value('all'), value(name));
    return effective === STRICT || loosenedByUs ? [{ key, value: LOOSE }] : [];
  });
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
