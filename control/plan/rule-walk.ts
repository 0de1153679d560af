/** The kernel's way through a list of `ip rule`s, for all packets of a kind at once. Pure. */
import { both, type Packets, type Share } from './packets.js';
import { shareOfTable } from './route-lookup.js';
import { shareOfRule } from './rule-match.js';
import { type ObservedHost, type ObservedIpRule, ROUTE_PROTOCOL } from './state.js';

/** A rule that takes packets before they reach a priority. */
export interface Taker {
  rule: ObservedIpRule;
  /** Of the packets that the walk was asked about. */
  share: Exclude<Share, 'none'>;
}

/** How many of the packets that a rule fits it keeps. */
export type Keeps = (rule: ObservedIpRule, host: ObservedHost, packets: Packets) => Share;

/** As the tables are now. */
export const keepsNow: Keeps = (rule, host, packets) =>
  // A VRF's own table is not in the rule; it belongs to the VRF's own networks.
  rule.l3mdev ? 'all' : shareOfTable(rule, host, packets);

/** All rules of a family but ours, in their order. */
export function foreignRules({ ipRules }: ObservedHost, family: number): ObservedIpRule[] {
  return ipRules.filter((rule) => rule.family === family && rule.protocol !== ROUTE_PROTOCOL);
}

/**
 * The rules that take packets before they reach a rule of priority `until` behind its equals; a
 * `goto` that leads past it is one of them.
 */
export function takersBefore(
  until: number,
  host: ObservedHost,
  packets: Packets,
  keeps: Keeps = keepsNow,
): Taker[] {
  const rules = foreignRules(host, packets.family);
  const takers: Taker[] = [];
  /** Where packets wait that a goto has sent ahead. */
  const ahead = new Set<number>();
  let flows = true;
  for (const [index, rule] of rules.entries()) {
    if (rule.priority > until) break;
    if (ahead.delete(index)) flows = true;
    const fits = flows ? shareOfRule(rule, packets) : 'none';
    if (fits === 'none') continue;
    const target = rule.action === 'goto' ? targetOf(rules, rule) : undefined;
    if (target !== undefined && rules[target]!.priority <= until) {
      ahead.add(target);
      if (fits === 'all') flows = false;
      continue;
    }
    const kept = both(fits, keptBy(rule, target, host, packets, keeps));
    if (kept === 'none') continue;
    const whole = takers.length === 0 && ahead.size === 0;
    takers.push({ rule, share: whole ? kept : 'some' });
    if (kept === 'all') flows = false;
    if (!flows && ahead.size === 0) break;
  }
  return takers;
}

/** The kernel follows a goto only forwards, to the first rule of that priority, if there is one. */
function targetOf(rules: readonly ObservedIpRule[], { priority, goto }: ObservedIpRule) {
  const index = rules.findIndex((rule) => rule.priority === goto && rule.priority > priority);
  return index < 0 ? undefined : index;
}

function keptBy(
  rule: ObservedIpRule,
  target: number | undefined,
  host: ObservedHost,
  packets: Packets,
  keeps: Keeps,
): Share {
  switch (rule.action ?? 'lookup') {
    case 'nop':
      return 'none';
    case 'goto':
      return target === undefined ? 'none' : 'all';
    case 'lookup':
      return keeps(rule, host, packets);
    default:
      return 'all';
  }
}
