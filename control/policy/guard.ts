/**
 * Guards come before every rule and cannot be overridden: traffic that must never be steered,
 * or never pass, and no policy changes that. Each classifier compiles these same sets.
 */
import { PrefixSet } from './prefix-set.js';

/** What the guards need to know of the network at hand. */
export interface Guards {
  /** MACs of the servers, lower case with colons. */
  serverMacs: readonly string[];
  serverAddresses: PrefixSet;
  /** The router's own addresses. */
  localAddresses: PrefixSet;
}

/**
 * IPv6 addresses that stand for an IPv4 one (RFC 4291, 2.5.5): IPv4-compatible ones, less `::` and
 * `::1`, and IPv4-mapped ones. No host may send them, but Linux forwards them, and a socket that
 * connects to one speaks IPv4: rules for IPv4 would be gone round. So they are dropped, as sources
 * too, since what answers such a packet would do the same.
 */
export const EMBEDDED_V4: PrefixSet = PrefixSet.of([
  { family: 6, first: 2n, last: 0xffffffffn },
  { family: 6, first: 0xffff_00000000n, last: 0xffff_ffffffffn },
]);
export const MULTICAST: PrefixSet = PrefixSet.parse('224.0.0.0/4', 'ff00::/8');
export const BROADCAST: PrefixSet = PrefixSet.parse('255.255.255.255');
export const LINK_LOCAL: PrefixSet = PrefixSet.parse('169.254.0.0/16', 'fe80::/10');
export const UNSPECIFIED: PrefixSet = PrefixSet.parse('0.0.0.0', '::');
/** Destination ports of DHCP and DHCPv6 over UDP, both directions. */
export const DHCP_PORTS: readonly number[] = [67, 68, 546, 547];

export const GUARDS = [
  'embedded-v4',
  'server',
  'local',
  'multicast',
  'broadcast',
  'link-local',
  'unspecified',
  'dhcp',
] as const;

/** The colon keeps these apart from any rule name. */
export type GuardName = `guard:${(typeof GUARDS)[number]}`;
