/** What the router is like where the eBPF classifier judges. Pure. */
import { companionTable } from '../nft/companion-table.js';
import { digest } from '../nft/listing.js';
import { type ClassifierSpec, classifierSpec } from '../policy/classifier-spec.js';
import { guardedPolicy } from '../policy/guard-rules.js';
import { PrefixSet } from '../policy/prefix-set.js';
import { guardedAddresses, interfaceTowards, routerMacs } from './address.js';
import type { RouterPlanInput } from './router-input.js';
import type { HostState } from './state.js';

export function ebpfState(input: RouterPlanInput): Pick<HostState, 'table' | 'classifier'> {
  const { serverMac, router, config } = input;
  const { interfaces, mark } = config.router;
  const made = routerSpec(input);
  const table = {
    interfaces,
    routerMacs: routerMacs(router, interfaces),
    serverMacs: [serverMac],
    serverAddresses: guardedAddresses(config.servers[0]!),
    mark,
  };
  return {
    table: companionTable(table),
    classifier: { spec: made, digest: specDigest(made) },
  };
}

function routerSpec({ config, policy, router, serverMac }: RouterPlanInput) {
  const { interfaces, forwarding, mark, flowTableSize, maxFlowsPerClient } = config.router;
  const { v4, v6 } = config.servers[0]!.address;
  const guarded = guardedAddresses(config.servers[0]!);
  const own = router.interfaces.flatMap(({ addresses }) => addresses);
  const guards = {
    serverMacs: [serverMac],
    serverAddresses: PrefixSet.parse(...guarded.v4, ...guarded.v6),
    localAddresses: PrefixSet.parse(...own.map(({ address }) => address)),
  };
  const device = (address: string | undefined) =>
    address && interfaceTowards(router, interfaces, address)?.name;
  const [device4, device6] = [device(v4), device(v6)];
  return classifierSpec(guardedPolicy(policy, guards), {
    interfaces,
    forwarding,
    serverInterface: { ...(device4 && { v4: device4 }), ...(device6 && { v6: device6 }) },
    nextHop: { ...(v4 && { v4 }), ...(v6 && { v6 }) },
    serverMacs: [serverMac],
    mark,
    flowTableSize,
    maxFlowsPerClient,
    onFailure: config.onFailure,
  });
}

/**
 * The router's own addresses come and go, and the program asks the routing table for those that it
 * was not told: they are no reason for another attach.
 */
function specDigest({ sets, ...rest }: ClassifierSpec): string {
  const local = rest.rules.find(({ name }) => name === 'guard:local')?.to;
  return digest([rest, sets.map((set, i) => (i === local ? [] : set))]);
}
