/** Whom the numbers in entries of flows mean: nothing but a part of the state file. */
import type { SavedTarget } from '../plan/saved-state.js';
import type { ResourceKind } from './kind.js';

type Desired = readonly SavedTarget[] | undefined;

export const targetMemory: ResourceKind<Desired, never> = {
  name: 'numbers of targets',
  observe: () => ({ commands: [], parse: () => ({}) }),
  desired: ({ targets }) => targets,
  diff: () => [],
  remove: () => [],
  clears: () => false,
  resources: () => [],
  differences: () => [],
  title: () => '',
  apply: (change) => change,
  undo: () => [],
  saves: {
    after: (targets) => (targets ? { targets: [...targets] } : {}),
    isStale: (targets, { saved }) =>
      targets !== undefined && !isUsual(targets, saved?.targets) && !same(targets, saved?.targets),
  },
};

const same = (targets: readonly SavedTarget[], saved: readonly SavedTarget[] | undefined) =>
  JSON.stringify(keysOf(targets)) === JSON.stringify(keysOf(saved ?? []));

/** What they are told apart by; a MAC may be learned again at any time. */
const keysOf = (targets: readonly SavedTarget[]) =>
  targets.map(({ name, number, drained = false, via, heartbeat }) => [
    ...[name, number, drained],
    ...[via.v4, via.v6, heartbeat?.tag],
  ]);

/** One server of which an earlier version wrote nothing: it is found by its route. */
const isUsual = (
  [first, ...others]: readonly SavedTarget[],
  saved: readonly SavedTarget[] | undefined,
) => saved === undefined && others.length === 0 && first?.number === 0 && !first.drained;
