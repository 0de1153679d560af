/** How lists are, as `status` and `refresh --status` show it. */
import pc from 'picocolors';
import { printable } from '../../config/diagnostic.js';
import { ageText } from '../../config/load-sets.js';
import type { ListState } from '../../lists/states.js';
import { print, table } from '../output.js';

export function printStates(states: readonly ListState[]): void {
  const now = Date.now() / 1000;
  const rows = states.map(({ set, entries, checked, next, stale, failuresInARow }) => [
    set,
    entries === undefined ? '-' : String(entries.v4 + entries.v6),
    checked === undefined ? '-' : `${ageText(now - checked)} ago`,
    next <= now ? 'now' : `in ${ageText(next - now)}`,
    failuresInARow > 0 ? `failed ${failuresInARow} times` : stale ? 'old' : 'ok',
  ]);
  for (const line of table(['list', 'entries', 'checked', 'next', 'state'], rows)) print(line);
  for (const { set, error } of states)
    if (error !== undefined)
      print(`  ${pc.red('!')} ${set}: ${printable(error.message)}; ${printable(error.hint)}`);
}
