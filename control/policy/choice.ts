/**
 * Which server a new flow goes to: the one table that both classifiers are made from, and its reference
 * reading. A hash of the flow's key gives a slot; level 0 of the table says who has it, level 1 who has
 * it where that one is not fit, level 2 where the second is not, either; then all in order. So a server
 * that is lost gives away its own slots and no others. Pure.
 */
import type { Address, Family } from '../config/address.js';
import type { Balance } from '../config/balance.js';
import { jhash } from './jhash.js';
import { byName, maglev } from './maglev.js';

/** A prime, as Maglev's steps want it; a slot is a thousandth. */
export const CHOICE_SLOTS = 1021;
export const CHOICE_LEVELS = 3;
/** Any number but 0, for which nftables takes one by chance. */
export const CHOICE_SEED = 0x5d7ac4;

/** A target as the choice knows it. */
export interface Candidate {
  number: number;
  name: string;
  /** 1 to 1000. */
  weight: number;
  /** Only where no other is fit. */
  backup: boolean;
  /** Gets no new flows. The others' slots stay as if it did. */
  drained?: boolean;
}

/** Numbers of targets. */
export interface ChoiceTable {
  /** Who has each slot, at most `CHOICE_LEVELS` times; none where there is no choice. */
  levels: readonly (readonly number[])[];
  /** All of them, as the file has them. */
  order: readonly number[];
}

/**
 * @param candidates those of one group that take flows of one family, in the order of the file.
 * @returns the tables to try, in turn: that of the servers, then that of the backups. Neither is there
 *   without anyone in it, so a group of which all are drained has none.
 */
export function choiceTables(candidates: readonly Candidate[]): ChoiceTable[] {
  return [false, true].flatMap((backup) => {
    const members = candidates.filter((one) => one.backup === backup);
    return members.every(({ drained }) => drained) ? [] : [choiceTable(members)];
  });
}

/** @param candidates not empty, and not all of them drained. */
export function choiceTable(candidates: readonly Candidate[]): ChoiceTable {
  const order = candidates.filter(({ drained }) => !drained).map(({ number }) => number);
  if (order.length === 1) return { levels: [], order };
  const depth = Math.min(CHOICE_LEVELS, order.length);
  const tableWithout = tablesOf(byName(candidates));
  const slots = Array.from({ length: CHOICE_SLOTS }, (_, slot) =>
    firstOf(slot, depth, tableWithout),
  );
  return {
    levels: Array.from({ length: depth }, (_, level) => slots.map((found) => found[level]!)),
    order,
  };
}

/** Who has each slot, by the place among all; `left` is a bit for each that is left out. */
type TableWithout = (left: number) => readonly { candidate: Candidate; bit: number }[];

/** Each table is made when it is first asked for. */
function tablesOf(candidates: readonly Candidate[]): TableWithout {
  const all = candidates.map((candidate, i) => ({ ...candidate, candidate, bit: 2 ** i }));
  const made = new Map<number, ReturnType<TableWithout>>();
  return (left) => {
    const known = made.get(left);
    if (known !== undefined) return known;
    const members = all.filter(({ bit }) => (left & bit) === 0);
    const table = maglev(members, CHOICE_SLOTS);
    made.set(left, table);
    return table;
  };
}

/** The first ones of a slot that are not drained. */
function firstOf(slot: number, depth: number, tableWithout: TableWithout): number[] {
  const found: number[] = [];
  for (let left = 0; found.length < depth; ) {
    const { candidate, bit } = tableWithout(left)[slot]!;
    left |= bit;
    if (!candidate.drained) found.push(candidate.number);
  }
  return found;
}

/** Of the kernel's `reciprocal_scale`: a hash of 32 bits to a slot. */
export const slotOf = (hash: number): number => Math.floor((hash * CHOICE_SLOTS) / 2 ** 32);

/** The first packet of a flow, as far as a choice looks at it. */
export interface ChoiceKey {
  family: Family;
  /** A `number` for IPv4, a `bigint` for IPv6. */
  source: Address;
  destination: Address;
  sourcePort: number;
  destinationPort: number;
}

/** The bytes that are hashed: fields as in the packet, each padded to 32 bits, as nftables lays them out. */
export function choiceKey(balance: Balance, key: ChoiceKey): Uint8Array {
  const { family, source, destination, sourcePort, destinationPort } = key;
  const port = (number: number) => [number >> 8, number & 0xff, 0, 0];
  const bytes = {
    client: () => addressBytes(family, source),
    client_destination: () => [
      ...addressBytes(family, source),
      ...addressBytes(family, destination),
    ],
    flow: () => [
      ...addressBytes(family, source),
      ...port(sourcePort),
      ...addressBytes(family, destination),
      ...port(destinationPort),
    ],
  };
  return Uint8Array.from(bytes[balance]());
}

function addressBytes(family: Family, address: Address): number[] {
  const count = family === 4 ? 4 : 16;
  const value = BigInt(address);
  return Array.from({ length: count }, (_, i) =>
    Number((value >> BigInt(8 * (count - 1 - i))) & 0xffn),
  );
}

export const choiceSlot = (balance: Balance, key: ChoiceKey): number =>
  slotOf(jhash(choiceKey(balance, key), CHOICE_SEED));

/** What is known of a target in one family. `held`: fit, but it has come back too often. */
export type Fitness = 'fit' | 'held' | 'unfit';

/**
 * The reference reading.
 * @param holds whether a held one is taken where none is fit (`on_failure: block` or `reset`).
 * @returns the number of the target; undefined where `on_failure` decides.
 */
export function chooseTarget(
  tables: readonly ChoiceTable[],
  slot: number,
  fitness: (target: number) => Fitness,
  holds: boolean,
): number | undefined {
  const turns = tables.flatMap(({ levels, order }) => [
    ...levels.map((level) => level[slot]!),
    ...order,
  ]);
  return (
    turns.find((target) => fitness(target) === 'fit') ??
    (holds ? turns.find((target) => fitness(target) === 'held') : undefined)
  );
}
