/** A table as files that its host makes it from again, whatever of it is left there. */
import { ADOPTION, adoption } from './adoption.js';
import { isHealthSet, isLearning } from './health-sets.js';
import type { Command, NftSet, Table } from './json.js';
import { objectNames, replaceObjects } from './transaction.js';

/** A longer one takes nft longer to list than the rest of the table. */
const FEW_ELEMENTS = 64;

/** Sets whose elements are looked at, too: those of the configuration, as long as they are few. */
export function fixedSets({ sets }: Table): string[] {
  return sets
    .filter(
      ({ name, elements }) => elements && elements.length <= FEW_ELEMENTS && !isLearning(name),
    )
    .map(({ name }) => name);
}

/**
 * A command of nft's JSON on each line, behind the name of a set and a blank. The kernel refuses to make a set again that packets fill, so
 * a line that bears the name of one is for a table without it; `-` is for any.
 */
export function tableLines(table: Table): string {
  return commandsOf(table)
    .filter((command) => !flushesLearned(command))
    .map((command) => `${condition(table, command)} ${JSON.stringify(command)}\n`)
    .join('');
}

/** The same of what takes in live flows, where the table holds any; behind the table, in the same transaction. */
export function adoptionLines(table: Table): string {
  if (table.chains.some(({ name }) => ADOPTION.chains.includes(name))) return '';
  const adopting = adoption(table);
  if (adopting.chains.length === 0) return '';
  return commandsOf({ ...table, ...adopting })
    .map((command) => `- ${JSON.stringify(command)}\n`)
    .join('');
}

const commandsOf = (table: Table): Command[] =>
  replaceObjects(table, objectNames(table), { sets: [], chains: [] }).nftables;

interface Named {
  name: string;
}

const isFilled = ({ name, elements }: NftSet) =>
  elements === undefined || isLearning(name) || isHealthSet(name);

function condition({ sets }: Table, { add = {} }: Command): string {
  // What heartbeats put beside the elements of the configuration stays, and those are added in any case.
  const { name } = (add.set ?? add.element ?? {}) as Partial<Named>;
  const set = sets.find((one) => one.name === name);
  if (set === undefined || !isFilled(set)) return '-';
  return add.element !== undefined && isLearning(set.name) ? '-' : set.name;
}

/** What packets have put there would go. */
function flushesLearned({ flush = {} }: Command): boolean {
  const { name } = (flush.set ?? {}) as Partial<Named>;
  return name !== undefined && isLearning(name);
}
