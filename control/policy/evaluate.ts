/**
 * The reference reading of a policy. The compiled classifiers must agree with it on every packet,
 * so it is written to be read, not to be fast.
 */
import type { Address, Family } from '../config/address.js';
import {
  BROADCAST,
  DHCP_PORTS,
  type GuardName,
  type Guards,
  LINK_LOCAL,
  MULTICAST,
  UNSPECIFIED,
} from './guard.js';
import type { Policy, Rule, Verdict } from './rule.js';

/** The first packet of a flow, as the router sees it coming in. */
export interface Packet {
  /** Lower case with colons. */
  sourceMac: string;
  family: Family;
  /** A `number` for IPv4, a `bigint` for IPv6, as `family` says. */
  source: Address;
  destination: Address;
  /** A number is the IP protocol of anything that is neither TCP nor UDP. */
  protocol: 'tcp' | 'udp' | number;
  sourcePort?: number;
  destinationPort?: number;
}

export interface Classification {
  verdict: Verdict;
  /** Name of the rule that decided, `default`, or the guard. */
  rule: string;
}

function guardOf(guards: Guards, packet: Packet): GuardName | undefined {
  const { source, destination } = packet;
  if (guards.serverMacs.includes(packet.sourceMac)) return 'guard:server';
  if (guards.serverAddresses.contains(source) || guards.serverAddresses.contains(destination)) {
    return 'guard:server';
  }
  if (guards.localAddresses.contains(destination)) return 'guard:local';
  if (MULTICAST.contains(destination)) return 'guard:multicast';
  if (BROADCAST.contains(destination)) return 'guard:broadcast';
  if (LINK_LOCAL.contains(source) || LINK_LOCAL.contains(destination)) return 'guard:link-local';
  if (UNSPECIFIED.contains(source) || UNSPECIFIED.contains(destination)) return 'guard:unspecified';
  if (packet.protocol === 'udp' && DHCP_PORTS.includes(packet.destinationPort ?? -1)) {
    return 'guard:dhcp';
  }
  return undefined;
}

function portsHold(rule: Rule, packet: Packet): boolean {
  if (rule.ports === undefined) return true;
  const port = packet.destinationPort;
  if (typeof packet.protocol === 'number' || port === undefined) return false;
  return rule.ports.some((range) => range.first <= port && port <= range.last);
}

function fromHolds(rule: Rule, packet: Packet): boolean {
  if (rule.from === undefined) return true;
  return rule.from.addresses.contains(packet.source) || rule.from.macs.includes(packet.sourceMac);
}

/** Whether every condition of the rule holds for the packet. */
export function ruleMatches(rule: Rule, packet: Packet): boolean {
  return (
    (rule.proto === undefined || rule.proto === packet.protocol) &&
    fromHolds(rule, packet) &&
    (rule.macs === undefined || rule.macs.includes(packet.sourceMac)) &&
    (rule.to === undefined || rule.to.contains(packet.destination)) &&
    portsHold(rule, packet)
  );
}

/** What becomes of the flow that this packet opens: guards, then rules in order, then the default. */
export function classifyFirstPacket(
  policy: Policy,
  guards: Guards,
  packet: Packet,
): Classification {
  const guard = guardOf(guards, packet);
  if (guard !== undefined) return { verdict: 'direct', rule: guard };
  const rule = policy.rules.find((candidate) => ruleMatches(candidate, packet));
  if (rule !== undefined) return { verdict: rule.action, rule: rule.name };
  // Only TCP can be handed to a program that asks for SO_ORIGINAL_DST.
  const verdict =
    policy.default === 'proxy' && packet.protocol !== 'tcp' ? 'direct' : policy.default;
  return { verdict, rule: 'default' };
}
