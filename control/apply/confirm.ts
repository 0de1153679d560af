/** Keeps changes that wait for it, over connections of its own. */
import { confirm, readChange } from '../command/change.js';
import { SidetrackError } from '../error.js';
import { ask, type Host } from '../hosts/host.js';
import { aboutChange, ownerText } from '../plan/change-check.js';
import { type ChangeState, changeQuery, parseChange } from '../plan/change-state.js';

export interface Confirmed {
  host: string;
  /** ` by alice on laptop` */
  by: string;
}

/**
 * Servers first, like everything that is new.
 * @returns what was confirmed; nothing where nothing waited
 * @throws SidetrackError when it came too late on one of them: all of them go back together
 */
export async function confirmChanges(hosts: ReadonlyMap<string, Host>): Promise<Confirmed[]> {
  const states = await Promise.all(
    [...hosts].map(async ([name, host]) => {
      const { change } = await ask(host, { change: changeQuery(host) });
      return { name, host, change };
    }),
  );
  const waiting = states.filter(({ change }) => change?.phase === 'pending' && change.watchdog);
  const late = states.find(({ change }) => change && isTooLate(change));
  if (late) throw tooLate(late.name, late.change!);
  const confirmed: Confirmed[] = [];
  for (const { name, host, change } of waiting) {
    await confirmOn(name, host);
    confirmed.push({ host: name, by: ownerText(change!) });
  }
  return confirmed;
}

/** Also where its watchdog is gone: then the next apply puts it back. */
const isTooLate = ({ phase, watchdog }: ChangeState): boolean =>
  phase === 'reverted' || phase === 'reverting' || (phase === 'pending' && !watchdog);

async function confirmOn(name: string, host: Host): Promise<void> {
  const commands = [confirm(host.stateDir), readChange(host.stateDir)];
  const [said, state] = await host.batch(commands);
  const change = parseChange(state!.stdout);
  // The apply that waits for this may have tidied up already.
  if (said!.status === 0 && (change === undefined || change.phase === 'confirmed')) return;
  if (change && isTooLate(change)) throw tooLate(name, change);
  throw new SidetrackError(`${host.address}: ${said!.stderr.trim() || 'not confirmed'}`, {
    code: 'not-confirmed',
    source: 'host',
    hint: 'look at what stands there now: sidetrack status',
  });
}

function tooLate(name: string, change: ChangeState): SidetrackError {
  const { message, hint } = aboutChange(change)!;
  const isWhole = change.phase === 'reverted' && change.left.length === 0;
  return new SidetrackError(`${name}: there is nothing to confirm any more: ${message}`, {
    code: 'confirm-too-late',
    source: 'host',
    hint,
    outcome: isWhole ? 'reverted' : 'reverted-in-part',
  });
}
