/** What hosts were given is noted, also where something else went wrong. */
import { printable } from '../../config/diagnostic.js';
import { SidetrackError } from '../../error.js';
import { ListError } from '../../lists/failure.js';
import { say } from '../output.js';

/**
 * Also where the next boot would take the change away: the hosts have it now.
 * @param remember is called when the change stands
 * @throws what `apply` throws
 */
export async function rememberKept<T>(
  apply: () => Promise<T>,
  remember: () => Promise<void>,
): Promise<T> {
  try {
    const applied = await apply();
    await remember();
    return applied;
  } catch (error) {
    if (error instanceof SidetrackError && error.outcome === 'not-persisted') await remember();
    throw error;
  }
}

/** What was applied cannot be noted; that itself stands. */
export function sayNotKept(error: unknown): void {
  if (!(error instanceof ListError)) throw error;
  say(`warning: ${printable(error.message)}; \`sidetrack refresh\` cannot reload sets without it`);
}
