/**
 * Where our `ip rule`s stand. `auto` is the usual number, or the one in front of the first rule of
 * somebody else's that could take our packets. What such a rule's table holds at the moment does not
 * count: the routes of a VPN come and go, and our place must not.
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

export interface Place {
  priority: number;
  /** Why it is not the usual number. */
  note?: string;
}

export function routerPlace(config: Config, host: ObservedHost): Place {
  const { rulePriority } = config.router;
  if (rulePriority !== 'auto') return { priority: rulePriority };
  return placeInFront(USUAL_ROUTER_PRIORITY, host, routerPackets(config, host));
}

export function serverPlace(server: ServerConfig, host: ObservedHost): Place {
  const { rulePriority } = server.tproxy;
  if (rulePriority !== 'auto') return { priority: rulePriority };
  return placeInFront(USUAL_SERVER_PRIORITY, host, serverPackets(server, host));
}

/** Any table but the kernel's own could have a route. */
const couldKeep: Keeps = ({ table }) => (table === LOCAL_TABLE ? 'none' : 'all');

export function placeInFront(
  usual: number,
  host: ObservedHost,
  packets: readonly Packets[],
): Place {
  const takers = packets.flatMap((one) => takersBefore(usual, host, one, couldKeep));
  const [first] = takers.map(({ rule }) => rule).sort((a, b) => a.priority - b.priority);
  if (first === undefined) return { priority: usual };
  return { priority: Math.max(first.priority - 1, FIRST_PRIORITY), note: noteOf(first) };
}

function noteOf(first: ObservedIpRule): string {
  return `in front of ${describeRule(first)}`;
}
