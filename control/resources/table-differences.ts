/** What a change of the table does to each of its chains and sets. */
import { isFlowSet } from '../nft/flow-elements.js';
import type { NftSet, Table } from '../nft/json.js';
import type { ListedChain, ListedSet, TableListing } from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';
import { chainLines, elementText, setLines } from '../nft/text.js';
import type { TableObjects } from '../nft/transaction.js';
import type { Difference, ElementChanges, FlowEffect, Resource } from '../plan/difference.js';

/** Of a `TableChange` what decides what differs. */
type TableChange =
  | { kind: 'create'; table: Table }
  | { kind: 'recreate'; table: Table; losesFlows: boolean }
  | {
      kind: 'replace';
      table: Table;
      losesFlows: boolean;
      changed: TableObjects;
      stale: TableObjects;
    }
  | { kind: 'delete' };

const TABLE: Resource = { kind: 'table', name: `inet ${TABLE_NAME}` };
const EMPTY: TableListing = { sets: [], chains: [], raw: [] };

export function tableResources({ sets, chains }: Table): Resource[] {
  return [TABLE, ...sets.map(resource('set')), ...chains.map(resource('chain'))];
}

const resource =
  (kind: 'set' | 'chain') =>
  ({ name }: { name: string }): Resource => ({ kind, name });

export function tableDifferences(change: TableChange, listing: TableListing = EMPTY): Difference[] {
  if (change.kind === 'delete') return removed(listing);
  if (change.kind === 'create')
    return [{ ...TABLE, action: 'added', destructive: false }, ...objects(change.table, EMPTY)];
  const moves = change.losesFlows;
  if (change.kind === 'recreate')
    return [
      { ...TABLE, action: 'changed', ...(moves ? effect('move') : effect('break')) },
      ...objects(change.table, listing, moves ? 'move' : 'break').filter(differs),
    ];
  const { table, changed, stale } = change;
  const touched = new Set([
    ...[...changed.sets, ...stale.sets].map((name) => `set ${name}`),
    ...[...changed.chains, ...stale.chains].map((name) => `chain ${name}`),
  ]);
  return objects(table, listing, moves ? 'move' : 'break', (key) => touched.has(key));
}

const effect = (flows: FlowEffect) => ({ flows, destructive: flows === 'break' });

function removed(listing: TableListing): Difference[] {
  const none: Table = { family: 'inet', name: TABLE_NAME, sets: [], chains: [] };
  const flows = listing.sets.some(({ name }) => isFlowSet(name));
  const lost = flows ? effect('break') : { destructive: false };
  return [{ ...TABLE, action: 'removed', ...lost }, ...objects(none, listing)];
}

const differs = ({ action, before, after, elements, flows }: Difference) =>
  action !== 'changed' ||
  before !== after ||
  flows === 'break' ||
  (elements !== undefined && elements.added.length + elements.removed.length > 0);

/**
 * Every object of both, whether it differs or not.
 * @param lost what becomes of the flows in a set that goes
 * @param isMeant of which it is told, by kind and name; the elements of others are not looked at
 */
function objects(
  table: Table,
  listing: TableListing,
  lost: FlowEffect = 'break',
  isMeant: (key: string) => boolean = () => true,
): Difference[] {
  const { sets, chains } = listing;
  const wantedSets = new Map(table.sets.map((set) => [set.name, set]));
  const wantedChains = new Map(table.chains.map((chain) => [chain.name, chain]));
  const foundSets = new Map(sets.map((set) => [set.name, set]));
  const foundChains = new Map(chains.map((chain) => [chain.name, chain]));
  return [
    ...namesOf(wantedSets, foundSets)
      .filter((name) => isMeant(`set ${name}`))
      .map((name) => setDifference(name, foundSets.get(name), wantedSets.get(name), lost)),
    ...namesOf(wantedChains, foundChains)
      .filter((name) => isMeant(`chain ${name}`))
      .map((name): Difference => {
        const [found, wanted] = [foundChains.get(name), wantedChains.get(name)];
        const before = found && textOf(chainLines(asChain(found, listing)));
        const after = wanted && textOf(chainLines(wanted));
        const flows = before !== undefined && after !== undefined && { flows: 'stay' as const };
        return { kind: 'chain', name, ...beforeAfter(before, after), destructive: false, ...flows };
      }),
  ];
}

const namesOf = (wanted: ReadonlyMap<string, unknown>, found: ReadonlyMap<string, unknown>) => [
  ...new Set([...wanted.keys(), ...found.keys()]),
];

/** The shorter of two texts that mean the same: nft lists it, and we write the other. */
const textOf = (lines: readonly string[]): string =>
  lines.map((line) => slotsText(line.replace('meta l4proto tcp th ', 'tcp '))).join('\n');

const SLOTS = /( mod \d+ seed (?:0x)?[0-9a-f]+ vmap )\{ ([^}]*) \}/;

/** A map of a thousand slots by how many each target has; the name of its chain says which they are. */
function slotsText(line: string): string {
  return line.replace(SLOTS, (_, head: string, members: string) => {
    const counts = new Map<string, number>();
    for (const member of members.split(', ')) {
      const [slots = '', verdict = ''] = member.split(' : ');
      const [first = 0, last = first] = slots.split('-').map(Number);
      counts.set(verdict, (counts.get(verdict) ?? 0) + last - first + 1);
    }
    const shares = [...counts].map(([verdict, count]) => `${count} slots : ${verdict}`);
    return `${head}{ ${shares.join(', ')} }`;
  });
}

/** With the rules as nft printed them, whose counters are no configuration but part of the text. */
function asChain({ name, type, hook, prio }: ListedChain, { raw }: TableListing) {
  const base = type !== undefined && hook !== undefined && prio !== undefined;
  const rules = raw.flatMap(({ rule }) => (rule?.chain === name ? [rule] : []));
  return {
    ...(base && { hook: { type, hook, prio } }),
    rules: rules.map(({ comment, expr = [] }) => ({
      ...(comment !== undefined && { comment }),
      expr,
    })),
  };
}

function beforeAfter(before: string | undefined, after: string | undefined) {
  return {
    action: before === undefined ? 'added' : after === undefined ? 'removed' : 'changed',
    ...(before !== undefined && { before }),
    ...(after !== undefined && { after }),
  } satisfies Partial<Difference>;
}

function setDifference(
  name: string,
  found: ListedSet | undefined,
  wanted: NftSet | undefined,
  lost: FlowEffect,
): Difference {
  const before = found && textOf(setLines(withoutFlags(found)));
  const after = wanted && textOf(setLines(withoutFlags(wanted)));
  const filled = wanted ? wanted.elements !== undefined : found !== undefined && !found.dynamic;
  const elements = filled ? elementChanges(found, wanted) : undefined;
  const loses = isFlowSet(name) && found !== undefined && before !== after;
  return {
    kind: 'set',
    name,
    ...beforeAfter(before, after),
    ...(elements && { elements }),
    destructive: false,
    ...(found && wanted && { flows: 'stay' as const }),
    ...(loses && effect(lost)),
  };
}

/** What fixes a set; nft lists flags of its own besides, and a time-out where it may differ by element. */
const withoutFlags = ({ type, size }: Pick<NftSet, 'type' | 'size'>) => ({
  type,
  ...(size !== undefined && { size }),
});

function elementChanges(found: ListedSet | undefined, wanted: NftSet | undefined): ElementChanges {
  const texts = ({ type, elements = [] }: Pick<NftSet, 'type'> & { elements?: unknown[] }) =>
    elements.map((element) => elementText(type, element));
  const before = new Set(found ? texts(found) : []);
  const after = new Set(wanted ? texts(wanted) : []);
  return {
    before: before.size,
    after: after.size,
    added: [...after].filter((one) => !before.has(one)),
    removed: [...before].filter((one) => !after.has(one)),
  };
}
