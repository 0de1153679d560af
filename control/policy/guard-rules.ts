/** The guards as rules that come before all others, for classifiers that know nothing but rules. */
import {
  BROADCAST,
  DHCP_PORTS,
  type GuardName,
  type Guards,
  LINK_LOCAL,
  MULTICAST,
  UNSPECIFIED,
} from './guard.js';
import type { Policy, Rule } from './rule.js';

const guard = (name: GuardName, condition: Partial<Rule>): Rule => ({
  name,
  action: 'direct',
  ...condition,
});

/**
 * In the order in which the reference evaluator asks them. `guard:embedded-v4` is not among them: it
 * holds for later packets, and before the server's own, too, so the program has it built in.
 */
export function guardRules(guards: Guards): Rule[] {
  const { serverAddresses: addresses, serverMacs: macs, localAddresses } = guards;
  return [
    guard('guard:server', { from: { addresses, macs } }),
    guard('guard:server', { to: addresses }),
    guard('guard:local', { to: localAddresses }),
    guard('guard:multicast', { to: MULTICAST }),
    guard('guard:broadcast', { to: BROADCAST }),
    guard('guard:link-local', { from: { addresses: LINK_LOCAL, macs: [] } }),
    guard('guard:link-local', { to: LINK_LOCAL }),
    guard('guard:unspecified', { from: { addresses: UNSPECIFIED, macs: [] } }),
    guard('guard:unspecified', { to: UNSPECIFIED }),
    guard('guard:dhcp', {
      proto: 'udp',
      ports: DHCP_PORTS.map((port) => ({ first: port, last: port })),
    }),
  ];
}

/** A policy with its guards in front. */
export function guardedPolicy(policy: Policy, guards: Guards): Policy {
  const before = guardRules(guards);
  return { ...policy, rules: [...before, ...policy.rules], guards: before.length };
}
