/** Desired state against the host as found → ordered steps, each with the commands that undo it. Pure. */
import type { Command } from '../command/command.js';
import {
  type Difference,
  type HostDifference,
  type HostResource,
  keptOf,
} from '../plan/difference.js';
import type { HostState, ObservedHost } from '../plan/state.js';
import type { Step } from '../plan/step.js';
import type { ResourceKind } from './kind.js';
import { KEEP_STATE, persist } from './persist.js';
import { RESOURCES } from './registry.js';
import { forgetStep, rememberSteps } from './saved-parts.js';

/** What brings a host to its desired state. */
export interface HostChanges {
  /** None where the host is as desired. */
  steps: Step[];
  /** What they change, thing by thing; made when they are asked for. */
  differences(): StepDifferences[];
  /** All else that the host should have. */
  kept(): HostResource[];
  /** What to ask of the host before the first step: each is refused where a step would be. */
  dryRuns: Command[];
}

/** What one step changes; nothing where it is about our own notes. */
export interface StepDifferences {
  step: Step;
  differences: HostDifference[];
}

/** The order is that of `registry.ts`. */
export function hostChanges(desired: HostState, observed: ObservedHost): HostChanges {
  const found = RESOURCES.map((kind) => changesOf(kind, desired, observed));
  const made = found.flatMap(({ make }) => make);
  const cleared = found.toReversed().flatMap(({ clear }) => clear);
  const all = [...made, ...cleared];
  const changes = [
    ...all.filter(({ step }) => !step.afterConfirm),
    ...all.filter(({ step }) => step.afterConfirm),
    ...keptState(desired, observed, all),
  ];
  const remember = changes.length === 0 ? [] : rememberSteps(desired, observed);
  let told: StepDifferences[] | undefined;
  const differences = () => {
    told ??= [
      ...remember.map((step) => ({ step, differences: [] })),
      ...changes.map(({ step, differences: tell }) => ({ step, differences: tell() })),
    ];
    return told;
  };
  return {
    steps: [...remember, ...changes.map(({ step }) => step)],
    differences,
    kept: () => {
      const wanted = RESOURCES.flatMap((kind) => kind.resources(kind.desired(desired), observed));
      const differing = differences().flatMap((one) => one.differences);
      return keptOf(wanted, differing).map((one) => ({ host: desired.name, ...one }));
    },
    dryRuns: found.flatMap(({ dryRuns }) => dryRuns),
  };
}

/** What an apply writes down at its end is kept for boot, too. */
function keptState(
  desired: HostState,
  observed: ObservedHost,
  changes: readonly { step: Step }[],
): { step: Step; differences: () => HostDifference[] }[] {
  const title = persist.title(KEEP_STATE);
  const isThere = changes.some(({ step }) => step.title === title);
  if (desired.persist === undefined || observed.persist === undefined) return [];
  if (changes.length === 0 || isThere) return [];
  const step = { host: desired.name, title, ...persist.apply(KEEP_STATE, observed), undo: [] };
  return [{ step, differences: () => [] }];
}

/** Everything that sidetrack made on the host goes; what it changed gets its old value. */
export function removalSteps(host: string, observed: ObservedHost): Step[] {
  const removed = RESOURCES.toReversed().flatMap((kind) =>
    kind.remove(observed).map((change) => ({
      host,
      title: kind.title(change),
      ...kind.apply(change, observed),
      undo: [],
    })),
  );
  return [...removed, ...forgetStep(host, observed)];
}

/** All that is ours on a host, as it was found. */
export function foundResources(observed: ObservedHost): Difference[] {
  return RESOURCES.flatMap((kind) =>
    kind.remove(observed).flatMap((change) => kind.differences(change, observed)),
  );
}

function changesOf<Desired, Change>(
  kind: ResourceKind<Desired, Change>,
  state: HostState,
  observed: ObservedHost,
) {
  const changes = kind.diff(kind.desired(state), observed);
  const host = state.name;
  const step = (change: Change) => ({
    step: {
      host,
      title: kind.title(change),
      ...kind.apply(change, observed),
      undo: kind.undo(change, observed),
      ...(kind.readBack && { readBack: kind.readBack(change) }),
    },
    differences: () => kind.differences(change, observed).map((one) => ({ host, ...one })),
  });
  return {
    make: changes.filter((change) => !kind.clears(change)).map(step),
    clear: changes.filter((change) => kind.clears(change)).map(step),
    dryRuns: changes.flatMap((change) => kind.dryRun?.(change, observed) ?? []),
  };
}
