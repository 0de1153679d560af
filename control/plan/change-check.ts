/** What the host says of the change that was made there last, in a line. Pure. */
import type { Config } from '../config/config.js';
import { type Diagnostic, printable } from '../config/diagnostic.js';
import type { ChangeState } from './change-state.js';
import { locate } from './finding.js';
import type { ObservedHost } from './state.js';

/** A change that waits, is stuck, or did not stay; nothing of one that was kept. */
export function changeWarnings(
  config: Config,
  name: string,
  { address, change }: Pick<ObservedHost, 'address' | 'change'>,
): Diagnostic[] {
  const said = change && aboutChange(change);
  if (said === undefined) return [];
  const index = config.servers.findIndex((server) => server.name === name);
  const path = index < 0 ? ['router', 'host'] : ['servers', index, 'host'];
  return locate(config, [{ path, message: `${address}: ${said.message}`, hint: said.hint }]);
}

interface Said {
  message: string;
  hint: string;
}

export function aboutChange(change: ChangeState): Said | undefined {
  switch (change.phase) {
    case 'pending':
      return change.watchdog ? waits(change) : stuck(change);
    case 'reverting':
      return change.watchdog ? isBeingReverted(change) : stuck(change);
    case 'reverted':
      return didNotStay(change);
    case 'confirmed':
      return undefined;
  }
}

/** Waits for its confirmation, or for its next step; nothing else may be changed meanwhile. */
export const isUnfinished = ({ phase }: ChangeState): boolean =>
  phase === 'pending' || phase === 'reverting';

/** ` by alice on laptop`; the host says so, and may be hostile. */
export const ownerText = ({ owner }: ChangeState): string =>
  owner === undefined ? '' : printable(` by ${owner.user} on ${owner.machine}`);

const waits = (change: ChangeState): Said => ({
  message: `a change${ownerText(change)} waits to be confirmed; it is reverted in ${Math.max(0, change.secondsLeft ?? 0)} s`,
  hint: 'to keep it: sidetrack confirm',
});

const isBeingReverted = (change: ChangeState): Said => ({
  message: `a change${ownerText(change)} is being reverted`,
  hint: 'wait a moment, and run it again',
});

function stuck(change: ChangeState): Said {
  const steps = `${change.begun} ${change.begun === 1 ? 'step' : 'steps'}`;
  if (change.rebooted)
    return {
      message: `a change${ownerText(change)} was cut off by a restart of the machine, which took its ${steps} back`,
      hint: 'sidetrack apply does it again',
    };
  return {
    message: `a change${ownerText(change)} was interrupted behind ${steps}`,
    hint: 'sidetrack apply, or down, first puts that back',
  };
}

function didNotStay(change: ChangeState): Said {
  const { why = 'reason unknown', left } = change;
  const rest = left.length > 0 ? `; not everything could be put back: ${left.join('; ')}` : '';
  return {
    message: `the last change${ownerText(change)} was reverted${ago(change)}: ${why}${rest}`,
    hint: 'sidetrack plan shows what is there now',
  };
}

const MINUTE = 60;
const HOUR = 3600;

function ago({ secondsAgo }: ChangeState): string {
  if (secondsAgo === undefined) return '';
  if (secondsAgo < 2 * MINUTE) return ` ${secondsAgo} s ago`;
  if (secondsAgo < 2 * HOUR) return ` ${Math.floor(secondsAgo / MINUTE)} min ago`;
  return ` ${Math.floor(secondsAgo / HOUR)} h ago`;
}
