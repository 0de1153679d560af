/**
 * At boot the file of a set may come later than we do: from another disk, or by a download. A
 * program that ends because of that is not started again, so under a service manager it waits.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ConfigError } from '../../config/diagnostic.js';
import { SidetrackError } from '../../error.js';
import { say } from '../output.js';

/** Less than the unit's TimeoutStartSec, 60 s. */
const PATIENCE_MS = 45_000;
const AGAIN_MS = 1000;

const mayPass = (error: unknown): error is ConfigError =>
  error instanceof ConfigError && error.mayPass;

/**
 * @param status a line for the service manager.
 * @throws what `read` throws last; of the host's, not the user's, where it might still pass.
 */
export async function patiently<Setup>(
  read: () => Promise<Setup>,
  status: (text: string) => void,
  patienceMs = PATIENCE_MS,
): Promise<Setup> {
  const deadline = Date.now() + patienceMs;
  for (let told = false; ; told = true) {
    try {
      return await read();
    } catch (error) {
      if (!mayPass(error)) throw error;
      if (Date.now() >= deadline) throw asHostError(error);
      if (!told) say(`waiting: ${error.message}`);
      status(`waiting for files of sets: ${error.message}`);
      await delay(AGAIN_MS);
    }
  }
}

/** Exit code 1: the next try may be luckier. */
function asHostError(cause: ConfigError): SidetrackError {
  return new SidetrackError(cause.message, {
    code: 'set-unreadable',
    source: 'host',
    hint: 'put the file there; a relay that runs keeps the list it has, a fresh start has none',
    cause,
  });
}
