/**
 * A transaction that is too long for one message to the kernel, in several. Without the privilege of
 * the machine's root nft cannot make its send buffer longer, and some thousand prefixes fill it.
 */
import { isSlotsChain } from './choose.js';
import type { Command, Transaction } from './json.js';

/** Of IPv6 ranges twice as many fit into the kernel's usual 212992 bytes. */
export const MOST_ELEMENTS = 2000;

/** A set of fewer stays where it is: the sets of the router itself are no longer. */
const FEW_ELEMENTS = 100;

interface Elements {
  name: string;
  elem: unknown[];
}

interface Named {
  name: string;
  chain?: string;
}

const elementsOf = (command: Command) => command.add?.element as Elements | undefined;

/** Of a command about a whole set, the set's name. */
const setOf = ({ add, flush }: Command) =>
  ((add?.set ?? flush?.set) as { name: string } | undefined)?.name;

const ruleOf = ({ add }: Command) => add?.rule as Named | undefined;
const flushedChain = ({ flush }: Command) => (flush?.chain as Named | undefined)?.name;

/** Of a chain that no packet comes to by itself. */
const isAddedChain = ({ add }: Command) =>
  add?.chain !== undefined && (add.chain as { hook?: string }).hook === undefined;

function pieces(command: Command): Transaction[] {
  const element = elementsOf(command)!;
  const count = Math.ceil(element.elem.length / MOST_ELEMENTS);
  return Array.from({ length: count }, (_, i) => {
    const elem = element.elem.slice(i * MOST_ELEMENTS, (i + 1) * MOST_ELEMENTS);
    return { nftables: [{ add: { element: { ...element, elem } } }] };
  });
}

/** The stand-in of a set that is in use. */
const nextOf = (name: string) => `${name}_next`;

function renamed(command: Command, kind: 'set' | 'element'): Command {
  const rename = (object: Record<string, unknown>) => {
    const named = object[kind] as Named;
    return { ...object, [kind]: { ...named, name: nextOf(named.name) } };
  };
  return Object.fromEntries(Object.entries(command).map(([verb, it]) => [verb, rename(it)]));
}

const refersTo = (command: Command, name: string): boolean =>
  JSON.stringify(command).includes(`"@${name}"`);

/** A rule with each of the sets' stand-ins in its place; another command as it is. */
function standIns(command: Command, used: readonly string[]): Command {
  const rule = ruleOf(command);
  return rule === undefined ? command : { add: { rule: renamedSets(rule, used) } };
}

function renamedSets(value: unknown, used: readonly string[]): unknown {
  if (typeof value === 'string')
    return value.startsWith('@') && used.includes(value.slice(1)) ? nextOf(value) : value;
  if (Array.isArray(value)) return value.map((one) => renamedSets(one, used));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, renamedSets(one, used)]),
  );
}

/**
 * First what maps of slots lead by (choose.ts), for nothing jumps there yet, or it is what stands there already.
 * Then the sets, then their elements bit by bit, and at last, at once, everything that can be noticed.
 * Sets that packets fill stay with the rules: nft makes them `dynamic` for a rule of the same message.
 *
 * A long set that is in use gets a stand-in, which is filled before the rules look into it. Then the set itself is
 * filled, and the rules go back to it. So each packet meets the old elements with the old rules, or the new with
 * the new. Every rule about such a set must be in the transaction.
 * @param fresh sets that do not exist yet, so that no rule looks into them before the last transaction
 */
export function divide({ nftables }: Transaction, fresh: readonly string[]): Transaction[] {
  const filled = nftables.map((one) => elementsOf(one)?.name);
  const isFresh = (name: string | undefined) =>
    name !== undefined && fresh.includes(name) && filled.includes(name);
  const used = usedSets({ nftables }, fresh);
  const isUsed = (name: string | undefined) => name !== undefined && used.includes(name);
  const tables = nftables.filter(({ add }) => add?.table !== undefined);
  const sets = nftables.filter((one) => isFresh(setOf(one)));
  const elements = nftables.filter((one) => isFresh(elementsOf(one)?.name));
  const replaced = nftables.filter((one) => isUsed(setOf(one)));
  const usedElements = nftables.filter((one) => isUsed(elementsOf(one)?.name));
  const slots = nftables.filter((one) =>
    isSlotsChain(ruleOf(one)?.chain ?? flushedChain(one) ?? ''),
  );
  const chains = slots.length === 0 ? [] : nftables.filter(isAddedChain);
  const ahead = [...sets, ...elements, ...replaced, ...usedElements, ...slots];
  const rest = nftables.filter((one) => !ahead.includes(one));
  const isAdded = ({ add }: Command) => add !== undefined;
  return [
    {
      nftables: [
        ...tables,
        ...chains,
        ...sets.filter(isAdded),
        ...replaced.map((one) => renamed(one, 'set')),
      ],
    },
    ...slots.map((one) => ({ nftables: [one] })),
    ...[...elements, ...usedElements.map((one) => renamed(one, 'element'))].flatMap(pieces),
    { nftables: rest.map((one) => standIns(one, used)) },
    ...(used.length === 0
      ? []
      : [
          { nftables: replaced.filter(({ flush }) => flush !== undefined) },
          ...usedElements.flatMap(pieces),
          { nftables: [...rulesAbout(used, rest), ...replaced.filter(isAdded).map(withoutNext)] },
        ]),
  ];
}

/** Names of the long sets that are replaced as a whole while rules look into them. */
function usedSets({ nftables }: Transaction, fresh: readonly string[]): string[] {
  // A table that is made anew has neither rules nor stand-ins before that.
  if (nftables.some((one) => one.delete?.table !== undefined)) return [];
  const flushed = nftables.filter(({ flush }) => flush !== undefined).map(setOf);
  return nftables.flatMap((one) => {
    const { name, elem = [] } = elementsOf(one) ?? {};
    const isLong = name !== undefined && elem.length > FEW_ELEMENTS && !fresh.includes(name);
    return isLong && flushed.includes(name) ? [name] : [];
  });
}

const withoutNext = (command: Command): Command => {
  const { family, table, name } = command.add!.set as Named & { family: string; table: string };
  return { delete: { set: { family, table, name: nextOf(name) } } };
};

/** The chains in which a rule looks into one of the sets, written anew. */
function rulesAbout(sets: readonly string[], commands: readonly Command[]): Command[] {
  const about = (command: Command) => sets.some((name) => refersTo(command, name));
  const chains = commands.flatMap((one) => (about(one) ? (ruleOf(one)?.chain ?? []) : []));
  return commands.filter((one) => {
    const chain = flushedChain(one) ?? ruleOf(one)?.chain;
    return chain !== undefined && chains.includes(chain);
  });
}
