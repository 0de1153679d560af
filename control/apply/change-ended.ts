/** A host that ended the change by itself, while it was still told what comes next. */
import { commandError } from '../command/answer.js';
import { TOO_LATE } from '../command/change-program.js';
import type { Command, RunResult } from '../command/command.js';
import { SidetrackError } from '../error.js';
import type { Host } from '../hosts/host.js';

/** Its message is a place holder: what the host noted says why. */
export const CHANGE_ENDED = 'change-ended';

/** @param command of the change, as `command/change.ts` makes them */
export function changeCommandError(
  host: Host,
  command: Command,
  result: RunResult,
): SidetrackError {
  if (GONE.test(result.stderr)) return goneError(host);
  if (result.status !== TOO_LATE) return commandError(host, command, result);
  return new SidetrackError(`${host.address}: the change was ended there before it was complete`, {
    code: CHANGE_ENDED,
    source: 'host',
  });
}

/** What shells say of a program that is not there. */
const GONE =
  /change\/program.*(No such file|not found)|(can't|cannot|Can't) open .*change\/program/;

const goneError = ({ address }: Host) =>
  new SidetrackError(
    `${address} has restarted in the middle of the change, or its /run was emptied`,
    { code: 'change-gone', source: 'host', hint: 'sidetrack plan shows what is there now' },
  );
