/** The table `inet sidetrack`: chains and sets are replaced in place, so that live flows stay. */

import type { Command } from '../command/command.js';
import { intervalDigest, intervalsOf } from '../nft/address-intervals.js';
import { ADOPTION } from '../nft/adoption.js';
import { MOST_ELEMENTS } from '../nft/divide.js';
import { isFlowSet } from '../nft/flow-elements.js';
import { isHealthSet, isLearning } from '../nft/health-sets.js';
import { holdText } from '../nft/hold.js';
import { type Chain, NFT_RUN, type NftSet, type Table, type Transaction } from '../nft/json.js';
import {
  digest,
  type ListedChain,
  type ListedSet,
  listingDigests,
  type TableListing,
} from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';
import { elementDelta, LONGEST_DELTA, type SetDelta, setDelta, sizeOf } from '../nft/set-delta.js';
import {
  deleteTable,
  objectNames,
  recreateTable,
  replaceObjects,
  restoreListing,
  restoreTable,
  type SetDeltas,
  type TableObjects,
} from '../nft/transaction.js';
import { adoptionLines, fixedSets, tableLines } from '../nft/whole-table.js';
import type { ObservedHost, SavedState } from '../plan/state.js';
import type { Action, KeepItem, ResourceKind } from './kind.js';
import { tableQuery } from './nft-query.js';
import { tableDifferences, tableResources } from './table-differences.js';

/** `recreate` only where live flows cannot be kept anyway. */
export type TableChange =
  | { kind: 'create'; table: Table }
  | ({ kind: 'recreate'; table: Table; why: string } & LosesFlows)
  | ({ kind: 'replace'; table: Table } & Replaced & LosesFlows)
  | { kind: 'delete' };

/** What differs: objects by name, and of sets that are not replaced as a whole their elements. */
interface Replaced {
  changed: TableObjects;
  stale: TableObjects;
  deltas: SetDeltas;
}

interface LosesFlows {
  /** It holds flows now and will hold none: the eBPF classifier takes them over. */
  losesFlows: boolean;
}

export const nftTable: ResourceKind<Table, TableChange> = {
  name: 'nft table',
  observe: tableQuery,
  desired: ({ table }) => table,
  diff,
  remove: ({ listing }) => (listing ? [{ kind: 'delete' }] : []),
  clears: (change) => change.kind === 'delete' || ('losesFlows' in change && change.losesFlows),
  resources: tableResources,
  differences: (change, { listing }) => tableDifferences(change, listing),
  title,
  apply,
  readBack,
  undo,
  keep,
  saves: {
    after: (desired, { listing }) => ({ objects: objectDigests(desired, listing) }),
    isStale: (desired, { listing, saved }) =>
      desired.sets.some((set) => listing && isReadInVain(set, listing, saved)),
  },
};

function diff(desired: Table, { listing, saved }: ObservedHost): TableChange[] {
  if (listing === undefined) return [{ kind: 'create', table: desired }];
  const losesFlows = holdsFlows(listing.sets) && !holdsFlows(desired.sets);
  const why = obstacle(desired, listing);
  if (why !== undefined) return [{ kind: 'recreate', table: desired, why, losesFlows }];
  const objects = differingObjects(desired, saved, listing);
  const { changed, stale } = objects;
  // What the host itself puts there for a while, which no apply did, goes only with what it refers to.
  const isOurs = (key: string) => saved?.objects[key] !== undefined;
  const count = [
    ...[changed.sets, changed.chains],
    stale.sets.filter((name) => !ADOPTION.sets.includes(name) || isOurs(`set ${name}`)),
    stale.chains.filter((name) => !ADOPTION.chains.includes(name) || isOurs(`chain ${name}`)),
  ].flat().length;
  return count === 0 ? [] : [{ kind: 'replace', table: desired, ...objects, losesFlows }];
}

/** Whether packets enter flows in the table that has these sets. */
export function holdsFlows(sets: readonly { name: string }[]): boolean {
  return sets.some(({ name }) => isFlowSet(name));
}

/** Why the objects cannot be replaced in place; nothing where they can. */
function obstacle(desired: Table, listing: TableListing): string | undefined {
  const rehooked = listing.chains.find((chain) => otherHook(chain, desired));
  if (rehooked) return `chain ${rehooked.name} had another hook`;
  const rebuilt = desired.sets.find((set) => {
    const found = listing.sets.find(({ name }) => name === set.name);
    return found !== undefined && !sameKind(set, found);
  });
  return rebuilt && `size or type of set ${rebuilt.name} changes`;
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

function differingObjects(
  desired: Table,
  saved: SavedState | undefined,
  listing: TableListing,
): Replaced {
  const listed = listingDigests(listing);
  const deltas = setDeltas(desired, listing);
  const differs = (key: string, digests: Record<string, string>) => {
    const known = saved?.objects[key];
    return known?.desired !== digests[key] || known?.listed !== listed[key];
  };
  const wanted = desiredDigests(desired);
  const present = (name: string) => listed[`set ${name}`] !== undefined;
  const changed = {
    sets: desired.sets
      .filter((set) => 'elements' in set || !present(set.name))
      .map(({ name }) => name)
      .filter((name) => (deltas[name] ? sizeOf(deltas[name]) > 0 : differs(`set ${name}`, wanted))),
    chains: desired.chains
      .map(({ name }) => name)
      .filter((name) => differs(`chain ${name}`, wanted)),
  };
  const isChanged = ([name]: [string, SetDelta]) => changed.sets.includes(name);
  return {
    changed,
    stale: staleObjects(desired, Object.keys(listed)),
    deltas: Object.fromEntries(Object.entries(deltas).filter(isChanged)),
  };
}

/** Of those sets that were listed and that can be changed by what differs. */
function setDeltas(desired: Table, listing: TableListing): SetDeltas {
  const deltas: Record<string, SetDelta> = {};
  let left = LONGEST_DELTA;
  for (const set of desired.sets) {
    const listed = listing.sets.find(({ name }) => name === set.name);
    if (listed === undefined || listed.digest !== undefined) continue;
    const delta = isLearning(set.name)
      ? elementDelta(set, listed.elements)
      : setDelta(set, listed.elements, left);
    if (delta === undefined) continue;
    deltas[set.name] = delta;
    left -= sizeOf(delta);
  }
  return deltas;
}

/** Whether the set was listed with all its elements for no other reason than what is saved of it. */
function isReadInVain(set: NftSet, listing: TableListing, saved: SavedState | undefined): boolean {
  const listed = listing.sets.find(({ name }) => name === set.name);
  if (listed === undefined || listed.digest !== undefined || !intervalsOf(set)) return false;
  const known = saved?.objects[`set ${set.name}`];
  // Without a digest of its listing the host has no program that makes one.
  return known?.desired !== digestOf(set) || known.listed !== '';
}

/** Digest of every object as we write it, keyed like `listingDigests`. */
function desiredDigests({ sets, chains }: Table): Record<string, string> {
  return Object.fromEntries([
    ...sets.map((set) => [`set ${set.name}`, digestOf(set)]),
    ...chains.map((chain) => [`chain ${chain.name}`, digest(chain)]),
  ]);
}

function digestOf(set: NftSet): string {
  const intervals = intervalsOf(set);
  return intervals ? intervalDigest(intervals) : digest(set);
}

/** Both digests of every object: as we wanted it, and as nft then listed it. */
function objectDigests(desired: Table, listing?: TableListing): SavedState['objects'] {
  const listed = listing ? listingDigests(listing) : {};
  for (const { name } of desired.sets.filter(intervalsOf))
    listed[`set ${name}`] = listing?.sets.find((one) => one.name === name)?.digest ?? '';
  const entries = Object.entries(desiredDigests(desired)).map(([key, wanted]) => [
    key,
    { desired: wanted, listed: listed[key] ?? '' },
  ]);
  return Object.fromEntries(entries);
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

const TABLE = `nft table inet ${TABLE_NAME}`;

function title(change: TableChange): string {
  switch (change.kind) {
    case 'create':
      return `create ${TABLE}`;
    case 'recreate':
      return `re-create ${TABLE}: ${change.why}; steered connections break`;
    case 'replace':
      return `update ${TABLE} (${names(change)}); live flows stay`;
    case 'delete':
      return `remove ${TABLE}`;
  }
}

function names({ table, changed, stale, deltas }: TableChange & { kind: 'replace' }): string {
  const setName = (name: string) => {
    const delta = deltas[name];
    const count = countElements(table.sets.find((one) => one.name === name)!);
    if (delta === undefined) return `set ${name}`;
    return `set ${name}: +${delta.added.length} −${delta.removed.length} of ${count}`;
  };
  return [
    ...changed.chains.map((name) => `chain ${name}`),
    ...changed.sets.map(setName),
    ...stale.chains.map((name) => `- chain ${name}`),
    ...stale.sets.map((name) => `- set ${name}`),
  ].join(', ');
}

const countElements = (set: NftSet): number =>
  intervalsOf(set)?.starts.length ?? set.elements?.length ?? 0;

const NOTHING: TableObjects = { sets: [], chains: [] };

function apply(change: TableChange, { listing }: ObservedHost): Action {
  switch (change.kind) {
    case 'create': {
      const { table } = change;
      const created = replaceObjects(table, objectNames(table), NOTHING);
      return { ...nft(created), ...freshSets(table, []) };
    }
    case 'recreate':
      return nft(recreateTable(change.table));
    case 'replace': {
      const { table, stale, deltas } = change;
      const replaced = replaceObjects(table, withReaders(change), stale, deltas);
      return { ...nft(replaced), ...freshSets(table, listing?.sets ?? []) };
    }
    case 'delete':
      return nft(deleteTable(TABLE_NAME));
  }
}

/**
 * Besides what changes, the chains that look into a set which one message may be too long for: then they look into
 * a stand-in while it is filled.
 */
function withReaders({ table, changed, deltas }: Replaced & { table: Table }): TableObjects {
  const isLong = (set: NftSet) => !deltas[set.name] && countElements(set) > MOST_ELEMENTS;
  const long = table.sets.filter((set) => changed.sets.includes(set.name) && isLong(set));
  const reads = (chain: Chain) => {
    const text = JSON.stringify(chain);
    return long.some(({ name }) => text.includes(`"@${name}"`));
  };
  const readers = table.chains.filter(reads).map(({ name }) => name);
  return { sets: changed.sets, chains: [...new Set([...changed.chains, ...readers])] };
}

/**
 * The table without counters, sorted, because what is put back comes behind what stayed. Of the sets that change
 * their elements, too: as a sum, for they may be long. (`list table` reads all elements, `-t` or not.)
 */
const READ_BACK = `
table=$1
shift
# Not cksum, which OpenWrt's BusyBox lacks.
sum=cat
for program in md5sum sha256sum; do ! command -v $program >/dev/null || sum=$program; done
{ nft -s -t list ruleset inet 2>/dev/null || nft -s -t list table inet $table; } |
  sed -n "/^table inet $table {/,/^}/p" | sort
for set; do
  nft list set inet $table "$set" 2>/dev/null | tr -s ', \\t' '\\n' | sort | $sum
done`;

function readBack(change: TableChange): Command[] {
  const written = change.kind === 'replace' ? [...change.changed.sets, ...change.stale.sets] : [];
  // What heartbeats put there comes and goes.
  const sets = written.filter((name) => !isHealthSet(name) && !isLearning(name));
  return [
    {
      argv: ['sh', '-c', READ_BACK, 'sh', TABLE_NAME, ...sets],
      program: ['nft', 'list', 'table'],
    },
  ];
}

function undo(change: TableChange, { listing }: ObservedHost): Command[] {
  if (listing === undefined) return [nft(deleteTable(TABLE_NAME))];
  // Its flows are lost, and what the kernel fixes in sets and chains cannot be put back in place.
  if (change.kind !== 'replace') return [nft(restoreTable(listing, TABLE_NAME))];
  const { table, changed, stale, deltas } = change;
  return [nft(restoreListing(listing, table, [...changed.sets, ...stale.sets], deltas))];
}

function nft(transaction: Transaction): Command {
  return { argv: NFT_RUN, stdin: `${JSON.stringify(transaction)}\n` };
}

/** Only what one transaction may be too long for has use for them. */
function freshSets({ sets }: Table, present: readonly { name: string }[]): Partial<Action> {
  const fresh = sets.filter((set) => !present.some(({ name }) => name === set.name));
  const count = fresh.reduce((sum, set) => sum + countElements(set), 0);
  return count > MOST_ELEMENTS ? { freshSets: fresh.map(({ name }) => name) } : {};
}

/** As a whole: nft lists a table in one go, and takes it in one transaction. */
function keep(table: Table): KeepItem[] {
  const { sets, chains } = objectNames(table);
  return [
    {
      name: TABLE.replace('nft table ', ''),
      looked: 'ruleset',
      check: 'check_table',
      repair: ['repair_table'],
      learn: 'learn_table',
      settings: {
        table_name: TABLE_NAME,
        table_sets: sets.join(' '),
        table_chains: chains.join(' '),
        table_fixed: fixedSets(table).join(' '),
        table_flows: sets.find(isFlowSet) ?? '',
      },
      files: [
        { name: 'table', content: tableLines(table) },
        { name: 'adoption', content: adoptionLines(table) },
        { name: 'hold', content: holdText(table) },
      ],
    },
  ];
}
