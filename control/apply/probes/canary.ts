/**
 * A connection by the new way from end to end. A rule for this one destination sends the router's own packets
 * where those of clients are sent; the server cannot tell the two apart, since it knows the router's frames by
 * their MAC. What is left out is the classifier, of which is read back what was written.
 *
 * The rule comes before all others, and a second one refuses what finds no route: by the main table it would be
 * answered, too. Both name the port, so that nothing else that the router sends or receives follows them.
 */

import type { Command } from '../../command/command.js';
import { type Address, familyOf, parseAddress } from '../../config/address.js';
import type { Config } from '../../config/config.js';
import type { Destination } from '../../config/destination.js';
import { clientsOn } from '../../plan/client-address.js';
import type { ObservedHost } from '../../plan/state.js';
import { hopOfFamily, type Target, targetAddresses, targetsOf } from '../../plan/targets.js';
import { classifyFirstPacket } from '../../policy/evaluate.js';
import { PrefixSet } from '../../policy/prefix-set.js';
import type { Policy } from '../../policy/rule.js';
import { destinationText } from './internet.js';
import type { Probe } from './probe.js';
import { CANARY_FUNCTIONS } from './shell.js';

/** Of each family the first destination that the policy hands over for some client. */
export function canaryProbes(config: Config, policy: Policy, router: ObservedHost): Probe[] {
  return ([4, 6] as const).flatMap((family) => {
    const target = targetsOf(config, router).find(
      (one) => !one.drained && hopOfFamily(one, family),
    );
    const destination = config.confirm.canary.find(
      ({ address, port }) =>
        familyOf(parseAddress(address)!) === family &&
        isSteered(config, policy, router, { address, port }),
    );
    return target && destination ? [canary(family, target, destination)] : [];
  });
}

function canary(family: 4 | 6, target: Target, destination: Destination): Probe {
  const { address, port } = destination;
  const text = destinationText(destination);
  const where = [String(family), address, String(port), String(target.table.id)];
  return {
    name: `canary ${text}`,
    works: `${text} answers by way of ${target.name}`,
    fails: `${text}, which answered before the change, does not answer by way of ${target.name}`,
    call: ['canary', ...where],
    before: ['canary_before', ...where],
    undo: [removal(where)],
  };
}

/** Fails where there is nothing to remove, so that is no failure. */
function removal(call: readonly string[]): Command {
  const script = `${CANARY_FUNCTIONS}uncanary "$@"; exit 0`;
  return { argv: ['sh', '-c', script, 'sh', ...call], purpose: 'removing the rule of the canary' };
}

/** Whether some client's connection there is handed over: any client's, or one that a rule names, or one of `clients`. */
export function isSteered(
  config: Config,
  policy: Policy,
  router: ObservedHost,
  { address, port }: Destination,
  clients?: readonly string[],
): boolean {
  const destination = parseAddress(address)!;
  const family = familyOf(destination);
  const servers = targetAddresses(targetsOf(config, router));
  const own = router.interfaces.flatMap(({ addresses }) => addresses.map((one) => one.address));
  const guards = {
    serverMacs: [],
    serverAddresses: PrefixSet.parse(...servers.v4, ...servers.v6),
    localAddresses: PrefixSet.parse(...own),
  };
  const named = policy.rules.flatMap(({ from }) => from?.addresses.cidrs().slice(0, 1) ?? []);
  const sources = clients ?? [
    ...config.router.interfaces.flatMap((name) =>
      clientsOn(router, name, family, family === 4 ? servers.v4 : servers.v6),
    ),
    ...named.map((cidr) => cidr.split('/')[0]!),
  ];
  const macs = policy.rules.flatMap(({ from, macs: more = [] }) => [
    ...(from?.macs ?? []),
    ...more,
  ]);
  const steers = (source: Address, sourceMac: string) =>
    classifyFirstPacket(policy, guards, {
      sourceMac,
      family,
      source,
      destination,
      protocol: 'tcp',
      destinationPort: port,
    }).verdict === 'proxy';
  return sources
    .map((text) => parseAddress(text)!)
    .filter((source) => familyOf(source) === family)
    .some((source) => ['', ...macs].some((mac) => steers(source, mac)));
}
