/** Differences → ordered commands, each with the commands that undo it. Pure. */

import { type Command, writeFile } from '../command/command.js';
import { hex } from '../config/hex.js';
import { MOST_ELEMENTS } from '../nft/divide.js';
import type { Table, Transaction } from '../nft/json.js';
import {
  deleteTable,
  objectNames,
  recreateTable,
  replaceObjects,
  restoreListing,
} from '../nft/transaction.js';
import { savedSpecPath, savedStatePath, TABLE_NAME_FILE } from '../plan/paths.js';
import {
  type HostState,
  type IpRule,
  type ObservedHost,
  ROUTE_PROTOCOL,
  type Route,
  type SavedState,
} from '../plan/state.js';
import type { Step } from '../plan/step.js';
import { classifierStep, detachCommand } from './classifier.js';
import type { HostDiff, RouteChange, SysctlChange, TableChange } from './diff.js';

/**
 * The steps in an order in which each half-way state is harmless: what routes marked packets comes
 * before what marks them, and stale parts go last.
 */
export function applySteps(desired: HostState, observed: ObservedHost, diff: HostDiff): Step[] {
  const step = (title: string, command: Command, undo: Command[]): Step => ({
    host: desired.name,
    title,
    ...command,
    undo,
  });
  return [
    ...rememberSteps(desired, observed, diff).map((command) => ({
      ...step('remember what was there before', command, [undoRemember(observed)]),
      remembers: true as const,
    })),
    ...diff.sysctls.map((change) =>
      step(
        `set ${dotted(change.key)} to ${change.value} (was ${change.from})`,
        writeSysctl(change),
        [writeSysctl({ ...change, value: change.from })],
      ),
    ),
    ...tableNameSteps(diff).map((command) => ({
      ...step(`name table ${desired.tableName?.id} "${desired.tableName?.name}"`, command, [
        undoTableName(observed),
      ]),
      optional: true as const,
    })),
    ...diff.addedRoutes.map((change) =>
      step(routeTitle(change.add), routeCommand('replace', change.add), [undoRoute(change)]),
    ),
    ...diff.addedRules.map((rule) =>
      step(ruleTitle(rule), ruleCommand('add', rule), [ruleCommand('del', rule)]),
    ),
    ...judgeSteps(desired, observed, diff).map((made) => step(...made)),
    ...diff.removedRules.map((rule) =>
      step(`remove: ${ruleTitle(rule)}`, ruleCommand('del', rule), [ruleCommand('add', rule)]),
    ),
    ...diff.removedRoutes.map((route) =>
      step(`remove: ${routeTitle(route)}`, routeCommand('del', route), [
        routeCommand('replace', route),
      ]),
    ),
    ...diff.restoredSysctls.map((change) =>
      step(`put ${dotted(change.key)} back to ${change.value}`, writeSysctl(change), [
        writeSysctl({ ...change, value: change.from }),
      ]),
    ),
  ];
}

/** Everything that sidetrack made on the host goes; what it changed gets its old value. */
export function downSteps(name: string, observed: ObservedHost, diff: HostDiff): Step[] {
  const step = (title: string, command: Command): Step => ({
    host: name,
    title,
    ...command,
    undo: [],
  });
  const { listing, saved, tableNameFile, stateDir } = observed;
  return [
    // Remembered and not found: its pins may be gone, and the programs still there.
    ...(observed.classifier || saved?.classifier
      ? [step('detach the eBPF classifier', detachCommand(observed))]
      : []),
    ...(listing
      ? [step('remove nft table inet sidetrack', nftCommand(deleteTable('sidetrack')))]
      : []),
    ...diff.removedRules.map((rule) =>
      step(`remove: ${ruleTitle(rule)}`, ruleCommand('del', rule)),
    ),
    ...diff.removedRoutes.map((route) =>
      step(`remove: ${routeTitle(route)}`, routeCommand('del', route)),
    ),
    ...diff.restoredSysctls.map((change) =>
      step(`put ${dotted(change.key)} back to ${change.value}`, writeSysctl(change)),
    ),
    ...(tableNameFile !== undefined
      ? [
          {
            ...step(`remove ${TABLE_NAME_FILE}`, { argv: ['rm', '-f', TABLE_NAME_FILE] }),
            optional: true as const,
          },
        ]
      : []),
    ...(saved
      ? [step('forget the saved state', { argv: ['rm', '-f', ...savedFiles(stateDir, saved)] })]
      : []),
  ];
}

/**
 * The table, and the eBPF classifier beside it. Its table comes first, for that hides what it steers
 * from conntrack, unless the table holds live flows: then they move before they go.
 */
function judgeSteps(desired: HostState, observed: ObservedHost, diff: HostDiff) {
  const table = diff.table ? [tableStep(desired, observed, diff.table)] : [];
  const { classifier } = diff;
  if (classifier === undefined) return table;
  const step = classifierStep(observed, classifier);
  const movesFirst = classifier.kind === 'attach' && classifier.flowsMove;
  return movesFirst ? [step, ...table] : [...table, step];
}

function savedFiles(stateDir: string, { classifier }: SavedState): string[] {
  const spec = classifier ? [savedSpecPath(stateDir, classifier)] : [];
  return [savedStatePath(stateDir), ...spec];
}

/**
 * Original values are written down before the first change, so that `down` finds them even when
 * sidetrack or the machine's power stops between two steps.
 */
function rememberSteps(desired: HostState, observed: ObservedHost, diff: HostDiff): Command[] {
  const state = savedBefore(desired, observed, diff);
  const known = observed.saved?.sysctls ?? {};
  const news = Object.keys(state.sysctls).some((key) => known[key] === undefined);
  if (observed.saved && !news) return [];
  return [writeState(observed.stateDir, state)];
}

const undoRemember = ({ saved, stateDir }: ObservedHost): Command =>
  saved ? writeState(stateDir, saved) : { argv: ['rm', '-f', savedStatePath(stateDir)] };

export function writeState(stateDir: string, state: SavedState): Command {
  return writeFile(savedStatePath(stateDir), `${JSON.stringify(state)}\n`);
}

/** Originals of an earlier apply win: the value found now is our own. */
function savedBefore(desired: HostState, observed: ObservedHost, diff: HostDiff): SavedState {
  const found = Object.fromEntries(diff.sysctls.map(({ key, from }) => [key, from]));
  const sysctls = { ...found, ...observed.saved?.sysctls };
  const wanted = new Set(desired.sysctls.map(({ key }) => key));
  const kept = Object.entries(sysctls).filter(
    ([key]) => wanted.has(key) || diff.restoredSysctls.some((change) => change.key === key),
  );
  const { objects = {}, classifier } = observed.saved ?? {};
  return {
    version: 1,
    sysctls: Object.fromEntries(kept),
    objects,
    ...(classifier !== undefined && { classifier }),
  };
}

const dotted = (key: string) => key.replaceAll('/', '.');

function writeSysctl({ key, value }: Pick<SysctlChange, 'key' | 'value'>): Command {
  return { argv: ['tee', `/proc/sys/${key}`], stdin: `${value}\n` };
}

function tableNameSteps({ tableNameFile }: HostDiff): Command[] {
  return tableNameFile === undefined ? [] : [writeFile(TABLE_NAME_FILE, tableNameFile)];
}

function undoTableName({ tableNameFile }: ObservedHost): Command {
  if (tableNameFile === undefined) return { argv: ['rm', '-f', TABLE_NAME_FILE] };
  return writeFile(TABLE_NAME_FILE, tableNameFile);
}

function routeTitle(route: Route): string {
  const { family, table, nextHop } = route;
  const where = nextHop ? `via ${nextHop.via} dev ${nextHop.dev}` : routeType(route)[0];
  return `IPv${family} route: table ${table}, default ${where}`;
}

/** Nothing for the usual type, which has a next hop. */
function routeType({ nextHop, local }: Route): string[] {
  if (local) return ['local'];
  return nextHop ? [] : ['unreachable'];
}

function routeCommand(verb: 'replace' | 'del', route: Route): Command {
  const { family, table, nextHop, local, metric } = route;
  const type = routeType(route);
  const hop = nextHop ? ['via', nextHop.via, 'dev', nextHop.dev] : local ? ['dev', 'lo'] : [];
  const last = metric === undefined ? [] : ['metric', String(metric)];
  const ours = ['table', String(table), 'protocol', String(ROUTE_PROTOCOL)];
  return {
    argv: ['ip', `-${family}`, 'route', verb, ...type, 'default', ...hop, ...last, ...ours],
  };
}

function undoRoute({ add, replaces }: RouteChange): Command {
  return replaces ? routeCommand('replace', replaces) : routeCommand('del', add);
}

function ruleTitle(one: IpRule): string {
  const { family, priority, iif, mark, mask, table, suppressPrefixLength, note } = one;
  const place = note === undefined ? '' : `; rule priority ${priority}: ${note}`;
  const marked = mark === undefined ? '' : ` with mark ${hex(mark)}/${hex(mask!)}`;
  const rule = `IPv${family} rule: from ${iif}${marked}`;
  if (table === undefined) return `${rule}, refuse what no rule before it routes`;
  if (suppressPrefixLength !== undefined)
    return `${rule} use the main table without its default route`;
  return `${rule} use table ${table}${place}`;
}

function ruleCommand(verb: 'add' | 'del', rule: IpRule): Command {
  const { family, priority, iif, mark, mask, table, suppressPrefixLength: length } = rule;
  const marked = mark === undefined ? [] : ['fwmark', `${hex(mark)}/${hex(mask!)}`];
  const suppress = length === undefined ? [] : ['suppress_prefixlength', String(length)];
  const action = table === undefined ? ['unreachable'] : ['lookup', String(table), ...suppress];
  const selector = ['priority', String(priority), 'iif', iif, ...marked];
  const ours = ['protocol', String(ROUTE_PROTOCOL)];
  return { argv: ['ip', `-${family}`, 'rule', verb, ...selector, ...action, ...ours] };
}

function nftCommand(transaction: Transaction): Command {
  return { argv: ['nft', '-j', '-f', '-'], stdin: `${JSON.stringify(transaction)}\n` };
}

type TableCommand = Command & Pick<Step, 'freshSets'>;

/** Only what one transaction may be too long for has use for them. */
function freshSets(
  { sets }: Table,
  present: readonly { name: string }[],
): { freshSets?: string[] } {
  const fresh = sets.filter((set) => !present.some(({ name }) => name === set.name));
  const count = fresh.reduce((sum, { elements = [] }) => sum + elements.length, 0);
  return count > MOST_ELEMENTS ? { freshSets: fresh.map(({ name }) => name) } : {};
}

function tableStep(
  { table }: HostState,
  { listing }: ObservedHost,
  change: TableChange,
): [string, TableCommand, Command[]] {
  const rewritten =
    change.kind === 'replace' ? [...change.changed.sets, ...change.stale.sets] : undefined;
  const undo = nftCommand(
    listing ? restoreListing(listing, table, rewritten) : deleteTable(table.name),
  );
  switch (change.kind) {
    case 'create': {
      const create = { ...nftCommand(createTransaction()), ...freshSets(table, []) };
      return ['create nft table inet sidetrack', create, [undo]];
    }
    case 'recreate':
      return [
        `re-create nft table inet sidetrack: ${change.why}; steered connections break`,
        nftCommand(recreateTable(table)),
        [undo],
      ];
    case 'replace':
      return [
        replaceTitle(change),
        { ...nftCommand(replaceTransaction(change)), ...freshSets(table, listing?.sets ?? []) },
        [undo],
      ];
  }
  function createTransaction() {
    return replaceObjects(table, objectNames(table), { sets: [], chains: [] });
  }
  function replaceTransaction({ changed, stale }: TableChange & { kind: 'replace' }) {
    return replaceObjects(table, changed, stale);
  }
}

function replaceTitle({ changed, stale }: TableChange & { kind: 'replace' }): string {
  const parts = [
    ...changed.chains.map((name) => `chain ${name}`),
    ...changed.sets.map((name) => `set ${name}`),
    ...stale.chains.map((name) => `- chain ${name}`),
    ...stale.sets.map((name) => `- set ${name}`),
  ];
  return `update nft table inet sidetrack (${parts.join(', ')}); live flows stay`;
}
