/**
 * Guards come before every rule and cannot be overridden: traffic that must never be steered,
 * whatever the policy says. Each classifier compiles these same sets.
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

export const MULTICAST: PrefixSet = PrefixSet.parse('224.0.0.0/4', 'ff00::/8');
export const BROADCAST: PrefixSet = PrefixSet.parse('255.255.255.255');
export const LINK_LOCAL: PrefixSet = PrefixSet.parse('169.254.0.0/16', 'fe80::/10');
export const UNSPECIFIED: PrefixSet = PrefixSet.parse('0.0.0.0', '::');
/** Destination ports of DHCP and DHCPv6 over UDP, both directions. */
export const DHCP_PORTS: readonly number[] = [67, 68, 546, 547];

/** The colon keeps these apart from any rule name. */
export type GuardName =
  | 'guard:server'
  | 'guard:local'
  | 'guard:multicast'
  | 'guard:broadcast'
  | 'guard:link-local'
  | 'guard:unspecified'
  | 'guard:dhcp';
