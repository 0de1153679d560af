/** Desired state against the host as found → typed differences. Pure; `steps.ts` makes commands. */
import type { Chain, NftSet, Table } from '../nft/json.js';
import { digest, type ListedChain, type ListedSet, listingDigests } from '../nft/listing.js';
import { objectNames, type TableObjects } from '../nft/transaction.js';
import {
  type HostState,
  type IpRule,
  type ObservedHost,
  type ObservedIpRule,
  type ObservedRoute,
  ROUTE_PROTOCOL,
  type Route,
  type Sysctl,
} from '../plan/state.js';
import { type ClassifierChange, diffClassifier } from './classifier.js';

/** What has to change in the nft table. `recreate` only where live flows cannot be kept anyway. */
export type TableChange =
  | { kind: 'create' }
  | { kind: 'recreate'; why: string }
  | { kind: 'replace'; changed: TableObjects; stale: TableObjects };

export interface SysctlChange extends Sysctl {
  /** The value found. */
  from: string;
}

export interface RouteChange {
  add: Route;
  /** The route of ours whose place it takes. */
  replaces?: Route;
}

export interface HostDiff {
  sysctls: SysctlChange[];
  /** Sysctls that an earlier apply changed and this one does not want, back to their originals. */
  restoredSysctls: SysctlChange[];
  addedRoutes: RouteChange[];
  removedRoutes: Route[];
  addedRules: IpRule[];
  removedRules: IpRule[];
  table?: TableChange;
  classifier?: ClassifierChange;
  /** New content of the rt_tables.d file. */
  tableNameFile?: string;
}

export function diffHost(desired: HostState, observed: ObservedHost): HostDiff {
  const table = diffTable(desired.table, observed);
  const classifier = diffClassifier(desired, observed);
  const tableNameFile = diffTableName(desired, observed);
  return {
    sysctls: diffSysctls(desired.sysctls, observed),
    restoredSysctls: obsoleteSysctls(desired.sysctls, observed),
    ...diffRoutes(desired.routes, ourRoutes(observed)),
    ...diffRules(desired.ipRules, ourRules(observed)),
    ...(table && { table }),
    ...(classifier && { classifier }),
    ...(tableNameFile !== undefined && { tableNameFile }),
  };
}

export function isEmpty(diff: HostDiff): boolean {
  return Object.values(diff).every((part) => (Array.isArray(part) ? part.length === 0 : !part));
}

function diffSysctls(desired: readonly Sysctl[], observed: ObservedHost): SysctlChange[] {
  return desired.flatMap(({ key, value }) => {
    const from = observed.sysctls[key];
    return from === undefined || from === value ? [] : [{ key, value, from }];
  });
}

/** Sysctls that we changed earlier, are not in `desired` and do not have their original value. */
export function obsoleteSysctls(
  desired: readonly Sysctl[],
  observed: ObservedHost,
): SysctlChange[] {
  const wanted = new Set(desired.map(({ key }) => key));
  return Object.entries(observed.saved?.sysctls ?? {}).flatMap(([key, value]) => {
    const from = observed.sysctls[key];
    return wanted.has(key) || from === undefined || from === value ? [] : [{ key, value, from }];
  });
}

/** RTN_UNREACHABLE as `ip -N` prints it (linux/rtnetlink.h). */
const UNREACHABLE = '7';
/** RTN_LOCAL, likewise. */
const LOCAL = '2';

export function ourRoutes({ routes }: ObservedHost): Route[] {
  return routes.filter(({ protocol }) => protocol === ROUTE_PROTOCOL).map(asRoute);
}

function asRoute({ family, table, type, via, dev, metric }: ObservedRoute): Route {
  if (type === UNREACHABLE) return { family, table, ...(metric !== undefined && { metric }) };
  if (type === LOCAL) return { family, table, local: true };
  return { family, table, nextHop: { via: via ?? '', dev: dev ?? '' } };
}

/** Two routes with the same slot cannot exist side by side. */
const slot = ({ family, table, nextHop, local }: Route) =>
  `${family} ${table} ${nextHop === undefined && !local}`;
const sameRoute = (a: Route, b: Route) =>
  slot(a) === slot(b) &&
  a.local === b.local &&
  a.nextHop?.via === b.nextHop?.via &&
  a.nextHop?.dev === b.nextHop?.dev;

function diffRoutes(desired: readonly Route[], present: readonly Route[]) {
  const addedRoutes = desired
    .filter((route) => !present.some((other) => sameRoute(route, other)))
    .map((add) => {
      const replaces = present.find((other) => slot(other) === slot(add));
      return { add, ...(replaces && { replaces }) };
    });
  const wantedSlots = new Set(desired.map(slot));
  return { addedRoutes, removedRoutes: present.filter((route) => !wantedSlots.has(slot(route))) };
}

/** Rules that carry our protocol number, or that lie word for word where we would put them. */
export function ourRules({ ipRules }: ObservedHost): IpRule[] {
  return ipRules.filter(({ protocol }) => protocol === ROUTE_PROTOCOL).flatMap(asRule);
}

function asRule(rule: ObservedIpRule): IpRule[] {
  const { family, priority, iif, mark, mask, table, suppressPrefixLength, action } = rule;
  if (iif === undefined || (table === undefined && action !== 'unreachable')) return [];
  return [
    {
      family,
      priority,
      iif,
      ...(mark !== undefined && { mark }),
      ...(mask !== undefined && { mask }),
      ...(table !== undefined && { table }),
      ...(suppressPrefixLength !== undefined && { suppressPrefixLength }),
    },
  ];
}

function diffRules(desired: readonly IpRule[], present: readonly IpRule[]) {
  const key = ({ family, priority, iif, mark, mask, table, suppressPrefixLength }: IpRule) =>
    [family, priority, iif, mark, mask, table, suppressPrefixLength].join(' ');
  const wanted = new Set(desired.map(key));
  const found = new Set(present.map(key));
  return {
    addedRules: desired.filter((rule) => !found.has(key(rule))),
    // Backwards: what refuses the rest goes before what lets something pass.
    removedRules: present.filter((rule) => !wanted.has(key(rule))).reverse(),
  };
}

function diffTable(desired: Table, observed: ObservedHost): TableChange | undefined {
  const { listing } = observed;
  if (listing === undefined) return { kind: 'create' };
  const foreign = listing.chains.find((chain) => otherHook(chain, desired));
  if (foreign) return { kind: 'recreate', why: `chain ${foreign.name} had another hook` };
  const rebuilt = desired.sets.find((set) => {
    const found = listing.sets.find(({ name }) => name === set.name);
    return found !== undefined && !sameKind(set, found);
  });
  if (rebuilt) return { kind: 'recreate', why: `size or type of set ${rebuilt.name} changes` };
  return changedObjects(desired, observed, listingDigests(listing));
}

/** What the kernel fixes when a set is made. */
function sameKind({ type, size }: NftSet, found: ListedSet): boolean {
  return JSON.stringify(type) === JSON.stringify(found.type) && size === found.size;
}

function otherHook(listed: ListedChain, desired: Table): boolean {
  const wanted = desired.chains.find(({ name }) => name === listed.name);
  return (
    wanted !== undefined &&
    (wanted.hook?.type !== listed.type ||
      wanted.hook?.hook !== listed.hook ||
      wanted.hook?.prio !== listed.prio)
  );
}

function changedObjects(
  desired: Table,
  { saved }: ObservedHost,
  listed: Record<string, string>,
): TableChange | undefined {
  const differs = (key: string, digests: Record<string, string>) => {
    const known = saved?.objects[key];
    return known?.desired !== digests[key] || known?.listed !== listed[key];
  };
  const wanted = desiredDigests(desired);
  const present = (name: string) => listed[`set ${name}`] !== undefined;
  const changed = {
    sets: desired.sets
      .filter(({ name, elements }) => elements !== undefined || !present(name))
      .map(({ name }) => name)
      .filter((name) => differs(`set ${name}`, wanted)),
    chains: desired.chains
      .map(({ name }) => name)
      .filter((name) => differs(`chain ${name}`, wanted)),
  };
  const stale = staleObjects(desired, Object.keys(listed));
  const count = [changed.sets, changed.chains, stale.sets, stale.chains].flat().length;
  return count === 0 ? undefined : { kind: 'replace', changed, stale };
}

/** Digest of every object as we write it, keyed like `listingDigests`. */
export function desiredDigests({ sets, chains }: Table): Record<string, string> {
  const entry = (kind: string) => (object: Chain | NftSet) =>
    [`${kind} ${object.name}`, digest(object)] as const;
  return Object.fromEntries([...sets.map(entry('set')), ...chains.map(entry('chain'))]);
}

function staleObjects(desired: Table, listedKeys: readonly string[]): TableObjects {
  const names = objectNames(desired);
  const listed = (kind: string) =>
    listedKeys.filter((key) => key.startsWith(`${kind} `)).map((key) => key.slice(kind.length + 1));
  return {
    sets: listed('set').filter((name) => !names.sets.includes(name)),
    chains: listed('chain').filter((name) => !names.chains.includes(name)),
  };
}

function diffTableName({ tableName }: HostState, observed: ObservedHost): string | undefined {
  if (tableName === undefined || !observed.ownsEtc) return undefined;
  const content = `# Written by sidetrack; \`sidetrack down\` removes it.\n${tableName.id}\t${tableName.name}\n`;
  return content === observed.tableNameFile ? undefined : content;
}
