/**
 * The relay on a server: its configuration, what its unit needs besides, the package, and that it runs. In this order,
 * so that a relay that hands over to a new package reads the new configuration, and one that starts has everything.
 */
import { type Command, removeFiles, writeFileWithMode } from '../command/command.js';
import type { Difference, Resource } from '../plan/difference.js';
import { ownRelayConfig, RELAY_CONFIG_MODE } from '../plan/relay-config.js';
import { DROP_IN, RELAY_CONFIG, RELAY_UNIT } from '../plan/relay-unit.js';
import type {
  DesiredRelay,
  ObservedFile,
  ObservedHost,
  ObservedRelay,
  RelayPackage,
} from '../plan/state.js';
import type { ResourceKind } from './kind.js';
import { relayQuery } from './relay-query.js';
import {
  handOver,
  install,
  lookForPasswords,
  purge,
  restart,
  start,
  stop,
} from './relay-script.js';

const FILE_MODE = 0o644;

export type RelayChange =
  | { kind: 'passwords'; files: readonly string[] }
  | (FileChange & Again)
  | { kind: 'install'; package: RelayPackage; before?: string; wasActive: boolean }
  | { kind: 'hand over'; port: number }
  | { kind: 'restart'; port: number }
  | { kind: 'start'; port: number; wasEnabled: boolean }
  | { kind: 'enable' }
  | { kind: 'stop'; wasEnabled: boolean };

/** `before`: what the path holds now; nothing where there is no such file. */
type FileChange =
  | { kind: 'write'; path: string; content: string; mode: number; before?: ObservedFile }
  | { kind: 'delete'; path: string; before: ObservedFile };

interface Again {
  /** How a relay that runs gets what it had, once all files are as they were. */
  again?: 'hand over' | 'restart';
}

export const relayUnit: ResourceKind<DesiredRelay | undefined, RelayChange> = {
  name: 'relay unit',
  observe: relayQuery,
  desired: ({ relay }) => relay,
  diff,
  remove,
  clears: () => false,
  resources,
  differences,
  title,
  apply,
  undo,
  readBack,
};

function diff(desired: DesiredRelay | undefined, { relay: found }: ObservedHost): RelayChange[] {
  if (desired === undefined || found === undefined) return [];
  const config = written(RELAY_CONFIG, desired.config, found.config, RELAY_CONFIG_MODE);
  const dropIn =
    desired.dropIn === undefined
      ? deleted(DROP_IN, found.dropIn)
      : written(DROP_IN, desired.dropIn, found.dropIn, FILE_MODE);
  const again = dropIn.length > 0 ? 'restart' : 'hand over';
  // The first is undone last.
  const files = [...config, ...dropIn].map(
    (one, i): RelayChange => ({ ...one, ...(found.isActive && i === 0 && { again }) }),
  );
  const changes = [
    ...files,
    ...installed(desired, found),
    ...running(desired, found, config.length > 0, dropIn.length > 0),
  ];
  const { passwordFiles } = desired;
  if (changes.length === 0 || passwordFiles.length === 0) return changes;
  return [{ kind: 'passwords', files: passwordFiles }, ...changes];
}

function written(
  path: string,
  content: string | undefined,
  before: ObservedFile | undefined,
  mode: number,
): FileChange[] {
  const isSame = before?.content === content && before?.mode === mode;
  if (content === undefined || isSame) return [];
  return [{ kind: 'write', path, content, mode, ...(before && { before }) }];
}

const deleted = (path: string, before: ObservedFile | undefined): FileChange[] =>
  before === undefined ? [] : [{ kind: 'delete', path, before }];

function installed(desired: DesiredRelay, found: ObservedRelay): RelayChange[] {
  if (desired.package === undefined) return [];
  const before = found.installed?.version;
  const { isActive: wasActive } = found;
  return [
    {
      kind: 'install',
      package: desired.package,
      wasActive,
      ...(before !== undefined && { before }),
    },
  ];
}

/** A package that takes another's place hands over by itself. What a drop-in says holds from a start on. */
function running(
  { port, package: offered }: DesiredRelay,
  { isActive, isEnabled }: ObservedRelay,
  isConfigured: boolean,
  isUnitChanged: boolean,
): RelayChange[] {
  if (!isActive) return [{ kind: 'start', port, wasEnabled: isEnabled }];
  const enable: RelayChange[] = isEnabled ? [] : [{ kind: 'enable' }];
  if (isUnitChanged) return [...enable, { kind: 'restart', port }];
  if (isConfigured && offered === undefined) return [...enable, { kind: 'hand over', port }];
  return enable;
}

/** What apply brought to life goes; the package stays, and so does a relay of other hands. */
function remove({ relay: found }: ObservedHost): RelayChange[] {
  if (found === undefined || !ownRelayConfig(found.config)) return [];
  const { isActive, isEnabled: wasEnabled } = found;
  return [
    ...(isActive || wasEnabled ? [{ kind: 'stop' as const, wasEnabled }] : []),
    ...deleted(DROP_IN, found.dropIn),
    ...deleted(RELAY_CONFIG, found.config),
  ];
}

const UNIT: Resource = { kind: 'unit', name: RELAY_UNIT };
const PACKAGE: Resource = { kind: 'package', name: 'sidetrack' };

function resources(desired: DesiredRelay | undefined): Resource[] {
  if (desired === undefined) return [];
  const files = [
    ...(desired.config === undefined ? [] : [RELAY_CONFIG]),
    ...(desired.dropIn === undefined ? [] : [DROP_IN]),
  ];
  return [PACKAGE, ...files.map((name): Resource => ({ kind: 'file', name })), UNIT];
}

function differences(change: RelayChange): Difference[] {
  switch (change.kind) {
    case 'write':
    case 'delete':
      return [fileDifference(change)];
    case 'install': {
      const { before, package: offered } = change;
      return [changed(PACKAGE, before, offered.version)];
    }
    case 'start':
      return [changed(UNIT, change.wasEnabled ? 'enabled, stopped' : undefined, RUNS)];
    case 'enable':
      return [changed(UNIT, 'disabled, running', RUNS)];
    case 'restart':
      // What does not end while the old process drains is cut.
      return [{ ...changed(UNIT, RUNS, `${RUNS} anew`), destructive: true, flows: 'break' }];
    case 'stop':
      return [{ ...changed(UNIT, RUNS, undefined), destructive: true, flows: 'break' }];
    case 'passwords':
    case 'hand over':
      return [];
  }
}

const RUNS = 'enabled, running';

function changed(
  what: Resource,
  before: string | undefined,
  after: string | undefined,
): Difference {
  const action = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed';
  return {
    ...what,
    action,
    ...(before !== undefined && { before: `${what.name} ${before}` }),
    ...(after !== undefined && { after: `${what.name} ${after}` }),
    destructive: false,
  };
}

function fileDifference(change: FileChange): Difference {
  const { path, before } = change;
  const after = change.kind === 'write' ? change.content : undefined;
  const { action } = changed(UNIT, before?.content, after);
  return {
    ...{ kind: 'file', name: path, action, destructive: false },
    ...(before && { before: before.content }),
    ...(after !== undefined && { after }),
  };
}

function title(change: RelayChange): string {
  switch (change.kind) {
    case 'passwords':
      return 'look for the password files of the relay';
    case 'write':
      return `write ${change.path}`;
    case 'delete':
      return `remove ${change.path}`;
    case 'install': {
      const { version } = change.package;
      if (change.before === undefined) return `install sidetrack ${version}`;
      const before = change.before === version ? 'another build' : change.before;
      const ending = change.wasActive ? ', to which the relay hands over' : '';
      return `install sidetrack ${version} in place of ${before}${ending}`;
    }
    case 'hand over':
      return 'the relay hands over to one with the new configuration';
    case 'restart':
      return 'restart the relay, whose unit has changed';
    case 'start':
      return `start the relay, and wait until it accepts on port ${change.port}`;
    case 'enable':
      return 'start the relay at boot, too';
    case 'stop':
      return 'stop the relay';
  }
}

function apply(change: RelayChange): Command {
  switch (change.kind) {
    case 'passwords':
      return lookForPasswords(change.files);
    case 'write':
      return writeFileWithMode(change.path, change.content, change.mode);
    case 'delete':
      return removeFiles([change.path]);
    case 'install':
      return install(change.package);
    case 'hand over':
      return handOver(change.port);
    case 'restart':
      return restart(change.port);
    case 'start':
      return start(change.port);
    case 'enable':
      return { argv: ['systemctl', 'enable', RELAY_UNIT] };
    case 'stop':
      return stop(false);
  }
}

function undo(change: RelayChange): Command[] {
  switch (change.kind) {
    case 'write':
    case 'delete': {
      const { path, before, again } = change;
      const back = before
        ? writeFileWithMode(path, before.content, before.mode)
        : removeFiles([path]);
      if (again === undefined) return [back];
      return [back, again === 'restart' ? restart() : handOver()];
    }
    // One that took another's place stays: what it took the place of is nowhere any more.
    case 'install':
      return change.before === undefined ? [purge] : [];
    case 'start':
      return [stop(change.wasEnabled)];
    case 'enable':
      return [{ argv: ['systemctl', 'disable', RELAY_UNIT] }];
    case 'stop':
      return [start()];
    case 'passwords':
    case 'hand over':
    case 'restart':
      return [];
  }
}

function readBack(change: RelayChange): Command[] {
  switch (change.kind) {
    case 'write':
    case 'delete':
      return [{ argv: ['cat', change.path] }];
    case 'start':
    case 'enable':
    case 'stop':
      return ['is-active', 'is-enabled'].map((word) => ({ argv: ['systemctl', word, RELAY_UNIT] }));
    default:
      return [];
  }
}
