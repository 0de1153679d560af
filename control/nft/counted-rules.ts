/**
 * The counters of our table's rules, each with a name of its own by which a later reading knows it again: what is
 * replaced counts from zero, and a sum of several rules must not lose by that what the others go on counting.
 */
import type { NftAnswer, RawEntry, RawObject } from './listing.js';

export interface CountedRule {
  /** Of this rule alone, and never of its successor. */
  id: string;
  chain: string;
  comment: string;
  packets: number;
  bytes: number;
}

export interface CountedTable {
  rules: CountedRule[];
  /** Elements of sets, where nft prints how many there are (1.1.5, Linux 6.17). */
  elements: ReadonlyMap<string, number>;
}

type Numbered = RawObject & { table?: unknown; handle?: unknown; count?: unknown };

/**
 * @param answer of `nft -j list …`
 * @returns undefined when there is no table of that name
 * @throws RangeError when a counter is no number
 */
export function countedRules({ nftables }: NftAnswer, table: string): CountedTable | undefined {
  const own = nftables.flatMap(tableHandle(table));
  if (own.length === 0) return undefined;
  const rules: CountedRule[] = [];
  const elements = new Map<string, number>();
  for (const { rule, set } of nftables as Partial<Record<keyof RawEntry, Numbered>>[]) {
    if (rule?.table === table) rules.push(...countedRule(rule, own[0]!));
    if (set?.table === table && set.count !== undefined)
      elements.set(set.name, numberOf(set.count));
  }
  return { rules, elements };
}

/** A table that was made anew begins with the same numbers of rules, and has another number itself. */
const tableHandle = (name: string) => (entry: object) => {
  const { table } = entry as { table?: { name?: unknown; handle?: unknown } };
  return table?.name === name ? [String(table.handle)] : [];
};

function countedRule(
  { chain, comment, expr = [], handle }: Numbered,
  table: string,
): CountedRule[] {
  if (typeof comment !== 'string') return [];
  const counter = expr.find((statement) => 'counter' in statement)?.counter;
  if (typeof counter !== 'object' || counter === null) return [];
  const { packets, bytes } = counter as { packets?: unknown; bytes?: unknown };
  const id = `${table}/${String(handle)}`;
  return [{ id, chain, comment, packets: numberOf(packets), bytes: numberOf(bytes) }];
}

function numberOf(value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value;
  throw new RangeError('a counter is no number');
}
