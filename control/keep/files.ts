/** The files by which a host keeps what was applied. Pure. */
import { createHash } from 'node:crypto';
import { OWNER_ONLY } from '../command/command.js';
import type { HostState, ObservedFrom } from '../plan/state.js';
import type { KeptCopy } from '../resources/kind.js';
import { hostItems, type Item, itemsText } from './items.js';
import { MARK } from './mark.js';
import { KEEP_PROGRAM } from './program.js';

/** `mode`: permission bits. */
export type KeepFile =
  | { path: string; content: string; mode: number }
  /** Of what the host has at another path by then. `digest`: how the SHA-256 of that begins. */
  | { path: string; copyOf: string; digest?: string; mode: number };

export interface KeptHost {
  /** What was applied there. */
  desired: HostState;
  observed: Pick<ObservedFrom, 'stateDir' | 'sidetrack' | 'bpfDirectory'>;
}

const OWN_PROGRAM = 0o700;

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
  const { desired, observed } = host;
  const { stateDir } = observed;
  const items = hostItems(desired, observed);
  const file = (name: string, content: string) => ({
    path: `${directory}/${name}`,
    content,
    mode: OWNER_ONLY,
  });
  const inputs = items.flatMap(({ files = [] }) =>
    files.map(({ name, content }) => file(name, content)),
  );
  const copies = items.flatMap((item) => item.copies ?? []).map((one) => copied(directory, one));
  const program = file('program', KEEP_PROGRAM);
  const text = itemsText(items, { stateDir, digest: digestOf(items, [program, ...inputs]) });
  return [program, ...inputs, ...copies, file('items', `${MARK}\n${text}`)];
}

const copied = (directory: string, { name, from, digest, isProgram }: KeptCopy): KeepFile => ({
  path: `${directory}/${name}`,
  copyOf: from,
  ...(digest !== undefined && { digest }),
  mode: isProgram ? OWN_PROGRAM : OWNER_ONLY,
});

/** Names what is to be kept, not what is written down of it. */
function digestOf(
  items: readonly Item[],
  files: readonly { path: string; content: string }[],
): string {
  const hash = createHash('sha256').update(JSON.stringify(items));
  for (const { path, content } of files) hash.update(`\0${path}\0${content}`);
  return hash.digest('hex').slice(0, 32);
}
