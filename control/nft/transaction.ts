/**
 * Tables → transactions for nft. nft applies a transaction as a whole or not at all.
 * Chains and sets are replaced in place: deleting the table would empty the flow table and break
 * every live flow.
 */
import { isLearning, KEEP_SET, SEEDED, seedElement } from './health-sets.js';
import { heartbeatMarks } from './heartbeat-marks.js';
import type { Chain, Command, Expression, NftSet, Table, Transaction } from './json.js';
import type { ListedSet, RawEntry, RawObject, TableListing } from './listing.js';
import { inverse, type SetDelta } from './set-delta.js';

/** Objects of a table by name; what a change touches. */
export interface TableObjects {
  sets: readonly string[];
  chains: readonly string[];
}

/** By the name of the set. A set that has none is replaced as a whole. */
export type SetDeltas = Readonly<Record<string, SetDelta>>;

/**
 * Brings the table to `desired` by rewriting only `changed` and removing `stale` objects.
 * Adding what exists already changes nothing, except that the kernel refuses a dynamic set (it has
 * grown a flag that JSON cannot express), so those must not be among `changed` when they exist.
 */
export function replaceObjects(
  desired: Table,
  changed: TableObjects,
  stale: TableObjects,
  deltas: SetDeltas = {},
): Transaction {
  const sets = desired.sets.filter(({ name }) => changed.sets.includes(name));
  const whole = sets.filter(({ name }) => deltas[name] === undefined);
  const chains = desired.chains.filter(({ name }) => changed.chains.includes(name));
  return {
    nftables: [
      addTable(desired),
      ...sets
        .filter(({ name }) => whole.some((one) => one.name === name) || !isLearning(name))
        .map((set) => addSet(desired, set)),
      ...desired.chains.map((chain) => addChain(desired, chain)),
      ...[...chains.map(({ name }) => name), ...stale.chains].map((name) =>
        onObject('flush', 'chain', desired, name),
      ),
      ...whole.filter(holdsElements).map(({ name }) => onObject('flush', 'set', desired, name)),
      ...whole.flatMap((set) => addElements(desired, set)),
      ...seeds(desired, changed),
      ...Object.entries(deltas).flatMap(([name, delta]) => changeElements(desired, name, delta)),
      ...chains.flatMap((chain) => addRules(desired, chain)),
      ...stale.chains.map((name) => onObject('delete', 'chain', desired, name)),
      ...stale.sets.map((name) => onObject('delete', 'set', desired, name)),
    ],
  };
}

/**
 * Of sets that are made, and of those whose chains are written anew: what they are about may have changed. Where others
 * are known already only `keep` is filled: a server that comes to them has no new flows before it is heard.
 */
function seeds(table: Table, changed: TableObjects): Command[] {
  return table.sets.flatMap(({ name, seeds = [] }) => {
    const isFresh = changed.sets.includes(name);
    const meant = seeds.filter(({ chain }) => isFresh || changed.chains.includes(chain));
    const believed = name === KEEP_SET || meant.length === seeds.length ? meant : [];
    return addElements(table, {
      name,
      type: '',
      elements: believed.map(({ element }) => seedElement(element)),
    });
  });
}

/** Everything of `table`, nothing left of what was there before under the same name. */
export function recreateTable(table: Table): Transaction {
  const everything = objectNames(table);
  return {
    nftables: [
      addTable(table),
      { delete: { table: tableKey(table) } },
      ...replaceObjects(table, everything, { sets: [], chains: [] }).nftables,
    ],
  };
}

/**
 * Puts the table back to `listing` after `written` was applied; the flow table stays as it is.
 * Used to roll back: nft's own listing is valid input.
 * @param rewritten the sets whose elements `written` may have changed; all when absent
 * @param deltas of those of them that were not replaced as a whole: what was done to them
 */
export function restoreListing(
  listing: TableListing,
  written: Table,
  rewritten?: readonly string[],
  deltas: SetDeltas = {},
): Transaction {
  const table = { family: written.family, name: written.name };
  const before = {
    sets: listing.sets.map(({ name }) => name),
    chains: listing.chains.map(({ name }) => name),
  };
  const after = objectNames(written);
  const chains = [...new Set([...before.chains, ...after.chains])];
  const entries = listing.raw.map(withoutHandles);
  const raw = { ...table, sets: [], chains: [] };
  const policySets = listing.sets.filter(
    ({ name, dynamic }) =>
      !dynamic && deltas[name] === undefined && (rewritten?.includes(name) ?? true),
  );
  // Dynamic sets stay as they are; one that `written` does not have comes back with its seeds.
  const isFilled = ({ name, dynamic }: ListedSet) => dynamic || isLearning(name);
  const isMissing = (set: ListedSet) => !isFilled(set) || !after.sets.includes(set.name);
  const addedSets = listing.sets.filter(isMissing).map(({ name }) => name);
  const isAddedSet = ({ set }: Command) => addedSets.includes(set?.name as string);
  return {
    nftables: [
      ...entries.filter((entry) => isAddedSet(entry) || 'chain' in entry).map((add) => ({ add })),
      ...chains
        .filter((name) => !before.chains.includes(name))
        .map((name) => ({ add: { chain: { ...inTable(raw), name } } })),
      ...chains.map((name) => onObject('flush', 'chain', raw, name)),
      ...policySets.map(({ name }) => onObject('flush', 'set', raw, name)),
      ...policySets.flatMap(({ name, elements }) =>
        addElements(raw, { name, type: '', elements: elements as Expression[] }),
      ),
      ...addedSets
        .filter((name) => SEEDED.includes(name))
        .flatMap((name) =>
          addElements(raw, { name, type: '', elements: heartbeatMarks(listing).map(seedElement) }),
        ),
      ...Object.entries(deltas).flatMap(([name, delta]) =>
        changeElements(raw, name, inverse(delta)),
      ),
      ...entries.filter((entry) => 'rule' in entry).map((add) => ({ add })),
      ...chains
        .filter((name) => !before.chains.includes(name))
        .map((name) => onObject('delete', 'chain', raw, name)),
      ...after.sets
        .filter((name) => !before.sets.includes(name))
        .map((name) => onObject('delete', 'set', raw, name)),
    ],
  };
}

/** Puts a table back that is gone, or another one by now; its dynamic sets come back empty. */
export function restoreTable(listing: TableListing, name: string): Transaction {
  const table: Table = { family: 'inet', name, sets: [], chains: [] };
  return {
    nftables: [
      addTable(table),
      { delete: { table: tableKey(table) } },
      addTable(table),
      ...restoreListing(listing, table).nftables,
    ],
  };
}

/** Handles belong to the kernel, and elements are added after the flush. */
function withoutHandles(entry: RawEntry): Command {
  return Object.fromEntries(
    Object.entries(entry).map(([kind, object]) => {
      const { handle: _handle, elem: _elem, ...rest } = object as RawObject & { handle?: number };
      return [kind, rest];
    }),
  );
}

export function deleteTable(name: string): Transaction {
  return { nftables: [{ delete: { table: { family: 'inet', name } } }] };
}

export function objectNames(table: Table): TableObjects {
  return {
    sets: table.sets.map(({ name }) => name),
    chains: table.chains.map(({ name }) => name),
  };
}

const tableKey = ({ family, name }: Table) => ({ family, name });
const inTable = ({ family, name }: Table) => ({ family, table: name });
const holdsElements = ({ elements }: NftSet) => elements !== undefined;
const addTable = (table: Table): Command => ({ add: { table: tableKey(table) } });

function onObject(
  verb: 'flush' | 'delete',
  kind: 'chain' | 'set',
  table: Table,
  name: string,
): Command {
  return { [verb]: { [kind]: { ...inTable(table), name } } };
}

function addSet(
  table: Table,
  { elements: _elements, seeds: _seeds, ...attributes }: NftSet,
): Command {
  return { add: { set: { ...inTable(table), ...attributes } } };
}

function addChain(table: Table, { name, hook }: Chain): Command {
  const base = hook ? { ...hook, policy: 'accept' } : {};
  return { add: { chain: { ...inTable(table), name, ...base } } };
}

function addElements(table: Table, { name, elements = [] }: NftSet): Command[] {
  if (elements.length === 0) return [];
  return [{ add: { element: { ...inTable(table), name, elem: elements } } }];
}

/** What goes comes first, because what comes may overlap it. */
function changeElements(table: Table, name: string, { added, removed }: SetDelta): Command[] {
  const element = (elem: Expression[]) => ({ element: { ...inTable(table), name, elem } });
  return [
    ...(removed.length > 0 ? [{ delete: element(removed) }] : []),
    ...(added.length > 0 ? [{ add: element(added) }] : []),
  ];
}

function addRules(table: Table, { name, rules }: Chain): Command[] {
  return rules.map(({ comment, expr }) => ({
    add: { rule: { ...inTable(table), chain: name, ...(comment && { comment }), expr } },
  }));
}
