/** What the router is like where the eBPF classifier judges. Pure. */
import type { Config } from '../config/config.js';
import { companionTable } from '../nft/companion-table.js';
import { digest } from '../nft/listing.js';
import type { Mark } from '../nft/mark.js';
import { type ClassifierSpec, classifierSpec, type SpecTarget } from '../policy/classifier-spec.js';
import { guardedPolicy } from '../policy/guard-rules.js';
import { PrefixSet } from '../policy/prefix-set.js';
import { routerMacs } from './address.js';
import { flowTarget, serverInterfaces } from './flow-target.js';
import type { RouterPlanInput } from './router-input.js';
import type { DesiredClassifier, HostState } from './state.js';
import { hopOfFamily, resetMark, type Target, targetAddresses, targetMacs } from './targets.js';

export function ebpfState(
  input: RouterPlanInput,
  targets: readonly Target[],
): Pick<HostState, 'table' | 'classifier'> {
  const { router, config } = input;
  const { interfaces } = config.router;
  const made = routerSpec(input, targets);
  const table = {
    interfaces,
    routerMacs: routerMacs(router, interfaces),
    serverMacs: targetMacs(targets),
    serverAddresses: targetAddresses(targets),
    targets: targets.map(flowTarget),
    ...withResetMark(config, targets),
    health: config.health,
    serverInterfaces: serverInterfaces(targets),
  };
  return {
    table: companionTable(table),
    classifier: desiredClassifier(made, input.bundles),
  };
}

/** Of a specification as it is, or of a bundle. What one loader wrote down the other cannot read. */
const BUNDLE = 'bundle-';
export const isBundle = (name: string): boolean => name.startsWith(BUNDLE);

function desiredClassifier(
  spec: ClassifierSpec,
  bundles: RouterPlanInput['bundles'],
): DesiredClassifier {
  const name = specDigest(spec);
  if (bundles === undefined) return { spec, digest: name };
  let made: string | undefined;
  // Some hundred milliseconds, where the lists are long.
  const bundle = () => {
    made ??= bundles.of(spec);
    return made;
  };
  return { spec, digest: `${BUNDLE}${name}`, loader: { path: bundles.path, bundle } };
}

function withResetMark(config: Config, targets: readonly Target[]): { resetMark?: Mark } {
  const mark = resetMark(config, targets);
  return mark === undefined ? {} : { resetMark: mark };
}

function routerSpec({ config, policy, router }: RouterPlanInput, targets: readonly Target[]) {
  const { interfaces, forwarding, flowTableSize, maxFlowsPerClient } = config.router;
  const guarded = targetAddresses(targets);
  const serverMacs = targetMacs(targets);
  const own = router.interfaces.flatMap(({ addresses }) => addresses);
  const guards = {
    serverMacs,
    serverAddresses: PrefixSet.parse(...guarded.v4, ...guarded.v6),
    localAddresses: PrefixSet.parse(...own.map(({ address }) => address)),
  };
  return classifierSpec(guardedPolicy(policy, guards), {
    interfaces,
    forwarding,
    targets: targets.map(specTarget),
    flowTableSize,
    maxFlowsPerClient,
    onFailure: config.onFailure,
    ...withResetMark(config, targets),
    ...(targets.length > 1 && { balance: config.balance }),
    ...(targets.some(hasHeartbeat) && { heartbeats: config.health }),
  });
}

const hasHeartbeat = ({ health, heartbeat }: Target): boolean =>
  health === 'heartbeat' && heartbeat !== undefined;

function specTarget(target: Target, _place: number, { length }: readonly Target[]): SpecTarget {
  const [hop4, hop6] = [hopOfFamily(target, 4), hopOfFamily(target, 6)];
  const { number, name, weight, backup, drained, health, mark, external } = target;
  return {
    nextHop: { ...(hop4 && { v4: hop4.via }), ...(hop6 && { v6: hop6.via }) },
    serverInterface: { ...(hop4?.dev && { v4: hop4.dev }), ...(hop6?.dev && { v6: hop6.dev }) },
    macs: targetMacs([target]),
    mark,
    number,
    name,
    ...(length > 1 && { weight, backup }),
    ...(drained && { drained }),
    ...(external && { external }),
    health,
    ...specHeartbeat(target),
  };
}

function specHeartbeat(target: Target): Pick<SpecTarget, 'heartbeat'> {
  const { addresses, heartbeat, macFixed } = target;
  if (!hasHeartbeat(target) || heartbeat === undefined) return {};
  const [v4, v6] = [addresses.v4[0], addresses.v6[0]];
  const address = { ...(v4 !== undefined && { v4 }), ...(v6 !== undefined && { v6 }) };
  return { heartbeat: { address, siphashKey: heartbeat.siphashKey, macFixed } };
}

/**
 * The router's own addresses come and go, and the program asks the routing table for those that it
 * was not told: they are no reason for another attach.
 */
function specDigest({ sets, ...rest }: ClassifierSpec): string {
  const local = rest.rules.find(({ name }) => name === 'guard:local')?.to;
  return digest([rest, sets.map((set, i) => (i === local ? [] : set))]);
}
