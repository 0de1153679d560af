/**
 * What brings a host back at boot. All of it is staged first, where nothing looks, so that a file system without room or one
 * that is read-only changes nothing; then everything takes its place at once.
 */
import { createHash } from 'node:crypto';
import type { Command } from '../command/command.js';
import {
  BOOT_PATHS,
  FIREWALL_CONFIG,
  FIREWALL_INCLUDE,
  INIT_SCRIPT,
  KEEP_UNIT,
} from '../plan/boot-files.js';
import type { Difference, Resource } from '../plan/difference.js';
import {
  type BootEntry,
  type DesiredPersist,
  type FoundEntry,
  type Init,
  KEEP_DIRECTORY,
  type ObservedPersist,
} from '../plan/persist.js';
import type { ObservedHost } from '../plan/state.js';
import { madeDirectories, removeDirectories } from './directory.js';
import type { Action, ResourceKind } from './kind.js';
import { isOurs, persistQuery } from './persist-query.js';
import * as script from './persist-script.js';

export type PersistChange =
  | { kind: 'begin' }
  | { kind: 'stage'; entry: BootEntry }
  | { kind: 'include' }
  | { kind: 'exclude' }
  /** `starts`: the watcher does not run, or not with what is there by then. */
  | {
      kind: 'commit';
      init: Init;
      paths: readonly string[];
      stale: readonly string[];
      starts: boolean;
    }
  | { kind: 'keep state' }
  | { kind: 'stop'; init: Init }
  | { kind: 'remove'; init: Init; paths: readonly string[] };

type Desired = DesiredPersist | undefined;

export const persist: ResourceKind<Desired, PersistChange> = {
  name: 'persisted',
  observe: persistQuery,
  desired: (state) => state.persist,
  diff,
  remove: (observed) => diff(undefined, observed),
  clears: () => false,
  resources,
  differences,
  title,
  apply: (change, observed) => ({ ...action(change, observed), afterConfirm: true }),
  undo,
};

function diff(desired: Desired, observed: ObservedHost): PersistChange[] {
  const { persist: found, directories } = observed;
  if (found === undefined) return [];
  if (desired === undefined) return removal(found);
  const parts = changes(desired, found);
  const listed = directories?.listed ?? [];
  const isListed =
    directories?.isListed === true &&
    madeDirectories(observed).every((one) => listed.includes(one));
  return parts.length === 0 || isListed ? parts : [{ kind: 'begin' }, ...parts];
}

function changes(desired: DesiredPersist, found: ObservedPersist): PersistChange[] {
  const { init, entries, includes } = desired;
  const staged = entries.filter((entry) => !isSame(entry, found.found[entry.path]));
  const wanted = new Set(entries.map(({ path }) => path));
  const stale = ownPaths(found).filter((path) => !wanted.has(path));
  const leftovers = found.hasLeftovers ? BOOT_PATHS.map(script.stagedPath) : [];
  const starts = !found.isActive && (init === 'systemd' || init === 'procd');
  const isSettled = staged.length + stale.length === 0 && !starts && !found.hasLeftovers;
  return [
    ...staged.map((entry): PersistChange => ({ kind: 'stage', entry })),
    ...(isSettled
      ? []
      : [
          {
            kind: 'commit' as const,
            ...{ init, starts, paths: staged.map(({ path }) => path) },
            stale: [...stale, ...leftovers],
          },
        ]),
    ...(includes && found.firewall === 'without' ? [{ kind: 'include' as const }] : []),
    ...(!includes && found.firewall === 'included' ? [{ kind: 'exclude' as const }] : []),
    ...(found.isStateKept ? [] : [{ kind: 'keep state' as const }]),
  ];
}

/** What is kept goes with the change that it is about; see `hostChanges`. */
export const KEEP_STATE: PersistChange = { kind: 'keep state' };

/** A user's edit counts as ours where the line that says so stands. */
function isSame(entry: BootEntry, found: FoundEntry | undefined): boolean {
  if ('link' in entry) return found?.kind === 'link' && found.target === entry.link;
  if (found?.kind !== 'file' || found.mode !== entry.mode) return false;
  return 'copyOf' in entry
    ? found.bytes > 0 && found.digest.startsWith(entry.digest ?? '')
    : found.digest === digestOf(entry.content);
}

const digestOf = (content: string) => createHash('sha256').update(content).digest('hex');

const ownPaths = ({ found }: ObservedPersist): string[] =>
  Object.entries(found).flatMap(([path, one]) => (isOurs(path, one) ? [path] : []));

function removal(found: ObservedPersist): PersistChange[] {
  const { init, isKept, hasLeftovers, firewall } = found;
  if (!isKept && !hasLeftovers && firewall !== 'included') return [];
  const paths = ownPaths(found).filter((path) => !path.startsWith(`${KEEP_DIRECTORY}/`));
  return [
    { kind: 'stop', init },
    ...(firewall === 'included' ? [{ kind: 'exclude' as const }] : []),
    { kind: 'remove', init, paths },
  ];
}

function action(change: PersistChange, observed: ObservedHost): Action {
  const { stateDir } = observed;
  switch (change.kind) {
    case 'begin':
      return script.begin(madeDirectories(observed));
    case 'stage':
      return script.stage(change.entry);
    case 'include':
      return script.include;
    case 'exclude':
      return script.exclude;
    case 'commit':
      return script.commit(change.init, change.paths, change.stale);
    case 'keep state':
      return script.keepState(stateDir);
    case 'stop':
      return script.stop(change.init, stateDir);
    case 'remove':
      return script.remove(change.init, change.paths, madeDirectories(observed).toReversed());
  }
}

/** What has taken its place stays there: what it took the place of is nowhere any more. */
function undo(change: PersistChange, observed: ObservedHost): Command[] {
  const isFresh = observed.persist?.isKept === false;
  switch (change.kind) {
    case 'begin':
      return isFresh ? [removeDirectories(madeDirectories(observed).toReversed(), true)] : [];
    case 'stage':
      return [script.unstage(change.entry.path)];
    default:
      return [];
  }
}

const UNIT_OF: Readonly<Partial<Record<Init, string>>> = {
  systemd: KEEP_UNIT,
  procd: INIT_SCRIPT,
};

const FIREWALL: Resource = { kind: 'file', name: `${FIREWALL_CONFIG} (our include)` };

function resources(desired: Desired): Resource[] {
  if (desired === undefined) return [];
  const unit = UNIT_OF[desired.init];
  return [
    ...desired.entries.map(({ path }): Resource => ({ kind: 'file', name: path })),
    ...(desired.includes ? [FIREWALL] : []),
    ...(unit === undefined ? [] : [{ kind: 'unit' as const, name: unit }]),
  ];
}

function differences(change: PersistChange, { persist: found }: ObservedHost): Difference[] {
  switch (change.kind) {
    case 'stage':
      return [fileDifference(change.entry, found?.found[change.entry.path])];
    case 'include':
      return [{ ...FIREWALL, action: 'added', after: FIREWALL_INCLUDE, destructive: false }];
    case 'exclude':
      return [{ ...FIREWALL, action: 'removed', before: FIREWALL_INCLUDE, destructive: false }];
    case 'commit': {
      const stale = change.stale.flatMap((path) => goneDifference(path, found?.found[path]));
      return [...stale, ...(change.starts ? unitDifference(change.init, 'added') : [])];
    }
    case 'remove':
      return ownPaths(found!).flatMap((path) => goneDifference(path, found?.found[path]));
    case 'stop':
      return found?.isActive ? unitDifference(change.init, 'removed') : [];
    default:
      return [];
  }
}

function unitDifference(init: Init, action: 'added' | 'removed'): Difference[] {
  const name = UNIT_OF[init];
  if (name === undefined) return [];
  const said = `${name} enabled, running`;
  return [
    {
      ...{ kind: 'unit', name, action, destructive: false },
      ...(action === 'added' ? { after: said } : { before: said }),
    },
  ];
}

function fileDifference(entry: BootEntry, found: FoundEntry | undefined): Difference {
  const before = found && foundText(entry.path, found);
  return {
    ...{ kind: 'file', name: entry.path, destructive: false },
    action: before === undefined ? 'added' : 'changed',
    ...(before !== undefined && { before }),
    after: entryText(entry),
  };
}

const goneDifference = (path: string, found: FoundEntry | undefined): Difference[] =>
  found === undefined
    ? []
    : [
        {
          ...{ kind: 'file', name: path, action: 'removed', destructive: false },
          before: foundText(path, found),
        },
      ];

/** What is kept holds keys of heartbeats, and may be long: its digest stands for it. */
function entryText(entry: BootEntry): string {
  if ('link' in entry) return `link to ${entry.link}`;
  if ('copyOf' in entry) return withMode(entry.mode, `copy of ${entry.copyOf}`);
  const { content, mode, path } = entry;
  const bytes = Buffer.byteLength(content);
  return withMode(mode, script.isSecret(path) ? summary(bytes, digestOf(content)) : content);
}

function foundText(path: string, found: FoundEntry): string {
  if (found.kind === 'link') return `link to ${found.target}`;
  if (found.kind === 'odd') return 'no file';
  const { text, bytes, digest, mode } = found;
  return withMode(
    mode,
    script.isSecret(path) || text === undefined ? summary(bytes, digest) : text,
  );
}

const withMode = (mode: number, text: string) => `mode ${mode.toString(8)}\n${text}`;
const summary = (bytes: number, digest: string) => `${bytes} bytes, sha256 ${digest}`;

function title(change: PersistChange): string {
  switch (change.kind) {
    case 'begin':
      return 'for the next boot: remember which directories were not there';
    case 'stage':
      return `for the next boot: write ${change.entry.path}`;
    case 'include':
      return `for the next boot: add our include to ${FIREWALL_CONFIG}`;
    case 'exclude':
      return `remove our include from ${FIREWALL_CONFIG}`;
    case 'commit':
      return 'for the next boot: put it in place, and start the watcher';
    case 'keep state':
      return 'for the next boot: keep what down will need';
    case 'stop':
      return 'stop the watcher';
    case 'remove':
      return 'remove what brings it back at boot';
  }
}
