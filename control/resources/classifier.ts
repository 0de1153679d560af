/** The eBPF classifier in a plan: whether it is as desired, and the commands that bring it there. */

import { type Command, withInputFile } from '../command/command.js';
import { isFlowSet } from '../nft/flow-elements.js';
import { savedSpecPath } from '../plan/paths.js';
import type {
  DesiredClassifier,
  HostState,
  ObservedClassifier,
  ObservedHost,
} from '../plan/state.js';
import type { ClassifierSpec } from '../policy/classifier-spec.js';

/** `flowsMove`: the nftables classifier steers before, or will steer after. */
export type ClassifierChange =
  | { kind: 'attach'; desired: DesiredClassifier; why: string; flowsMove: boolean }
  | { kind: 'detach'; flowsMove: boolean };

export function diffClassifier(
  { classifier: desired, table }: HostState,
  { classifier: found, listing, saved }: ObservedHost,
): ClassifierChange | undefined {
  const hasFlows = (names: readonly { name: string }[] = []) =>
    names.some(({ name }) => isFlowSet(name));
  // Remembered and not found: its pins may be gone, and the programs still there.
  if (desired === undefined)
    return found || saved?.classifier
      ? { kind: 'detach', flowsMove: hasFlows(table.sets) }
      : undefined;
  const why = difference(desired, found);
  return why === undefined
    ? undefined
    : { kind: 'attach', desired, why, flowsMove: hasFlows(listing?.sets) };
}

/** In a few words; nothing when there is none. */
function difference(
  { spec, digest: wanted }: DesiredClassifier,
  found: ObservedClassifier | undefined,
): string | undefined {
  if (found === undefined) return 'not attached';
  const { interfaces, ...xdp } = found;
  const lost = lostFilters(interfaces, spec.interfaces);
  if (lost !== undefined) return lost;
  if (found.digest !== wanted) return 'policy';
  return lostXdp(xdp) ?? (found.outdated ? 'another build' : undefined);
}

/** What the classifier has lost since it was attached, in a few words; nothing when nothing. */
export function lossOf({ interfaces, ...xdp }: AttachPoints): string | undefined {
  const names = interfaces.map(({ name }) => name);
  return lostFilters(interfaces, names) ?? lostXdp(xdp);
}

type AttachPoints = Pick<ObservedClassifier, 'interfaces' | 'xdp' | 'serverMoved'>;

function lostFilters(
  found: AttachPoints['interfaces'],
  wanted: readonly string[],
): string | undefined {
  const filterOf = (name: string) => found.find((one) => one.name === name)?.filter;
  const lost = wanted.filter((name) => filterOf(name) !== 'attached');
  return lost.length > 0 ? `no filter of ours on ${lost.join(', ')}` : undefined;
}

function lostXdp({
  xdp = [],
  serverMoved: moved,
}: Omit<AttachPoints, 'interfaces'>): string | undefined {
  const lost = xdp.filter(({ mode }) => mode === 'missing' || mode === 'other');
  if (lost.length > 0)
    return `no XDP program of ours on ${lost.map(({ name }) => name).join(', ')}`;
  return moved && `the server moved from ${moved.from} to ${moved.to}`;
}

function bpf({ sidetrack, bpfDirectory }: ObservedHost, verb: string, ...options: string[]) {
  return [...sidetrack, 'bpf', verb, '--directory', bpfDirectory, ...options];
}

type Commands = [title: string, command: Command, undo: Command[]];

/** Title, command and what undoes it. */
export function classifierStep(observed: ObservedHost, change: ClassifierChange): Commands {
  return change.kind === 'attach' ? attach(observed, change) : detach(observed, change);
}

function attach(
  observed: ObservedHost,
  { desired, why, flowsMove }: ClassifierChange & { kind: 'attach' },
): Commands {
  const { spec, digest: name } = desired;
  const options = ['--digest', name, ...(flowsMove ? ['--take-over'] : [])];
  const where = `${spec.interfaces.join(', ')} (forwarding: ${spec.forwarding})`;
  const title = flowsMove
    ? `attach the eBPF classifier to ${where}; it takes over the live flows of nftables`
    : observed.classifier
      ? `update the eBPF classifier on ${spec.interfaces.join(', ')} (${why}); live flows stay`
      : `attach the eBPF classifier to ${where}`;
  const back = flowsMove ? ['--hand-over'] : [];
  const undo = reattach(observed) ?? { argv: bpf(observed, 'detach', ...back) };
  return [title, { argv: bpf(observed, 'attach', ...options), stdin: asInput(spec) }, [undo]];
}

function detach(
  observed: ObservedHost,
  { flowsMove }: ClassifierChange & { kind: 'detach' },
): Commands {
  const title = flowsMove
    ? 'detach the eBPF classifier; nftables takes over its live flows'
    : 'detach the eBPF classifier';
  const undo = reattach(observed, ...(flowsMove ? ['--take-over'] : []));
  return [title, detachCommand(observed, flowsMove), undo ? [undo] : []];
}

export function detachCommand(observed: ObservedHost, flowsMove = false): Command {
  return { argv: bpf(observed, 'detach', ...(flowsMove ? ['--hand-over'] : [])) };
}

/** Back to what the last apply left; nothing where none did. */
function reattach(observed: ObservedHost, ...options: string[]): Command | undefined {
  const name = observed.saved?.classifier;
  if (observed.classifier === undefined || name === undefined) return undefined;
  const path = savedSpecPath(observed.stateDir, name);
  return withInputFile(path, bpf(observed, 'attach', '--digest', name, ...options));
}

export const asInput = (spec: ClassifierSpec): string => `${JSON.stringify(spec)}\n`;
