/**
 * What a rule with `lookup` does with packets: the kernel ends its search where the table has a
 * route for them, and goes on to the next rule where it has none, one of type `throw`, or one that
 * the rule suppresses. Pure.
 */
import { parseAddress } from '../config/address.js';
import { networkOf } from '../config/entry.js';
import { type Packets, type Share, shareOfSpans, spanOf } from './packets.js';
import { tosShare } from './rule-match.js';
import type { Family, ObservedHost, ObservedIpRule, ObservedRoute, Prefix } from './state.js';

/** The table of the kernel's own addresses (RT_TABLE_LOCAL). */
export const LOCAL_TABLE = 255;

/** Numbers of route types (linux/rtnetlink.h). */
const BLACKHOLE = 6;
const PROHIBIT = 8;
const THROW = 9;

export function prefixOfRoute(family: Family, destination: string): Prefix {
  if (destination === 'default') return { address: family === 4 ? '0.0.0.0' : '::', length: 0 };
  const [address = '', length] = destination.split('/');
  return { address, length: length === undefined ? (family === 4 ? 32 : 128) : Number(length) };
}

/** Routes of one table in the order in which the kernel prefers them. */
export function tableInOrder({ routes }: ObservedHost, family: Family, table: number | undefined) {
  return routes
    .filter((route) => route.family === family && route.table === table && !route.dead)
    .map((route) => ({ route, prefix: prefixOfRoute(family, route.destination) }))
    .filter(({ prefix }) => parseAddress(prefix.address) !== undefined)
    .sort(
      (a, b) =>
        b.prefix.length - a.prefix.length ||
        (b.route.tos ?? 0) - (a.route.tos ?? 0) ||
        (a.route.metric ?? 0) - (b.route.metric ?? 0),
    );
}

/** Whether packets that follow this route are done, so that no later rule sees them. */
export function ends(rule: ObservedIpRule, host: ObservedHost, route: ObservedRoute): boolean {
  const type = Number(route.type);
  if (type === THROW) return false;
  if (type >= BLACKHOLE && type <= PROHIBIT) return true;
  const { suppressPrefixLength = -1, suppressGroup } = rule;
  if (prefixOfRoute(route.family, route.destination).length <= suppressPrefixLength) return false;
  const device = route.dev ?? route.nextHops?.[0]?.dev;
  const group = host.interfaces.find(({ name }) => name === device)?.group ?? 0;
  return suppressGroup === undefined || suppressGroup !== group;
}

/** The route that one packet follows by this rule; undefined where it goes on to the next. */
export function routeOfPacket(
  rule: ObservedIpRule,
  host: ObservedHost,
  packet: Packets & { destination: bigint },
): ObservedRoute | undefined {
  const { family, destination, sources } = packet;
  const found = tableInOrder(host, family, rule.table).find(
    ({ route, prefix }) =>
      shareOfSpans([{ first: destination, last: destination }], spanOf(prefix)) === 'all' &&
      (!route.tos || tosShare(route.tos, packet) === 'all') &&
      (route.from === undefined ||
        shareOfSpans(sources, spanOf(prefixOfRoute(family, route.from))) === 'all'),
  );
  return found && ends(rule, host, found.route) ? found.route : undefined;
}

/**
 * Of packets to anywhere. What is for the machine itself is never steered, and what is for its
 * neighbours hardly ever, so that neither the local table nor routes to attached subnets count.
 */
export function shareOfTable(rule: ObservedIpRule, host: ObservedHost, packets: Packets): Share {
  const { destination } = packets;
  if (destination !== undefined)
    return routeOfPacket(rule, host, { ...packets, destination }) ? 'all' : 'none';
  if (rule.table === LOCAL_TABLE) return 'none';
  const routes = tableInOrder(host, packets.family, rule.table).filter(
    ({ route }) => !attached(route),
  );
  const rest = restOf(routes.filter(isPlain));
  const otherwise = rest.some(({ route }) => ends(rule, host, route));
  // The default route shadows others of its length.
  const others = routes.filter((one) => !isPlain(one) || one.prefix.length > 0);
  if (others.some(({ route }) => ends(rule, host, route) !== otherwise)) return 'some';
  return otherwise ? 'all' : 'none';
}

type Routes = ReturnType<typeof tableInOrder>;

/** What takes the rest: the default route, or both halves of everything. */
function restOf(plain: Routes): Routes {
  const byDefault = plain.find(({ prefix }) => prefix.length === 0);
  if (byDefault) return [byDefault];
  const halves = plain.filter(({ prefix }) => prefix.length === 1);
  return new Set(halves.map(({ prefix }) => firstOf(prefix))).size === 2 ? halves : [];
}

/** Fits packets with any type of service and any source. */
const isPlain = ({ route }: Routes[number]) => !route.tos && route.from === undefined;

const firstOf = ({ address, length }: Prefix) => networkOf(parseAddress(address)!, length).first;

/** RTPROT_KERNEL (linux/rtnetlink.h). */
const KERNEL = 2;

function attached({ protocol, via, nextHops }: ObservedRoute): boolean {
  return protocol === KERNEL && via === undefined && nextHops === undefined;
}
