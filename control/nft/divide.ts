/**
 * A transaction that is too long for one message to the kernel, in several. Without the privilege of
 * the machine's root nft cannot make its send buffer longer, and some thousand prefixes fill it.
 */
import type { Command, Transaction } from './json.js';

/** Of IPv6 ranges twice as many fit into the kernel's usual 212992 bytes. */
export const MOST_ELEMENTS = 2000;

interface Elements {
  name: string;
  elem: unknown[];
}

const elementsOf = (command: Command) => command.add?.element as Elements | undefined;

/** Of a command about a whole set, the set's name. */
const setOf = ({ add, flush }: Command) =>
  ((add?.set ?? flush?.set) as { name: string } | undefined)?.name;

function pieces(command: Command): Transaction[] {
  const element = elementsOf(command)!;
  const count = Math.ceil(element.elem.length / MOST_ELEMENTS);
  return Array.from({ length: count }, (_, i) => {
    const elem = element.elem.slice(i * MOST_ELEMENTS, (i + 1) * MOST_ELEMENTS);
    return { nftables: [{ add: { element: { ...element, elem } } }] };
  });
}

/**
 * First the sets, then their elements bit by bit, and at last, at once, everything that can be noticed.
 * Sets that packets fill stay with the rules: nft makes them `dynamic` for a rule of the same message.
 * @param fresh sets that do not exist yet, so that no rule looks into them before the last transaction
 */
export function divide({ nftables }: Transaction, fresh: readonly string[]): Transaction[] {
  const filled = nftables.map((one) => elementsOf(one)?.name);
  const isFresh = (name: string | undefined) =>
    name !== undefined && fresh.includes(name) && filled.includes(name);
  const tables = nftables.filter(({ add }) => add?.table !== undefined);
  const sets = nftables.filter((one) => isFresh(setOf(one)));
  const elements = nftables.filter((one) => isFresh(elementsOf(one)?.name));
  const rest = nftables.filter((one) => !sets.includes(one) && !elements.includes(one));
  return [
    { nftables: [...tables, ...sets.filter(({ add }) => add !== undefined)] },
    ...elements.flatMap(pieces),
    { nftables: rest },
  ];
}
