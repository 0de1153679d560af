/** Whether others use our mark or table, or take our packets before our rules see them. Pure. */
import type { Config, ServerConfig } from '../config/config.js';
import { hex } from '../config/hex.js';
import type { Path } from '../config/raw.js';
import type { Finding } from './finding.js';
import { isExternalDefault } from './hops.js';
import type { Packets } from './packets.js';
import {
  FIRST_PRIORITY,
  priorityInFront,
  type RulePriority,
  routerRulePriority,
  serverRulePriority,
  USUAL_ROUTER_PRIORITY,
  USUAL_SERVER_PRIORITY,
} from './rule-priority.js';
import { describeRule } from './rule-text.js';
import { type Taker, takersBefore } from './rule-walk.js';
import { type ObservedHost, ROUTE_PROTOCOL } from './state.js';
import { routerPackets, serverPackets } from './steered-packets.js';
import { targetsOf } from './targets.js';

/** The numbers of policy routes, and where the file says them. */
export interface PolicyRoute {
  mark: { value: number; mask: number };
  tables: readonly { id: number; path: Path; external?: true }[];
  chosen: RulePriority;
  /** What `rule_priority: auto` would mean. */
  better: RulePriority;
  packets: Packets[];
  section: Path;
}

export function routerRoute(config: Config, host: ObservedHost): PolicyRoute {
  const { mark } = config.router;
  const packets = routerPackets(config, host);
  return {
    mark,
    tables: targetsOf(config, host).map(({ name, table: { id }, external }) => ({
      id,
      ...(external && { external }),
      path: tablePath(config, name, id),
    })),
    chosen: routerRulePriority(config, host),
    better: priorityInFront(USUAL_ROUTER_PRIORITY, host, packets),
    packets,
    section: ['router'],
  };
}

/** Where the file says it, or could. */
function tablePath({ servers, router }: Config, name: string, id: number): Path {
  const index = servers.findIndex((one) => one.name === name);
  const isRouters = id === router.table.id && servers[index]?.table?.id === undefined;
  return isRouters || index < 0 ? ['router', 'table', 'id'] : ['servers', index, 'table', 'id'];
}

export function serverRoute(server: ServerConfig, index: number, host: ObservedHost): PolicyRoute {
  const { mark, table } = server.tproxy;
  const section = ['servers', index, 'tproxy'];
  const packets = serverPackets(server, host);
  return {
    mark,
    tables: [{ id: table, path: [...section, 'table'] }],
    chosen: serverRulePriority(server, host),
    better: priorityInFront(USUAL_SERVER_PRIORITY, host, packets),
    packets,
    section,
  };
}

export function foreignTable({ tables }: PolicyRoute, host: ObservedHost): Finding[] {
  return tables.flatMap(({ id, path, external }) => {
    const [first] = host.routes.filter(
      (route) =>
        route.table === id &&
        route.protocol !== ROUTE_PROTOCOL &&
        !(external && isExternalDefault(route)),
    );
    if (first === undefined) return [];
    return [
      {
        path,
        message: `routing table ${id} on ${host.address} already holds routes that sidetrack did not make (${first.destination}${first.via ? ` via ${first.via}` : ''})`,
        hint: `choose another table id, or empty it: ip route flush table ${id}${first.destination === 'default' ? '; if they are to lead to the server: route: external' : ''}`,
      },
    ];
  });
}

/** `not fwmark …` means everybody else's packets: whether it takes ours is a matter of its priority. */
export function sharedMark({ mark, section }: PolicyRoute, host: ObservedHost): Finding[] {
  const same = host.ipRules.find(
    ({ protocol, mask, inverted }) =>
      protocol !== ROUTE_PROTOCOL && mask !== undefined && (mask & mark.mask) !== 0 && !inverted,
  );
  if (same === undefined) return [];
  return [
    {
      path: [...section, 'mark'],
      message: `mark ${hex(mark.value)}/${hex(mark.mask)} shares bits with ${describeRule(same)} on ${host.address}`,
      hint:
        same.mask === ALL_BITS
          ? `that rule compares all 32 bits, so no other mark would do: give it a mask of its own (fwmark ${hex(same.mark ?? 0)}/0x…)`
          : `choose a value and mask whose bits no other rule uses: ${keyOf(section)}.mark: { value: …, mask: … }`,
    },
  ];
}

const ALL_BITS = 0xffffffff;

const keyOf = (section: Path) => section.filter((part) => typeof part === 'string').join('.');

/** What one rule takes. */
interface Taken {
  rule: Taker['rule'];
  share: Taker['share'];
  interfaces: string[];
}

/**
 * What of the packets never reaches our rules. Nothing works where everything of an interface is
 * taken, which is an error; rules for single clients or destinations may be meant.
 */
export function takenPackets(
  route: PolicyRoute,
  host: ObservedHost,
): { errors: Finding[]; warnings: Finding[] } {
  const takers = route.packets.flatMap((packets) =>
    takersBefore(route.chosen.priority, host, packets).map((taker) => ({ ...taker, packets })),
  );
  const byRule = new Map<string, Taken>();
  for (const { rule, share, packets } of takers) {
    const key = describeRule(rule);
    const known = byRule.get(key) ?? { rule, share, interfaces: [] };
    known.interfaces.push(packets.iif);
    byRule.set(key, share === 'all' ? { ...known, share } : known);
  }
  const finding = (taken: Taken) => describeTaken(route, host, taken);
  const taken = [...byRule.values()];
  return {
    errors: taken.filter(({ share }) => share === 'all').map(finding),
    warnings: taken.filter(({ share }) => share === 'some').map(finding),
  };
}

function describeTaken(route: PolicyRoute, host: ObservedHost, taken: Taken): Finding {
  const { chosen, section } = route;
  const { rule, share, interfaces } = taken;
  // Only nft asks for the route as if from lo, and what it asks for is the clients' packets.
  const real = interfaces.filter((name) => name !== 'lo');
  const from = real.length > 0 ? ` from ${real.join(', ')}` : '';
  const what = share === 'all' ? 'the' : 'some of the';
  return {
    path: [...section, 'rule_priority'],
    message: `${describeRule(rule)} on ${host.address} takes ${what} packets${from} that rule priority ${chosen.priority} is for, so they are not handed over`,
    hint: hintFor(route, taken),
  };
}

function hintFor({ better, section }: PolicyRoute, { rule }: Taken): string {
  if (rule.priority <= FIRST_PRIORITY)
    return `nothing can stand in front of it: give that rule a priority of ${FIRST_PRIORITY + 1} or more`;
  return `write ${keyOf(section)}.rule_priority: ${better.priority}, or leave it out (auto)`;
}
