/** What `ip -j` prints of interfaces, rules and routes, as what planning knows of them. */

import type { z } from 'zod';
import { type Answer, jsonOf, outputOf, type Query, query } from '../command/query.js';
import { parseAddress } from '../config/address.js';
import {
  type Family,
  type InterfaceFacts,
  MAIN_TABLE,
  type NextHop,
  type NumberRange,
  type ObservedIpRule,
  type ObservedRoute,
  type Prefix,
  type RuleAction,
} from '../plan/state.js';
import type { LinkJson, RouteJson, RuleJson } from './ip-shapes.js';

/** What `ip -j` says. */
export function ipQuery<E, T>(
  words: readonly string[],
  list: z.ZodType<E[]>,
  parse: (entries: E[]) => T,
): Query<T> {
  return query(['ip', '-j', ...words], (answer) => parse(entriesOf(answer, list)));
}

/** Some versions print nothing at all for an empty list. */
export function entriesOf<E>(answer: Answer, list: z.ZodType<E[]>): E[] {
  return outputOf(answer).trim() === '' ? [] : jsonOf(answer, list);
}

const FAMILIES: readonly Family[] = [4, 6];

/** What `ip -j` says of IPv4, and then of IPv6. */
export function ofBothFamilies<E, Item, T>(
  words: (family: Family) => readonly string[],
  list: z.ZodType<E[]>,
  items: (family: Family, entries: E[]) => Item[],
  found: (items: Item[]) => T,
): Query<T> {
  return {
    commands: FAMILIES.map((family) => ({ argv: ['ip', '-j', ...words(family)] })),
    parse: (...answers) =>
      found(FAMILIES.flatMap((family, i) => items(family, entriesOf(answers[i]!, list)))),
  };
}

export function interfaceOf(json: LinkJson): InterfaceFacts {
  const { ifname, address = '', flags, link_type, master, link, linkinfo, addr_info } = json;
  const group = groupOf(json.group);
  return {
    name: ifname,
    mac: address,
    up: flags.includes('UP'),
    ...(linkinfo?.info_kind && { kind: linkinfo.info_kind }),
    ...(link_type && { linkType: link_type }),
    ...(master && { master }),
    ...(link && { link }),
    ...(group !== 0 && { group }),
    addresses: addr_info.map(({ family, local, prefixlen, temporary, deprecated }) => ({
      family: family === 'inet' ? 4 : 6,
      address: local,
      prefixLength: prefixlen,
      ...((temporary !== undefined || deprecated !== undefined) && { temporary: true }),
    })),
  };
}

/** A name that /etc/iproute2/group gives is no number, and so none of the groups that rules name. */
function groupOf(text = 'default'): number {
  return text === 'default' ? 0 : Number(text);
}

/** Every key of a rule that is read here, and those that choose no packets. */
const KNOWN_KEYS: ReadonlySet<string> = new Set([
  ...['priority', 'not', 'src', 'srclen', 'dst', 'dstlen', 'iif', 'iif_detached', 'oif'],
  ...['oif_detached', 'fwmark', 'fwmask', 'tos', 'uid_start', 'uid_end', 'ipproto', 'sport'],
  ...['sport_start', 'sport_end', 'dport', 'dport_start', 'dport_end', 'tun_id', 'l3mdev'],
  ...['table', 'action', 'goto', 'nop', 'suppress_prefixlen', 'suppress_ifgroup', 'protocol'],
  ...['unresolved', 'flow_from', 'flow_to', 'masquerade', 'nat_gateway'],
]);

const ALL_BITS = 0xffffffff;

export function ruleOf(family: Family, json: RuleJson): ObservedIpRule {
  return { family, priority: json.priority, ...selectorsOf(family, json), ...actionOf(json) };
}

type Selectors = Omit<ObservedIpRule, 'family' | 'priority'>;

function selectorsOf(family: Family, json: RuleJson): Selectors {
  const { iif, oif, fwmark, fwmask, tos, ipproto, tun_id } = json;
  const from = prefixOf(family, json.src, json.srclen);
  const to = prefixOf(family, json.dst, json.dstlen);
  const uids = rangeOf(json.uid_start, json.uid_end);
  const sourcePorts = rangeOf(json.sport_start ?? json.sport, json.sport_end ?? json.sport);
  const destinationPorts = rangeOf(json.dport_start ?? json.dport, json.dport_end ?? json.dport);
  // An address that we cannot read is as good as a selector that we do not know.
  const unreadable = (['src', 'dst'] as const).filter(
    (key) =>
      json[key] !== undefined && json[key] !== 'all' && parseAddress(json[key]) === undefined,
  );
  const unknown = [...Object.keys(json).filter((key) => !KNOWN_KEYS.has(key)), ...unreadable];
  return {
    ...(json.not !== undefined && { inverted: true }),
    ...(from && { from }),
    ...(to && { to }),
    ...(iif !== undefined && { iif }),
    ...(oif !== undefined && { oif }),
    ...((json.iif_detached !== undefined || json.oif_detached !== undefined) && { detached: true }),
    ...(fwmark !== undefined && {
      mark: Number(fwmark),
      mask: fwmask === undefined ? ALL_BITS : Number(fwmask),
    }),
    ...(tos !== undefined && { tos: Number(tos) }),
    ...(uids && { uids }),
    // `ipproto-6` with -N, `6` or `tcp` elsewhere.
    ...(ipproto !== undefined && { ipProtocol: protocolOf(ipproto) }),
    ...(sourcePorts && { sourcePorts }),
    ...(destinationPorts && { destinationPorts }),
    ...(tun_id !== undefined && { tunnelId: Number(tun_id) }),
    ...(json.l3mdev !== undefined && { l3mdev: true }),
    ...(unknown.length > 0 && { unknown }),
  };
}

function prefixOf(family: Family, text?: string, length?: number): Prefix | undefined {
  if (text === undefined || (text === 'all' && length === undefined)) return undefined;
  if (text !== 'all' && parseAddress(text) === undefined) return undefined;
  const address = text === 'all' ? (family === 4 ? '0.0.0.0' : '::') : text;
  return { address, length: length ?? (family === 4 ? 32 : 128) };
}

function rangeOf(first?: number, last?: number): NumberRange | undefined {
  return first === undefined || last === undefined ? undefined : { first, last };
}

const TCP = 6;

function protocolOf(text: string | number): number {
  if (text === 'tcp') return TCP;
  const digits = /\d+$/.exec(String(text));
  return digits ? Number(digits[0]) : Number.NaN;
}

/** Types of FR_ACT_… as `ip -N` prints them (linux/fib_rules.h). */
const ACTIONS: Readonly<Record<string, RuleAction>> = {
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
  blackhole: 'blackhole',
  unreachable: 'unreachable',
  prohibit: 'prohibit',
};

function actionOf(json: RuleJson): Selectors {
  const { table, action, suppress_prefixlen, suppress_ifgroup, protocol } = json;
  const other = action === undefined ? undefined : ACTIONS[action];
  return {
    ...(table !== undefined && { table: Number(table) }),
    ...(other && { action: other }),
    ...(json.goto !== undefined && { action: 'goto' as const, goto: json.goto }),
    ...(json.nop !== undefined && { action: 'nop' as const }),
    ...(suppress_prefixlen !== undefined && { suppressPrefixLength: Number(suppress_prefixlen) }),
    ...(suppress_ifgroup !== undefined && { suppressGroup: groupOf(suppress_ifgroup) }),
    ...(protocol !== undefined && { protocol: Number(protocol) }),
  };
}

type NextHopJson = Pick<RouteJson, 'gateway' | 'via' | 'dev'>;

export function routeOf(family: Family, json: RouteJson): ObservedRoute {
  const { type, dst, from, tos, table, metric, protocol, prefsrc, flags, nexthops } = json;
  const dead = (nexthops ?? [{ flags }]).every((hop) => hop.flags?.includes('dead'));
  return {
    family,
    table: table === undefined ? MAIN_TABLE : Number(table),
    destination: dst,
    // -N prints the number of the type; RTN_UNREACHABLE is 7 (linux/rtnetlink.h).
    type: type ?? 'unicast',
    ...hopOf(json),
    ...(nexthops && { nextHops: nexthops.map(hopOf) }),
    ...(prefsrc !== undefined && { preferredSource: prefsrc }),
    ...(from !== undefined && { from }),
    ...(tos !== undefined && { tos: Number(tos) }),
    ...(dead && { dead }),
    ...(metric !== undefined && { metric }),
    ...(protocol !== undefined && { protocol: Number(protocol) }),
  };
}

function hopOf({ gateway, via, dev }: NextHopJson): NextHop {
  const next = gateway ?? via?.host;
  return { ...(next !== undefined && { via: next }), ...(dev !== undefined && { dev }) };
}
