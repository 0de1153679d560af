/**
 * The state file of a host: what sidetrack wrote down when it last changed something. Each kind says what
 * it needs there.
 */
import { type Command, OWNER_ONLY, removeFiles, writeFileWithMode } from '../command/command.js';
import { type Answer, contentOf, type Query, readIfThere } from '../command/query.js';
import type { Undoable } from '../plan/change-steps.js';
import { savedListingPath, savedStatePath } from '../plan/paths.js';
import { KEPT_STATE } from '../plan/persist.js';
import { parseSavedState } from '../plan/saved-state.js';
import type { HostState, ObservedFrom, ObservedHost, SavedState } from '../plan/state.js';
import type { Step } from '../plan/step.js';
import type { SavedFile, Saves } from './kind.js';
import { RESOURCES } from './registry.js';
import { withListed } from './script-listing.js';

/** What a host has of it. */
export interface SavedFound {
  saved: SavedState;
  /** The state file to the byte; absent where what was kept for boot stands for it. */
  savedText?: string;
}

/** After a reboot /run is empty, and what was kept for boot stands for it. */
export function savedQuery(
  host: Pick<ObservedFrom, 'address' | 'stateDir' | 'ownsEtc'>,
): Query<SavedFound | undefined> {
  const directories = host.ownsEtc ? [host.stateDir, KEPT_STATE] : [host.stateDir];
  const paths = directories.flatMap((one) => [savedStatePath(one), savedListingPath(one)]);
  return {
    commands: paths.map(readIfThere),
    parse: (state, listing, keptState, keptListing) => {
      const savedText = state && contentOf(state);
      if (savedText !== undefined) return { saved: savedIn(host, savedText, listing), savedText };
      const text = keptState && contentOf(keptState);
      return text === undefined ? undefined : { saved: savedIn(host, text, keptListing) };
    },
  };
}

function savedIn(
  host: Pick<ObservedFrom, 'address' | 'stateDir'>,
  text: string,
  listing: Answer | undefined,
): SavedState {
  const saved = parseSavedState(host, text);
  const listed = saved.unlisted && listing && contentOf(listing);
  return listed === undefined ? saved : withListed(saved, listed);
}

const EMPTY: SavedState = { version: 1, sysctls: {}, objects: {} };

/** Written before the first change; nothing where the file has all of it. */
export function rememberSteps(desired: HostState, observed: ObservedHost): Step[] {
  const { saved, stateDir } = observed;
  const state = rememberedState(desired, observed);
  if (state === saved) return [];
  return [
    {
      host: desired.name,
      title: 'remember what was there before',
      ...writeState(stateDir, state),
      undo: [restoreState(observed)],
      readBack: [{ argv: ['cat', savedStatePath(stateDir)] }],
      remembers: true,
    },
  ];
}

/** With what the next `down` will need. */
function rememberedState(desired: HostState, observed: ObservedHost): SavedState {
  const { saved } = observed;
  const parts = partsOf(desired, (saves, wanted) => saves.before?.(wanted, observed));
  if (saved !== undefined && parts.length === 0) return saved;
  return Object.assign({ ...EMPTY, ...saved }, ...parts);
}

/** What a script writes down behind its last step: all but what nft will list then. */
export function scriptedState(desired: HostState, observed: ObservedHost): ScriptedState {
  const remembered = rememberedState(desired, observed);
  const parts = partsOf(desired, (saves, wanted) => saves.after(wanted, { saved: remembered }));
  const { added, stale } = stateUpdate(desired, observed);
  const state: SavedState = Object.assign({ ...EMPTY }, ...parts, { unlisted: true });
  const listing = savedListingPath(observed.stateDir);
  return { state, added, stale: stale.filter((path) => path !== listing) };
}

export interface ScriptedState extends Omit<StateUpdate, 'state'> {
  state: SavedState;
}

/** The last step of all when everything else is gone. */
export function forgetStep(host: string, { saved, stateDir }: ObservedHost): Step[] {
  if (saved === undefined) return [];
  const paths = [savedStatePath(stateDir), ...pathsOf(saved, stateDir)];
  return [{ host, title: 'forget the saved state', ...removeFiles(paths), undo: [] }];
}

/** What is written down behind the last step. */
export interface StateUpdate {
  /** Files beside the state file that were not there; they come before it. */
  added: SavedFile[];
  state: Command;
  /** Paths for which the new state file vouches no more; they go after it. */
  stale: string[];
}

/** @param found the host as it is behind the last step */
export function stateUpdate(
  desired: HostState,
  found: Pick<ObservedHost, 'listing' | 'saved' | 'stateDir'>,
): StateUpdate {
  const { saved, stateDir } = found;
  const parts = partsOf(desired, (saves, wanted) => saves.after(wanted, found));
  const state: SavedState = Object.assign({ ...EMPTY }, ...parts);
  const files = savedFiles(desired, stateDir);
  const known = saved ? pathsOf(saved, stateDir) : [];
  const needed = pathsOf(state, stateDir);
  return {
    added: files.filter(({ path }) => !known.includes(path)),
    state: writeState(stateDir, state),
    stale: known.filter((path) => !needed.includes(path)),
  };
}

/**
 * The same while the change can still be reverted.
 * @returns a step that undoes the update, and what is done once it is not needed any more
 */
export function stateUpdateUndo(
  desired: HostState,
  observed: ObservedHost,
): { step: Undoable; kept: Command[] } {
  const { saved, stateDir } = observed;
  const path = savedStatePath(stateDir);
  const wanted = savedFiles(desired, stateDir).map((file) => file.path);
  const known = saved ? pathsOf(saved, stateDir) : [];
  const [added, stale] = [without(wanted, known), without(known, wanted)];
  return {
    step: {
      title: 'write down what was changed',
      undo: [restoreState(observed), ...(added.length > 0 ? [removeFiles(added)] : [])],
      readBack: [{ argv: ['cat', path] }],
      remembers: true,
    },
    kept: stale.length > 0 ? [removeFiles(stale)] : [],
  };
}

const without = (paths: readonly string[], others: readonly string[]) =>
  paths.filter((path) => !others.includes(path));

/** Whether a host that needs no step is nevertheless not written down as it is: an apply was killed. */
export function isUnsaved(desired: HostState, observed: ObservedHost): boolean {
  const { saved, stateDir } = observed;
  if (partsOf(desired, (saves, wanted) => saves.isStale?.(wanted, observed)).includes(true))
    return true;
  const wanted = savedFiles(desired, stateDir).map(({ path }) => path);
  const known = saved ? pathsOf(saved, stateDir) : [];
  return wanted.length !== known.length || wanted.some((path) => !known.includes(path));
}

function partsOf<Part>(
  state: HostState,
  part: (saves: Saves, desired: unknown) => Part | undefined,
): Part[] {
  return RESOURCES.flatMap(({ saves, desired }) => {
    const one = saves && part(saves, desired(state));
    return one === undefined ? [] : [one];
  });
}

/** Beside the state file. */
export function savedFiles(state: HostState, stateDir: string): SavedFile[] {
  return partsOf(state, (saves, desired) => saves.files?.(desired, stateDir)).flat();
}

function pathsOf(saved: SavedState, stateDir: string): string[] {
  const listing = saved.unlisted ? [savedListingPath(stateDir)] : [];
  return [...listing, ...RESOURCES.flatMap(({ saves }) => saves?.paths?.(saved, stateDir) ?? [])];
}

export const stateText = (state: SavedState): string => `${JSON.stringify(state)}\n`;

/** To the byte: it is read back, and another version may have written it in another order. */
const restoreState = ({ savedText, stateDir }: Pick<ObservedHost, 'savedText' | 'stateDir'>) =>
  savedText === undefined
    ? removeFiles([savedStatePath(stateDir)])
    : writeFileWithMode(savedStatePath(stateDir), savedText, OWNER_ONLY);

function writeState(stateDir: string, state: SavedState): Command {
  return writeFileWithMode(savedStatePath(stateDir), stateText(state), OWNER_ONLY);
}
