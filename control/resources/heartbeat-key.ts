/** The key of a server's heartbeats, in a file there that its sender follows. It is never shown. */
import { type Command, removeFiles } from '../command/command.js';
import type { Query } from '../command/query.js';
import { heartbeatCounterPath, heartbeatFilePath, withoutKey } from '../heartbeat/key-file.js';
import type { Difference } from '../plan/difference.js';
import type {
  DesiredHeartbeat,
  ObservedFrom,
  ObservedHeartbeat,
  ObservedHost,
} from '../plan/state.js';
import { fileOf } from './file.js';
import type { ResourceKind } from './kind.js';

/**
 * `group`: number of the group that may read it, or its name where it is not there yet: systemd makes the user of a
 * relay when that first runs, which is a step before this one. Absent where the owner alone may.
 */
export type HeartbeatKeyChange =
  | {
      kind: 'write';
      path: string;
      content: string;
      group?: number | string;
      before?: ObservedHeartbeat;
    }
  | { kind: 'delete'; path: string; counter: string; before: ObservedHeartbeat };

export const HEARTBEAT_MODE = 0o640;

export const heartbeatKey: ResourceKind<DesiredHeartbeat | undefined, HeartbeatKeyChange> = {
  name: 'heartbeat key',
  observe: heartbeatQuery,
  desired: ({ heartbeat }) => heartbeat,
  diff,
  remove: (observed) => diff(undefined, observed),
  clears: ({ kind }) => kind === 'delete',
  resources: (desired, observed) =>
    desired === undefined ? [] : [{ kind: 'file', name: heartbeatFilePath(observed) }],
  differences: (change) => [difference(change)],
  title: ({ kind, path }) =>
    `${kind === 'write' ? 'write' : 'remove'} ${path}, the key of heartbeats`,
  apply(change) {
    if (change.kind === 'delete') return removeFiles([change.path, change.counter]);
    return write(change.path, change);
  },
  // Whose it is, and what it holds without showing that.
  readBack: ({ path }) => [
    { argv: ['sh', '-c', 'ls -lnL "$1" | cut -c1-40; cksum <"$1"', 'sh', path] },
  ],
  undo: ({ path, before }) => [before === undefined ? removeFiles([path]) : write(path, before)],
};

/** The line of `ls`, the content, and then by name which groups there are that it could be for. */
const READ = `ls -lnL "$1" && if [ -r "$1" ]; then cat "$1"; else echo "$3"; fi; printf '\\n%s\\n' "$2"
for group in sidetrack-relay sidetrack-heartbeat; do getent group "$group" 2>/dev/null; done; :`;
const BOUNDARY = '-- groups --';
/** In place of a content that we may not see. */
const UNREAD = '-- unread --';

function heartbeatQuery(host: ObservedFrom): Query<Pick<ObservedHost, 'heartbeat' | 'groups'>> {
  const path = heartbeatFilePath(host);
  return {
    commands: [
      {
        argv: ['sh', '-c', READ, 'sh', path, BOUNDARY, UNREAD],
        program: ['cat', path],
        purpose: 'looking for the key of heartbeats',
      },
    ],
    parse: (answer) => parsed(answer?.result.stdout ?? ''),
  };
}

/** @param said what `READ` prints. */
export function parsed(said: string): Pick<ObservedHost, 'heartbeat' | 'groups'> {
  const at = said.lastIndexOf(`\n${BOUNDARY}\n`);
  if (at < 0) return {};
  const groups = said
    .slice(at)
    .split('\n')
    .flatMap((line): [string, number][] => {
      const [, name, number] = /^([\w-]+):[^:]*:(\d+):/.exec(line) ?? [];
      return name === undefined ? [] : [[name, Number(number)]];
    });
  const file = said.slice(0, at);
  return {
    ...(groups.length > 0 && { groups: Object.fromEntries(groups) }),
    ...(file.startsWith('-') && { heartbeat: heartbeatOf(file) }),
  };
}

function heartbeatOf(file: string): ObservedHeartbeat {
  const found = { ...fileOf(file), group: groupOf(file) };
  return found.content.startsWith(UNREAD) ? { ...found, content: '', unread: true } : found;
}

/** `-rw-r----- 1 0 998 75 …`: numbers, by `ls -n`. */
const groupOf = (text: string): number => Number(text.split(/\s+/, 4)[3]);

function diff(desired: DesiredHeartbeat | undefined, host: ObservedHost): HeartbeatKeyChange[] {
  const path = heartbeatFilePath(host);
  const { heartbeat: before } = host;
  if (desired === undefined)
    return before === undefined
      ? []
      : [{ kind: 'delete', path, counter: heartbeatCounterPath(host), before }];
  const group = host.groups?.[desired.group];
  // Who may not read it is no root, and changes nothing.
  if (before?.unread) return [];
  const isSame =
    before?.content === desired.content &&
    before.mode === HEARTBEAT_MODE &&
    before.group === (group ?? before.group);
  if (isSame) return [];
  return [
    {
      kind: 'write',
      path,
      content: desired.content,
      group: group ?? desired.group,
      ...(before && { before }),
    },
  ];
}

/** Nobody reads it before it is as it should be. Where there is no such group it stays with the one that it had. */
const WRITE = `mkdir -p "\${1%/*}" && (umask 077 && cat > "$1.new") &&
{ [ -z "$2" ] || chgrp "$2" "$1.new" 2>/dev/null || [ -z "$3" ] || chgrp "$3" "$1.new"; } &&
chmod 0640 "$1.new" && mv "$1.new" "$1" || { rm -f "$1.new"; exit 1; }`;

const write = (
  path: string,
  {
    content,
    group,
    before,
  }: Pick<HeartbeatKeyChange & { kind: 'write' }, 'content' | 'group' | 'before'>,
): Command => ({
  argv: ['sh', '-c', WRITE, 'sh', path, String(group ?? ''), String(before?.group ?? '')],
  stdin: content,
  isSecret: true,
  writes: path,
});

function difference(change: HeartbeatKeyChange): Difference {
  const { before, path } = change;
  const after = change.kind === 'write' ? change : undefined;
  return {
    kind: 'file',
    name: path,
    action: after === undefined ? 'removed' : before === undefined ? 'added' : 'changed',
    ...(before && { before: shown(before) }),
    ...(after && { after: shown(after) }),
    // It is ours in any case: without it there are no heartbeats, and another one is made.
    destructive: false,
  };
}

const shown = ({ content, group }: { content: string; group?: number | string }) =>
  `mode 640${group === undefined ? '' : `, group ${group}`}\n${withoutKey(content)}`;
