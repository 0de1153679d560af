/** The probes of a deployment, by host. */
import type { Config } from '../../config/config.js';
import type { ObservedHost } from '../../plan/state.js';
import type { Policy } from '../../policy/rule.js';
import { ROUTER } from '../macs.js';
import { canaryProbes } from './canary.js';
import { dnsProbes } from './dns.js';
import { forwardingProbes } from './forwarding.js';
import { gatewayProbes } from './gateway.js';
import { internetProbes } from './internet.js';
import type { Probe } from './probe.js';

/** Those of one host, from what was observed of it. @param name `router`, or the server's */
export function probesOf(
  config: Config,
  policy: Policy,
  name: string,
  host: ObservedHost,
): Probe[] {
  const { gateway, dns, internet } = config.confirm;
  const called = name === ROUTER ? 'the router' : name;
  const gateways = gateway ? gatewayProbes(called, host) : [];
  if (name !== ROUTER) return [...gateways, ...internetProbes(called, internet)];
  return [
    ...gateways,
    ...dnsProbes(called, dns),
    ...forwardingProbes(config, host, internet),
    ...canaryProbes(config, policy, host),
  ];
}
