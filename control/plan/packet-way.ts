/** The way of single packets through the rules and routes of a host, as it is and as it will be. Pure. */
import { hopsOf } from './hops.js';
import type { Packets } from './packets.js';
import { routeOfPacket } from './route-lookup.js';
import { describeRule } from './rule-text.js';
import { takersBefore } from './rule-walk.js';
import {
  type HostState,
  type IpRule,
  type ObservedHost,
  type ObservedIpRule,
  type ObservedRoute,
  ROUTE_PROTOCOL,
  type Route,
} from './state.js';

export type OnePacket = Packets & { destination: bigint };

/** What takes the packet: one rule, or several where a selector is one that only the kernel can judge. */
export interface Way {
  rule: ObservedIpRule;
  /** Absent where the rule itself refuses the packet. */
  route?: ObservedRoute;
  certain: boolean;
}

const LAST_PRIORITY = 0xffffffff;

export function waysOf(host: ObservedHost, packet: OnePacket): Way[] {
  return takersBefore(LAST_PRIORITY, host, packet).map(({ rule, share }) => {
    const looksUp = (rule.action ?? 'lookup') === 'lookup';
    const route = looksUp ? routeOfPacket(rule, host, packet) : undefined;
    return { rule, certain: share === 'all', ...(route && { route }) };
  });
}

/** The first hop that is certain; where the packet is for the host itself, it has no device of a link. */
export function nextHopOf(host: ObservedHost, packet: OnePacket) {
  const way = waysOf(host, packet).find(({ certain }) => certain);
  if (way?.route === undefined || !leadsOn(way.route)) return undefined;
  return hopsOf(way.route)[0];
}

const leadsOn = ({ type }: ObservedRoute) => type === 'unicast' || type === '1';

/** What takes the packet once our rules and routes are `desired`, and does not without them. */
export function newTaker(
  host: ObservedHost,
  desired: HostState,
  packet: OnePacket,
): (Way & { ours: boolean }) | undefined {
  const before = new Set(waysOf(withoutOurs(host), packet).map(keyOf));
  const ours = desired.ipRules.map(ruleAsFound);
  const after = waysOf(
    { ...withoutOurs(host), ...merged(withoutOurs(host), ours, desired.routes) },
    packet,
  ).find((way) => !before.has(keyOf(way)));
  return after && { ...after, ours: ours.includes(after.rule) };
}

/** Two rules that lead the same way are one. */
function keyOf({ rule, route }: Way): string {
  return route
    ? JSON.stringify([route.destination, route.type, hopsOf(route)])
    : describeRule(rule);
}

function withoutOurs(host: ObservedHost): ObservedHost {
  const foreign = ({ protocol }: { protocol?: number }) => protocol !== ROUTE_PROTOCOL;
  return { ...host, ipRules: host.ipRules.filter(foreign), routes: host.routes.filter(foreign) };
}

/** The kernel puts a new rule behind those of its priority. */
function merged(host: ObservedHost, rules: readonly ObservedIpRule[], routes: readonly Route[]) {
  const ipRules = [...host.ipRules, ...rules].sort((a, b) => a.priority - b.priority);
  return { ipRules, routes: [...host.routes, ...routes.map(routeAsFound)] };
}

/** Without our protocol number, by which the walk would pass them over. */
function ruleAsFound({ why: _, ...rule }: IpRule): ObservedIpRule {
  return { ...rule, action: rule.table === undefined ? 'unreachable' : 'lookup' };
}

const LOCAL = '2';
const UNREACHABLE = '7';

function routeAsFound({ family, table, nextHop, local, metric }: Route): ObservedRoute {
  const type = nextHop ? 'unicast' : local ? LOCAL : UNREACHABLE;
  return {
    family,
    table,
    destination: 'default',
    type,
    ...nextHop,
    ...(metric !== undefined && { metric }),
  };
}
