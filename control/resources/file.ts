/** Files of ours outside the state directory. Others' content under our names comes back on a roll-back. */
import { type Command, removeFiles, writeFileWithMode } from '../command/command.js';
import { type Answer, contentOf, type Query } from '../command/query.js';
import type { Difference } from '../plan/difference.js';
import { OWN_FILES } from '../plan/own-files.js';
import type { DesiredFile, ObservedFile, ObservedFrom, ObservedHost } from '../plan/state.js';
import type { ResourceKind } from './kind.js';

/** `before`: what the path holds now; nothing where there is no such file. */
export type FileChange =
  | { kind: 'write'; file: DesiredFile; before?: ObservedFile }
  | { kind: 'delete'; path: string; before: ObservedFile };

export const file: ResourceKind<readonly DesiredFile[], FileChange> = {
  name: 'file',
  observe: filesQuery,
  desired: ({ files }) => files,
  diff,
  remove: (observed) => diff([], observed),
  clears: ({ kind }) => kind === 'delete',
  resources: (desired) => desired.map(({ path }) => ({ kind: 'file', name: path })),
  differences: (change) => [difference(change)],
  title: (change) => (change.kind === 'write' ? change.file.title : `remove ${change.path}`),
  apply(change) {
    const command =
      change.kind === 'write' ? write(change.file.path, change.file) : removeFiles([change.path]);
    const optional = OWN_FILES.find(({ path }) => path === pathOf(change))?.optional;
    return { ...command, ...(optional && { optional }) };
  },
  // The mode, and the content; not when it was written.
  readBack: (change) => [
    { argv: ['sh', '-c', 'ls -lnL "$1" | cut -c1-10; cat "$1"', 'sh', pathOf(change)] },
  ],
  undo: (change) => [
    change.before ? write(pathOf(change), change.before) : removeFiles([pathOf(change)]),
  ],
};

function filesQuery({ ownsEtc }: ObservedFrom): Query<Pick<ObservedHost, 'files'>> {
  const paths = ownsEtc ? OWN_FILES.map(({ path }) => path) : [];
  return {
    commands: paths.map(readFile),
    parse: (...answers) => ({
      files: Object.fromEntries(
        answers.flatMap((answer, i) => {
          const found = foundFile(answer);
          return found ? [[paths[i]!, found]] : [];
        }),
      ),
    }),
  };
}

/** The line of `ls`, and the content behind it. */
export const readFile = (path: string): Command => ({
  argv: ['sh', '-c', 'ls -lnL "$1" && cat "$1"', 'sh', path],
  program: ['cat', path],
});

/** What `readFile` was answered; undefined where there is no such file. */
export function foundFile(answer: Answer): ObservedFile | undefined {
  const text = contentOf(answer);
  return text === undefined ? undefined : fileOf(text);
}

/** `-rw-r--r-- 1 0 0 75 Nov  1 10:00 /etc/…`, and the content. */
export function fileOf(text: string): ObservedFile {
  const end = text.indexOf('\n');
  const bits = [...text.slice(1, 10)].map((letter) => (/[-ST]/.test(letter) ? '0' : '1'));
  return { content: text.slice(end + 1), mode: Number.parseInt(bits.join(''), 2) };
}

function diff(desired: readonly DesiredFile[], { files: found }: ObservedHost): FileChange[] {
  const written = desired
    .filter((one) => !sameFile(one, found[one.path]))
    .map((one) => {
      const before = found[one.path];
      return { kind: 'write' as const, file: one, ...(before && { before }) };
    });
  const stale = Object.entries(found)
    .filter(([path]) => !desired.some((one) => one.path === path))
    .map(([path, before]) => ({ kind: 'delete' as const, path, before }));
  return [...written, ...stale];
}

/** What files of ours say of themselves: losing another one is a loss. */
const isOurs = ({ content }: ObservedFile) => content.startsWith('# Written by sidetrack');

function difference(change: FileChange): Difference {
  const { before } = change;
  const after = change.kind === 'write' ? change.file : undefined;
  return {
    kind: 'file',
    name: pathOf(change),
    action: after === undefined ? 'removed' : before === undefined ? 'added' : 'changed',
    ...(before && { before: withMode(before) }),
    ...(after && { after: withMode(after) }),
    destructive: before !== undefined && !isOurs(before),
  };
}

const withMode = ({ content, mode }: ObservedFile) => `mode ${mode.toString(8)}\n${content}`;

const sameFile = (wanted: DesiredFile, found: ObservedFile | undefined) =>
  wanted.content === found?.content && wanted.mode === found.mode;

const pathOf = (change: FileChange) => (change.kind === 'write' ? change.file.path : change.path);
const write = (path: string, { content, mode }: ObservedFile) =>
  writeFileWithMode(path, content, mode);
