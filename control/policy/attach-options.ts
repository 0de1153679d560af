/** From a specification to the eBPF classifier's options. */
import type { AttachOptions, AttachTarget } from '../../bpf/attach-options.js';
import type { TargetGroup } from '../../bpf/choice.js';
import { type Address, parseAddress } from '../config/address.js';
import { CHOICE_SEED, choiceTables } from './choice.js';
import {
  type ClassifierSpec,
  listeningInterfaces,
  type SpecTarget,
  specGroups,
  specPolicy,
} from './classifier-spec.js';

type Files = Pick<AttachOptions, 'directory' | 'object' | 'digest'>;

export function attachOptions(spec: ClassifierSpec, files: Files): AttachOptions {
  return {
    ...files,
    interfaces: spec.interfaces,
    listening: listeningInterfaces(spec),
    policy: specPolicy(spec),
    steering: steering(spec),
    ...(spec.forwarding === 'xdp' && { xdp: true }),
    flowTableSize: spec.flowTableSize,
  };
}

function steering(spec: ClassifierSpec): AttachOptions['steering'] {
  const { targets, forwarding, onFailure, resetMark, maxFlowsPerClient, heartbeats, balance } =
    spec;
  const attached = targets.map((target) => attachTarget(target, forwarding));
  const addresses = attached.flatMap(({ nextHop, heartbeat }) => [
    ...Object.values<Address>(nextHop),
    ...Object.values<Address>(heartbeat?.addresses ?? {}),
  ]);
  const groups = specGroups(spec)?.map(targetGroup);
  return {
    targets: attached,
    serverAddresses: [...new Set(addresses)],
    onFailure,
    ...(resetMark && { resetMark }),
    ...(maxFlowsPerClient !== undefined && { maxFlowsPerClient }),
    ...(groups && { choice: { groups, balance: balance ?? 'client', seed: CHOICE_SEED } }),
    ...(heartbeats && { heartbeats }),
  };
}

function targetGroup(members: readonly SpecTarget[]): TargetGroup {
  const of = (family: 'v4' | 'v6') =>
    choiceTables(
      members
        .filter(({ nextHop }) => nextHop[family] !== undefined)
        .map(({ number = 0, name = '', weight = 1, backup = false, drained = false }) => ({
          number,
          name,
          weight,
          backup,
          drained,
        })),
    );
  return { v4: of('v4'), v6: of('v6') };
}

function attachTarget(target: SpecTarget, forwarding: ClassifierSpec['forwarding']): AttachTarget {
  const {
    mark,
    macs,
    nextHop,
    serverInterface,
    number,
    name,
    health,
    drained,
    heartbeat,
    external,
  } = target;
  const direct = forwarding === 'mark' ? undefined : (serverInterface.v4 ?? serverInterface.v6);
  return {
    mark,
    macs,
    nextHop: addressesOf(nextHop),
    routeInterface: serverInterface,
    ...(direct !== undefined && { redirectInterface: direct }),
    ...(number !== undefined && { number }),
    ...(name !== undefined && { name }),
    ...(health !== undefined && { health, asksRoute: health !== 'none' }),
    ...(external && { needsRoute: true }),
    ...(drained !== undefined && { drained }),
    ...(heartbeat && { heartbeat: targetHeartbeat(heartbeat, macs) }),
  };
}

function addressesOf({ v4: text4 = '', v6: text6 = '' }: SpecTarget['nextHop']) {
  const [v4, v6] = [parseAddress(text4), parseAddress(text6)];
  return { ...(typeof v4 === 'number' && { v4 }), ...(typeof v6 === 'bigint' && { v6 }) };
}

function targetHeartbeat(
  { address, siphashKey, macFixed }: NonNullable<SpecTarget['heartbeat']>,
  [mac]: readonly string[],
): NonNullable<AttachTarget['heartbeat']> {
  return {
    addresses: addressesOf(address),
    siphashKey: Buffer.from(siphashKey, 'hex'),
    ...(macFixed && mac !== undefined && { mac }),
  };
}
