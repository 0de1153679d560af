/**
 * The reference reading of a policy. The compiled classifiers must agree with it on every packet,
 * so it is written to be read, not to be fast.
 */
import type { Address, Family } from '../config/address.js';
import {
  BROADCAST,
  DHCP_PORTS,
  EMBEDDED_V4,
  type GuardName,
  type Guards,
  LINK_LOCAL,
  MULTICAST,
  UNSPECIFIED,
} from './guard.js';
import { embeddedV4, hasReservedBits } from './nat64.js';
import type { Policy, Rule, Verdict } from './rule.js';

/**
 * What of a packet cannot be seen on the way: a later fragment, or one too small, hides the ports;
 * a chain of headers that does not end hides the protocol, too.
 */
export type Unseen = 'ports' | 'protocol';

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
  /** Absent: nothing. What is named here counts for nothing above. */
  unseen?: Unseen;
}

export interface Classification {
  verdict: Verdict;
  /** Name of the rule that decided, `default`, or the guard. */
  rule: string;
  /** Of `proxy`: place in `Policy.groups`; 0 when absent. */
  group?: number;
}

function guardOf(guards: Guards, packet: Packet): GuardName | undefined {
  const { source, destination } = packet;
  if (EMBEDDED_V4.contains(source) || EMBEDDED_V4.contains(destination)) return 'guard:embedded-v4';
  if (guards.serverMacs.includes(packet.sourceMac)) return 'guard:server';
  if (guards.serverAddresses.contains(source) || guards.serverAddresses.contains(destination)) {
    return 'guard:server';
  }
  if (guards.localAddresses.contains(destination)) return 'guard:local';
  if (MULTICAST.contains(destination)) return 'guard:multicast';
  if (BROADCAST.contains(destination)) return 'guard:broadcast';
  if (LINK_LOCAL.contains(source) || LINK_LOCAL.contains(destination)) return 'guard:link-local';
  if (UNSPECIFIED.contains(source) || UNSPECIFIED.contains(destination)) return 'guard:unspecified';
  if (
    packet.unseen === undefined &&
    packet.protocol === 'udp' &&
    DHCP_PORTS.includes(packet.destinationPort ?? -1)
  ) {
    return 'guard:dhcp';
  }
  return undefined;
}

/** A rule that blocks it must hold for all that it could be, and no other rule may let it through. */
const holdsUnseen = ({ action }: Rule): boolean => action === 'block';

function protocolHolds(rule: Rule, packet: Packet): boolean {
  if (rule.proto === undefined) return true;
  return packet.unseen === 'protocol' ? holdsUnseen(rule) : rule.proto === packet.protocol;
}

function portsHold(rule: Rule, packet: Packet): boolean {
  if (rule.ports === undefined) return true;
  if (packet.unseen === 'protocol') return holdsUnseen(rule);
  if (packet.unseen === 'ports') return typeof packet.protocol !== 'number' && holdsUnseen(rule);
  const port = packet.destinationPort;
  if (typeof packet.protocol === 'number' || port === undefined) return false;
  return rule.ports.some((range) => range.first <= port && port <= range.last);
}

function fromHolds(rule: Rule, packet: Packet): boolean {
  if (rule.from === undefined) return true;
  return rule.from.addresses.contains(packet.source) || rule.from.macs.includes(packet.sourceMac);
}

function toHolds(rule: Rule, { destination }: Packet, nat64: Policy['nat64'] = []): boolean {
  if (rule.to === undefined || rule.to.contains(destination)) return true;
  const embedded = embeddedV4(nat64, destination);
  return embedded !== undefined && rule.to.contains(embedded);
}

/** Whether every condition of the rule holds for the packet. */
export function ruleMatches(rule: Rule, packet: Packet, nat64?: Policy['nat64']): boolean {
  return (
    protocolHolds(rule, packet) &&
    fromHolds(rule, packet) &&
    (rule.macs === undefined || rule.macs.includes(packet.sourceMac)) &&
    toHolds(rule, packet, nat64) &&
    portsHold(rule, packet)
  );
}

/**
 * What becomes of the flow that this packet opens: guards, then rules in order, then the default.
 * Of a packet that hides something: whether it is dropped, for it cannot be handed over.
 */
export function classifyFirstPacket(
  policy: Policy,
  guards: Guards,
  packet: Packet,
): Classification {
  if (hasReservedBits(policy.nat64 ?? [], packet.destination))
    return { verdict: 'block', rule: 'guard:embedded-v4' };
  const guard = guardOf(guards, packet);
  if (guard === 'guard:embedded-v4') return { verdict: 'block', rule: guard };
  if (guard !== undefined) return { verdict: 'direct', rule: guard };
  const rule = policy.rules.find((candidate) => ruleMatches(candidate, packet, policy.nat64));
  // Only TCP can be handed to a program that asks for SO_ORIGINAL_DST.
  const isForServer = packet.protocol === 'tcp' && packet.unseen === undefined;
  const decided = (verdict: Verdict, name: string, group?: number): Classification => {
    if (verdict !== 'proxy' || !isForServer)
      return { verdict: verdict === 'proxy' ? 'direct' : verdict, rule: name };
    return { verdict, rule: name, ...(group !== undefined && { group }) };
  };
  if (rule !== undefined) return decided(rule.action, rule.name, rule.group);
  return decided(policy.default, 'default');
}
