/**
 * The priority of our `ip rule`s. `auto` is the usual number, or the one in front of the first rule of
 * another program that could take our packets. What such a rule's table holds at the moment does not
 * count: the routes of a VPN come and go, and our priority must not.
 */
import type { Config, ServerConfig } from '../config/config.js';
import type { Packets } from './packets.js';
import { LOCAL_TABLE } from './route-lookup.js';
import { describeRule } from './rule-text.js';
import { type Keeps, takersBefore } from './rule-walk.js';
import type { ObservedHost, ObservedIpRule } from './state.js';
import { routerPackets, serverPackets } from './steered-packets.js';

export const USUAL_ROUTER_PRIORITY = 1500;
export const USUAL_SERVER_PRIORITY = 1501;

/** The first number that a rule of ours can have. */
export const FIRST_PRIORITY = 1;

export interface RulePriority {
  priority: number;
  /** Why it is not the usual number. */
  why?: string;
}

export function routerRulePriority(config: Config, host: ObservedHost): RulePriority {
  const { rulePriority } = config.router;
  if (rulePriority !== 'auto') return { priority: rulePriority };
  return priorityInFront(USUAL_ROUTER_PRIORITY, host, routerPackets(config, host));
}

export function serverRulePriority(server: ServerConfig, host: ObservedHost): RulePriority {
  const { rulePriority } = server.tproxy;
  if (rulePriority !== 'auto') return { priority: rulePriority };
  return priorityInFront(USUAL_SERVER_PRIORITY, host, serverPackets(server, host));
}

/** Any table but the kernel's own could have a route. */
const couldKeep: Keeps = ({ table }) => (table === LOCAL_TABLE ? 'none' : 'all');

export function priorityInFront(
  usual: number,
  host: ObservedHost,
  packets: readonly Packets[],
): RulePriority {
  const takers = packets.flatMap((one) => takersBefore(usual, host, one, couldKeep));
  const [first] = takers.map(({ rule }) => rule).sort((a, b) => a.priority - b.priority);
  if (first === undefined) return { priority: usual };
  return { priority: Math.max(first.priority - 1, FIRST_PRIORITY), why: reasonOf(first) };
}

function reasonOf(first: ObservedIpRule): string {
  return `in front of ${describeRule(first)}`;
}
