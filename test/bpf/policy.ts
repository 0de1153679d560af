/** The reference evaluator's policy and guards as the classifier's rules. */
import type { ClassifierPolicy, ClassifierRule } from '../../bpf/policy.js';
import {
  BROADCAST,
  DHCP_PORTS,
  type Guards,
  LINK_LOCAL,
  MULTICAST,
  UNSPECIFIED,
} from '../../control/policy/guard.js';
import type { Policy } from '../../control/policy/rule.js';

const guard = (name: string, condition: Partial<ClassifierRule>): ClassifierRule => ({
  name: `guard:${name}`,
  action: 'direct',
  ...condition,
});

/** The guards as rules that come first, in the order in which the reference evaluator asks them. */
export function guardRules(guards: Guards): ClassifierRule[] {
  return [
    guard('server', { from: { addresses: guards.serverAddresses, macs: guards.serverMacs } }),
    guard('server', { to: guards.serverAddresses }),
    guard('local', { to: guards.localAddresses }),
    guard('multicast', { to: MULTICAST }),
    guard('broadcast', { to: BROADCAST }),
    guard('link-local', { from: { addresses: LINK_LOCAL, macs: [] } }),
    guard('link-local', { to: LINK_LOCAL }),
    guard('unspecified', { from: { addresses: UNSPECIFIED, macs: [] } }),
    guard('unspecified', { to: UNSPECIFIED }),
    guard('dhcp', { proto: 'udp', ports: DHCP_PORTS.map((port) => ({ first: port, last: port })) }),
  ];
}

export function classifierPolicy(policy: Policy, guards: Guards): ClassifierPolicy {
  return { rules: [...guardRules(guards), ...policy.rules], default: policy.default };
}
