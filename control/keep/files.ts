/** The files by which a host keeps what was applied. Pure. */
import { createHash } from 'node:crypto';
import { OWNER_ONLY } from '../command/command.js';
import { savedStatePath } from '../plan/paths.js';
import type { HostState, ObservedFrom, SavedState } from '../plan/state.js';
import { savedFiles, stateText } from '../resources/saved-parts.js';
import { hostItems, type Item, itemsText } from './items.js';
import { MARK } from './mark.js';
import { KEEP_PROGRAM } from './program.js';

export interface KeepFile {
  path: string;
  content: string;
  /** Permission bits. */
  mode: number;
}

export interface KeptHost {
  /** What was applied there. */
  desired: HostState;
  observed: Pick<ObservedFrom, 'stateDir' | 'sidetrack' | 'bpfDirectory'>;
  /** What was then written down; a reboot takes it away. */
  saved: SavedState;
}

/** Where they are on a machine of ours. */
export const KEEP_DIRECTORY = '/etc/sidetrack/keep';

/** State of the watcher, as `state.ts` reads it. */
export const keepRunDirectory = (stateDir: string) => `${stateDir}/keep`;

/**
 * To be written while the host's lock is held under which they were applied: behind it the watcher would put back what they were before.
 * `items` comes last: the watcher takes the others along when that has changed. All of them are root's alone, since tags and keys of
 * heartbeats are in them.
 */
export function keepFiles(host: KeptHost, directory = KEEP_DIRECTORY): KeepFile[] {
  const { desired, observed, saved } = host;
  const { stateDir } = observed;
  const items = hostItems(desired);
  const file = (name: string, content: string): KeepFile => ({
    path: `${directory}/${name}`,
    content,
    mode: OWNER_ONLY,
  });
  const below = (path: string) => `state/${path.slice(stateDir.length + 1)}`;
  const inputs = [
    ...items.flatMap(({ files = [] }) => files.map(({ name, content }) => file(name, content))),
    file(below(savedStatePath(stateDir)), stateText(saved)),
    ...savedFiles(desired, stateDir).map(({ path, content }) => file(below(path), content)),
  ];
  const program = file('program', KEEP_PROGRAM);
  const text = itemsText(items, { stateDir, digest: digestOf(items, [program, ...inputs]) });
  return [program, ...inputs, file('items', `${MARK}\n${text}`)];
}

/** Names what is to be kept, not what is written down of it. */
function digestOf(items: readonly Item[], files: readonly KeepFile[]): string {
  const hash = createHash('sha256').update(JSON.stringify(items));
  for (const { path, content } of files)
    if (!path.includes('/state/')) hash.update(`\0${path}\0${content}`);
  return hash.digest('hex').slice(0, 32);
}
