/**
 * The eBPF classifier. Its steps are commands of our own, `sidetrack bpf attach` and `detach`; without Node.js there a
 * static loader takes the same words, and a bundle in place of the specification.
 */
import type { ClassifierState } from '../../bpf/report.js';
import { type Command, withInputFile } from '../command/command.js';
import { shellWords } from '../command/shell.js';
import type { Resource } from '../plan/difference.js';
import { isBundle } from '../plan/ebpf.js';
import { savedSpecPath } from '../plan/paths.js';
import type { DesiredClassifier, ObservedFrom, ObservedHost } from '../plan/state.js';
import { listeningInterfaces } from '../policy/classifier-spec.js';
import { classifierQuery } from './bpf-query.js';
import type { KeepItem, KeptCopy, ResourceKind } from './kind.js';
import { holdsFlows } from './nft-table.js';

/** `flowsMove`: the nftables classifier steers before, or will steer after. */
export type ClassifierChange =
  | {
      kind: 'attach';
      desired: DesiredClassifier;
      why: string;
      flowsMove: boolean;
      /** Another one is there already. */
      updates: boolean;
    }
  | { kind: 'detach'; flowsMove: boolean };

interface Desired {
  /** Absent where nftables classifies. */
  classifier?: DesiredClassifier;
  /** nftables will enter flows in sets of its own. */
  nftablesSteers: boolean;
}

export const classifier: ResourceKind<Desired, ClassifierChange> = {
  name: 'eBPF classifier',
  observe: classifierQuery,
  desired: ({ classifier: wanted, table }) => ({
    ...(wanted && { classifier: wanted }),
    nftablesSteers: holdsFlows(table.sets),
  }),
  diff,
  remove: (observed) => diff({ nftablesSteers: false }, observed),
  clears: ({ kind }) => kind === 'detach',
  resources: ({ classifier: wanted }) => (wanted ? [CLASSIFIER] : []),
  differences: (change, observed) => [classifierDifference(change, observed)],
  title,
  apply: (change, observed) =>
    change.kind === 'attach' ? attach(change, observed) : detach(change, observed),
  undo,
  dryRun: (change, observed) =>
    change.kind === 'attach' ? trial(change.desired, observed) : undefined,
  keep,
  saves: {
    after: ({ classifier: wanted }) => ({
      ...(wanted && { classifier: wanted.digest }),
      ...(wanted?.loader && { loader: wanted.loader.path }),
    }),
    isStale: ({ classifier: wanted }, { saved }) =>
      wanted !== undefined && wanted.loader?.path !== saved?.loader,
    files: ({ classifier: wanted }, stateDir) =>
      wanted
        ? [
            {
              path: savedSpecPath(stateDir, wanted.digest),
              content: inputOf(wanted).stdin,
            },
          ]
        : [],
    paths: ({ classifier: name, loader }, stateDir) => [
      ...(name === undefined ? [] : [savedSpecPath(stateDir, name)]),
      ...(loader === undefined ? [] : [loader]),
    ],
  },
};

const CLASSIFIER: Resource = { kind: 'classifier', name: 'eBPF' };

function classifierDifference(change: ClassifierChange, { classifier: found }: ObservedHost) {
  const { flowsMove } = change;
  const before = found && attachedTo(found.interfaces.map(({ name }) => name));
  if (change.kind === 'detach') {
    const flows = flowsMove ? ('move' as const) : ('break' as const);
    const difference = { ...CLASSIFIER, action: 'removed' as const, flows };
    return { ...difference, ...(before && { before }), destructive: !flowsMove };
  }
  const { spec } = change.desired;
  const after = `${attachedTo(spec.interfaces)} (forwarding: ${spec.forwarding})`;
  const flows = flowsMove ? { flows: 'move' as const } : found ? { flows: 'stay' as const } : {};
  const action = before === undefined ? ('added' as const) : ('changed' as const);
  const why = before && { before: `${before} (${change.why})` };
  return { ...CLASSIFIER, action, ...why, after, destructive: false, ...flows };
}

const attachedTo = (interfaces: readonly string[]) => `attached to ${interfaces.join(', ')}`;

function diff(
  { classifier: desired, nftablesSteers }: Desired,
  { classifier: found, listing, saved }: ObservedHost,
): ClassifierChange[] {
  if (desired === undefined) {
    // Remembered and not found: its pins may be gone, and the programs still there.
    const remains = found !== undefined || saved?.classifier !== undefined;
    return remains ? [{ kind: 'detach', flowsMove: nftablesSteers }] : [];
  }
  const why = difference(desired, found);
  if (why === undefined) return [];
  const flowsMove = holdsFlows(listing?.sets ?? []);
  return [{ kind: 'attach', desired, why, flowsMove, updates: found !== undefined }];
}

/** In a few words; nothing when there is none. */
function difference(
  { spec, digest: wanted }: DesiredClassifier,
  found: ClassifierState | undefined,
): string | undefined {
  if (found === undefined) return 'not attached';
  const { interfaces, listening = [], ...xdp } = found;
  const lost =
    lostFilters(interfaces, spec.interfaces) ?? lostFilters(listening, listeningInterfaces(spec));
  if (lost !== undefined) return lost;
  if (found.digest !== wanted) return 'policy';
  return lostXdp(xdp) ?? (found.outdated ? 'another build' : undefined);
}

/** What the classifier has lost since it was attached, in a few words; nothing when nothing. */
export function lossOf({ interfaces, listening = [], ...xdp }: AttachPoints): string | undefined {
  const filters = [...interfaces, ...listening];
  return (
    lostFilters(
      filters,
      filters.map(({ name }) => name),
    ) ?? lostXdp(xdp)
  );
}

type AttachPoints = Pick<ClassifierState, 'interfaces' | 'listening' | 'xdp' | 'serverMoved'>;

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
}: Omit<AttachPoints, 'interfaces' | 'listening'>): string | undefined {
  const lost = xdp.filter(({ mode }) => mode === 'missing' || mode === 'other');
  if (lost.length > 0)
    return `no XDP program of ours on ${lost.map(({ name }) => name).join(', ')}`;
  return moved && `the server moved from ${moved.from} to ${moved.to}`;
}

function title(change: ClassifierChange): string {
  if (change.kind === 'detach')
    return change.flowsMove
      ? 'detach the eBPF classifier; nftables takes over its live flows'
      : 'detach the eBPF classifier';
  const { interfaces, forwarding } = change.desired.spec;
  const where = interfaces.join(', ');
  const attach = `attach the eBPF classifier to ${where} (forwarding: ${forwarding})`;
  if (change.flowsMove) return `${attach}; it takes over the live flows of nftables`;
  return change.updates
    ? `update the eBPF classifier on ${where} (${change.why}); live flows stay`
    : attach;
}

function attach(
  { desired, flowsMove }: ClassifierChange & { kind: 'attach' },
  observed: ObservedHost,
): Command {
  const options = ['--digest', desired.digest, ...(flowsMove ? ['--take-over'] : [])];
  return { argv: bpf(observed, 'attach', ...options), ...inputOf(desired) };
}

function detach({ flowsMove }: { flowsMove: boolean }, observed: ObservedHost): Command {
  return { argv: bpf(observed, 'detach', ...(flowsMove ? ['--hand-over'] : [])) };
}

function undo(change: ClassifierChange, observed: ObservedHost): Command[] {
  const { kind, flowsMove } = change;
  const desired = change.kind === 'attach' ? change.desired : undefined;
  const options = kind === 'detach' && flowsMove ? ['--take-over'] : [];
  const back = reattach(observed, desired, options);
  if (kind === 'attach') return [back ?? detach({ flowsMove }, observed)];
  return back ? [back] : [];
}

/** Back to what the last apply left; nothing where none did, or another loader, which is not there any more. */
function reattach(
  observed: ObservedHost,
  desired: DesiredClassifier | undefined,
  options: readonly string[],
): Command | undefined {
  const name = observed.saved?.classifier;
  if (observed.classifier === undefined || name === undefined) return undefined;
  if (desired !== undefined && isBundle(desired.digest) !== isBundle(name)) return undefined;
  const path = savedSpecPath(observed.stateDir, name);
  return withInputFile(path, bpf(observed, 'attach', '--digest', name, ...options));
}

/** Loads the specification into the kernel and lets it go. */
function trial(desired: DesiredClassifier, observed: ObservedHost): Command {
  return { argv: bpf(observed, 'attach', '--dry-run', '--json'), ...inputOf(desired) };
}

function bpf({ sidetrack, bpfDirectory }: ObservedHost, verb: string, ...options: string[]) {
  return [...sidetrack, 'bpf', verb, '--directory', bpfDirectory, ...options];
}

/** Written beside the keeper's program: what the classifier is made from, and what makes it. */
function keep(
  { classifier: wanted }: Desired,
  {
    sidetrack,
    bpfDirectory,
    stateDir,
  }: Pick<ObservedFrom, 'sidetrack' | 'bpfDirectory' | 'stateDir'>,
): KeepItem[] {
  if (wanted === undefined) return [];
  const { spec, digest, loader } = wanted;
  const from = savedSpecPath(stateDir, digest);
  const name = from.slice(from.lastIndexOf('/') + 1);
  const names = [...new Set([...spec.interfaces, ...listeningInterfaces(spec)])];
  const pins = shellWords([bpfDirectory, digest]);
  const places = shellWords([bpfDirectory, ...names]);
  const repair = [`attach_classifier ${pins}`];
  const loaderCopy: KeptCopy[] = loader ? [loaderKept(loader.path)] : [];
  return [
    {
      name: CLASSIFIER.name,
      looked: 'second',
      check: `check_pins ${pins}`,
      repair,
      settings: {
        bpf_words: loader
          ? `"$dir/${LOADER}" ${shellWords(sidetrack.slice(1))}`
          : shellWords(sidetrack),
        bpf_loader: loader ? 'yes' : '',
      },
      copies: [{ name, from }, ...loaderCopy],
    },
    {
      name: attachedTo(names),
      looked: 'filters',
      check: `check_filters ${places} "$1"`,
      repair,
      learn: `learn_filters ${places} "$1"`,
    },
  ];
}

const LOADER = 'loader';

/** The name of the one in /run says what is in it. */
const loaderKept = (from: string): KeptCopy => ({
  name: LOADER,
  from,
  digest: /[0-9a-f]{12}$/.exec(from)?.[0] ?? '',
  isProgram: true,
});

/** The keys in a specification are hidden where it is shown; in a bundle they cannot be found. */
const inputOf = ({ spec, loader }: DesiredClassifier) =>
  loader === undefined
    ? { stdin: `${JSON.stringify(spec)}\n` }
    : { stdin: loader.bundle(), isSecret: true as const };
