/**
 * What `nft -j list` says, reduced to what an apply has to compare.
 * nft prints rules in its own canonical form, which differs between versions. So a listing is never
 * compared with what we wrote, but with the listing taken right after we wrote it.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { readContract } from '../contract.js';
import { SidetrackError } from '../error.js';
import { isLearning } from './health-sets.js';

/** A parsed `nft -j list table`. */
export interface TableListing {
  sets: ListedSet[];
  chains: ListedChain[];
  /** The entries as nft printed them; what a roll-back writes back. */
  raw: readonly RawEntry[];
}

export interface ListedSet {
  name: string;
  type: string | string[];
  size?: number;
  /** Filled by packets; its elements are not configuration. */
  dynamic: boolean;
  /** Without those that packets have put beside what is configuration. */
  elements: unknown[];
  /** Of its listing, made on the host. Where it is what it was behind the last apply, the elements are not sent. */
  digest?: string;
}

export interface ListedChain {
  name: string;
  type?: string;
  hook?: string;
  prio?: number;
  rules: ListedRule[];
}

export interface ListedRule {
  comment?: string;
  packets: number;
  bytes: number;
  /** The expressions without counters. */
  expr: unknown[];
}

export interface RawObject {
  name: string;
  chain: string;
  comment?: string;
  expr?: Record<string, unknown>[];
  elem?: unknown[];
  size?: number;
  flags?: string | string[];
  type?: string | string[];
  hook?: string;
  prio?: number;
}

export type RawEntry = Partial<Record<'set' | 'chain' | 'rule', RawObject>>;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of sets, chains and rules what is read below; other objects are others' business. */
function isEntry(entry: unknown): boolean {
  if (!isObject(entry)) return false;
  const [kind, object] = Object.entries(entry)[0] ?? [];
  if (kind !== 'set' && kind !== 'chain' && kind !== 'rule') return true;
  if (!isObject(object)) return false;
  const { name, chain, expr = [], elem = [] } = object;
  const names = kind === 'rule' ? [chain] : [name];
  return (
    names.every((one) => typeof one === 'string') &&
    Array.isArray(expr) &&
    expr.every(isObject) &&
    Array.isArray(elem)
  );
}

/** What nft prints with `-j`. Elements, of which there may be a million, are for who reads them to check. */
export const nftAnswer = z.object({
  nftables: z.custom<RawEntry[]>(
    (value) => Array.isArray(value) && value.every(isEntry),
    'must be a list of sets, chains and rules',
  ),
});

export type NftAnswer = z.output<typeof nftAnswer>;

/**
 * @param text standard output of `nft -j list table …` or `list set …`.
 * @throws SidetrackError `nft-listing`
 */
export function parseListing(text: string): TableListing {
  const read = readContract(text, nftAnswer);
  if ('value' in read) return tableListing(read.value);
  throw new SidetrackError(`what nft printed is no listing: ${read.problem}`, {
    code: 'nft-listing',
    source: 'host',
    hint: 'look at what it is: nft --version; nft -j list tables',
  });
}

/** One table of `nft -j list ruleset inet`; undefined when there is none of that name. */
export function tableOfRuleset({ nftables }: NftAnswer, table: string): TableListing | undefined {
  const entries = nftables as Record<string, Named>[];
  if (!entries.some((entry) => entry.table?.name === table)) return undefined;
  const ours = entries.filter((entry) => Object.values(entry)[0]?.table === table);
  return tableListing({ nftables: ours as unknown as RawEntry[] });
}

interface Named {
  name?: string;
  /** The table that a chain, set or rule is in. */
  table?: string;
}

/** Of `nft -j list table …` or `list set …`. */
export function tableListing({ nftables: entries }: NftAnswer): TableListing {
  const rules = entries.flatMap(({ rule }) => (rule ? [rule] : []));
  return {
    sets: entries.flatMap(({ set }) => (set ? [listedSet(set)] : [])),
    chains: entries.flatMap(({ chain }) => (chain ? [listedChain(chain, rules)] : [])),
    raw: entries,
  };
}

function listedSet({ name, type = '', size, flags, elem }: RawObject): ListedSet {
  const filled = [flags ?? []].flat().includes('timeout');
  const learns = isLearning(name);
  const elements = learns ? (elem ?? []).filter(isLasting) : (elem ?? []);
  return { name, type, ...(size !== undefined && { size }), dynamic: filled && !learns, elements };
}

/** An element without a time-out. */
const isLasting = (element: unknown) => !isObject(element) || !('elem' in element);

function listedChain({ name, type, hook, prio }: RawObject, rules: RawObject[]): ListedChain {
  return {
    name,
    ...(typeof type === 'string' && { type }),
    ...(hook !== undefined && { hook }),
    ...(prio !== undefined && { prio }),
    rules: rules.filter(({ chain }) => chain === name).map(listedRule),
  };
}

function listedRule({ comment, expr = [] }: RawObject): ListedRule {
  const counters = expr.flatMap((statement) =>
    'counter' in statement ? [statement.counter as { packets: number; bytes: number }] : [],
  );
  return {
    ...(comment !== undefined && { comment }),
    packets: counters[0]?.packets ?? 0,
    bytes: counters[0]?.bytes ?? 0,
    expr: expr.filter((statement) => !('counter' in statement)),
  };
}

/** Digest of each object (`chain steer`, `set china4`) that changes exactly when its meaning does. */
export function listingDigests(listing: TableListing): Record<string, string> {
  const chains = listing.chains.map(({ name, rules, ...base }) => [
    `chain ${name}`,
    digest([base, rules.map(({ comment, expr }) => [comment, expr])]),
  ]);
  const sets = listing.sets.map((set) => [`set ${set.name}`, set.digest ?? digestOfSet(set)]);
  return Object.fromEntries([...chains, ...sets]);
}

function digestOfSet({ dynamic, size, elements }: ListedSet): string {
  return digest(dynamic ? [size] : elements.map((element) => JSON.stringify(element)).sort());
}

/** SHA-256 of any JSON value, shortened; equal values have equal digests. */
export function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 32);
}
