/** From a specification to the eBPF classifier's options, and from its errors to ours. */
import type { AttachOptions, AttachTarget } from '../../bpf/classifier.js';
import { ClassifierError } from '../../bpf/error.js';
import { findInterface } from '../../bpf/interface.js';
import { isCallError, permissionError } from '../../bpf/object.js';
import { type Address, parseAddress } from '../config/address.js';
import { SidetrackError } from '../error.js';
import { type ClassifierSpec, parseSpec, specPolicy } from '../policy/classifier-spec.js';
import { packageFile } from './package.js';

export const CLASSIFIER_OBJECT = packageFile('build/bpf/classify.bpf.o');

type Files = Pick<AttachOptions, 'directory' | 'object' | 'digest'>;

/** @param text a specification as JSON. */
export function attachOptions(text: string, files: Files): AttachOptions {
  const input = parseSpec(text);
  return {
    ...files,
    interfaces: input.interfaces,
    policy: specPolicy(input),
    steering: asSidetrackError(() => steering(input)),
    ...(input.forwarding === 'xdp' && { xdp: true }),
    flowTableSize: input.flowTableSize,
  };
}

function steering({
  targets,
  forwarding,
  onFailure,
  maxFlowsPerClient,
}: ClassifierSpec): AttachOptions['steering'] {
  const attached = targets.map((target) => attachTarget(target, forwarding));
  return {
    targets: attached,
    serverAddresses: attached.flatMap(({ nextHop }) => Object.values<Address>(nextHop)),
    onFailure,
    ...(maxFlowsPerClient !== undefined && { maxFlowsPerClient }),
  };
}

function attachTarget(
  { mark, macs, nextHop, serverInterface }: ClassifierSpec['targets'][number],
  forwarding: ClassifierSpec['forwarding'],
): AttachTarget {
  const v4 = parseAddress(nextHop.v4 ?? '');
  const v6 = parseAddress(nextHop.v6 ?? '');
  const index = (name: string | undefined) =>
    name === undefined ? undefined : findInterface(name);
  const [route4, route6] = [index(serverInterface.v4), index(serverInterface.v6)];
  const direct = forwarding === 'mark' ? undefined : (serverInterface.v4 ?? serverInterface.v6);
  return {
    mark,
    macs,
    nextHop: {
      ...(typeof v4 === 'number' && { v4 }),
      ...(typeof v6 === 'bigint' && { v6 }),
    },
    routeIfindex: {
      ...(route4 !== undefined && { v4: route4 }),
      ...(route6 !== undefined && { v6: route6 }),
    },
    ...(direct !== undefined && { redirectInterface: direct }),
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
