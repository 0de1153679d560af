/** A file with several sets, of which nothing says which one is meant. */
import type { At, Gathering } from '../gathering.js';

const MOST_NAMED = 6;
/** Of which the names are kept; a file of ours has one, and two are too many. */
export const MOST_SETS = 1000;

/** @param sets those that something was taken from, with the place of the first of it */
export function manySets(sets: readonly (readonly [string, At])[], found: Gathering): void {
  const [, second] = sets;
  if (second === undefined) return;
  const named = sets.slice(0, MOST_NAMED).map(([name]) => name.slice(0, 40));
  const more = sets.length > MOST_NAMED ? ` and ${sets.length - MOST_NAMED} more` : '';
  found.refuse(
    '',
    {
      message: `the file has several sets: ${named.join(', ')}${more}`,
      hint: `say which one is meant, for example source_set: ${named[0]}`,
    },
    second[1],
  );
}
