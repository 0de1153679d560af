/**
 * Directories that were not there before. What writes a file makes its directories; they are remembered before, and go last,
 * where nothing else is in them by then.
 */
import type { Command } from '../command/command.js';
import { type Query, query } from '../command/query.js';
import { BOOT_PATHS } from '../plan/boot-files.js';
import { OWN_FILES } from '../plan/own-files.js';
import { KEEP_DIRECTORY, MADE_DIRECTORIES } from '../plan/persist.js';
import { DROP_IN, RELAY_CONFIG } from '../plan/relay-unit.js';
import type { ObservedFrom, ObservedHost } from '../plan/state.js';
import type { ResourceKind } from './kind.js';
import { REMOVE_DIRECTORIES } from './persist-script.js';

/** Of those that are there, the innermost first. */
export interface DirectoryChange {
  paths: readonly string[];
  isLast: boolean;
}

const FILES = [...OWN_FILES.map(({ path }) => path), ...BOOT_PATHS, DROP_IN, RELAY_CONFIG];

/** All that any file of ours is in, but for what every system has. The outer ones first. */
export const DIRECTORIES: readonly string[] = [
  ...new Set([...FILES.flatMap((path) => above(path).reverse()), '/var/lib/sidetrack']),
];

function above(path: string): string[] {
  const parent = path.replace(/\/[^/]+$/, '');
  return parent.lastIndexOf('/') <= 0 ? [] : [parent, ...above(parent)];
}

export const directory: ResourceKind<undefined, DirectoryChange> = {
  name: 'directory',
  observe: directoriesQuery,
  desired: () => undefined,
  diff: () => [],
  remove(observed) {
    const paths = madeDirectories(observed);
    const isThere = (path: string) => !observed.directories?.missing.includes(path);
    return paths.some(isThere) || observed.directories?.isListed
      ? [{ paths: paths.toReversed(), isLast: true }]
      : [];
  },
  clears: () => true,
  resources: () => [],
  differences: () => [],
  title: () => 'remove directories that were not there before',
  apply: ({ paths, isLast }) => removeDirectories(paths, isLast),
  undo: () => [],
  saves: {
    before(_, observed) {
      const missing = observed.directories?.missing ?? [];
      const known = observed.saved?.directories ?? [];
      if (missing.every((path) => known.includes(path))) return undefined;
      return { directories: madeDirectories(observed) };
    },
    after: (_, { saved }) => (saved?.directories ? { directories: saved.directories } : {}),
  },
};

/** Those that are not there now would be made by us, too. */
export function madeDirectories({
  saved,
  directories,
}: Pick<ObservedHost, 'saved' | 'directories'>): string[] {
  const made = new Set([
    ...(saved?.directories ?? []),
    ...(directories?.listed ?? []),
    ...(directories?.missing ?? []),
  ]);
  return DIRECTORIES.filter((path) => made.has(path));
}

/** $1: the list of what is kept; then the directories. */
const LOOK = `list=$1
shift
for one; do [ -e "$one" ] || echo "missing $one"; done
[ ! -e "$list" ] || { echo list; sed 's/^/made /' "$list"; }
:`;

function directoriesQuery({ ownsEtc }: ObservedFrom): Query<Pick<ObservedHost, 'directories'>> {
  if (!ownsEtc) return { commands: [], parse: () => ({}) };
  const argv = ['sh', '-c', LOOK, 'sh', MADE_DIRECTORIES, ...DIRECTORIES];
  return query({ argv, purpose: 'looking for directories' }, ({ result }) => {
    const lines = result.stdout.split('\n');
    const behind = (word: string) =>
      lines.flatMap((line) => (line.startsWith(`${word} `) ? [line.slice(word.length + 1)] : []));
    return {
      directories: {
        missing: behind('missing'),
        listed: behind('made'),
        isListed: lines.includes('list'),
      },
    };
  });
}

/** @param isLast nothing of ours is left */
export const removeDirectories = (paths: readonly string[], isLast: boolean): Command => ({
  argv: ['sh', '-c', REMOVE_DIRECTORIES, 'sh', KEEP_DIRECTORY, isLast ? 'yes' : 'no', ...paths],
  purpose: 'removing directories',
});
