/** From a specification to the eBPF classifier's options, and from its errors to ours. */
import type { TargetGroup } from '../../bpf/choice.js';
import type { AttachOptions, AttachTarget } from '../../bpf/classifier.js';
import { ClassifierError } from '../../bpf/error.js';
import { findInterface } from '../../bpf/interface.js';
import { isCallError, permissionError } from '../../bpf/object.js';
import { type Address, parseAddress } from '../config/address.js';
import { SidetrackError } from '../error.js';
import { CHOICE_SEED, choiceTables } from '../policy/choice.js';
import {
  type ClassifierSpec,
  listeningInterfaces,
  parseSpec,
  type SpecTarget,
  specGroups,
  specPolicy,
} from '../policy/classifier-spec.js';
import { packageFile } from './package.js';

export const CLASSIFIER_OBJECT = packageFile('build/bpf/classify.bpf.o');

type Files = Pick<AttachOptions, 'directory' | 'object' | 'digest'>;

/** @param text a specification as JSON. */
export function attachOptions(text: string, files: Files): AttachOptions {
  const input = parseSpec(text);
  return {
    ...files,
    interfaces: input.interfaces,
    listening: listeningInterfaces(input),
    policy: specPolicy(input),
    steering: asSidetrackError(() => steering(input)),
    ...(input.forwarding === 'xdp' && { xdp: true }),
    flowTableSize: input.flowTableSize,
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
  const { mark, macs, nextHop, serverInterface, number, name, health, drained, heartbeat } = target;
  const index = (name: string | undefined) =>
    name === undefined ? undefined : findInterface(name);
  const [route4, route6] = [index(serverInterface.v4), index(serverInterface.v6)];
  const direct = forwarding === 'mark' ? undefined : (serverInterface.v4 ?? serverInterface.v6);
  return {
    mark,
    macs,
    nextHop: addressesOf(nextHop),
    routeIfindex: {
      ...(route4 !== undefined && { v4: route4 }),
      ...(route6 !== undefined && { v6: route6 }),
    },
    ...(direct !== undefined && { redirectInterface: direct }),
    ...(number !== undefined && { number }),
    ...(name !== undefined && { name }),
    ...(health !== undefined && { health, asksRoute: health !== 'none' }),
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

/** Runs `work`; what the classifier says becomes an error that the command line prints. */
export function asSidetrackError<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throwSidetrackError(cause);
  }
}

/** Throws what the classifier threw, as an error that the command line prints. */
export function throwSidetrackError(cause: unknown): never {
  const error = isCallError(cause, 'EPERM', 'EACCES') ? permissionError(cause) : cause;
  if (!(error instanceof ClassifierError)) throw error;
  const { message, code, source, hint } = error;
  throw new SidetrackError(message, {
    code,
    source,
    ...(hint !== undefined && { hint }),
    cause: error.verifierLog ?? error.cause,
  });
}
