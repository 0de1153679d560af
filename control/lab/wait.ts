import { setTimeout as delay } from 'node:timers/promises';
import { SidetrackError } from '../error.js';

const POLL_MS = 20;

/** Waits until `condition` holds. @throws SidetrackError that names `what` after `timeoutMs`. */
export async function waitFor(
  what: string,
  condition: () => Promise<boolean> | boolean,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline)
      throw new SidetrackError(`waited ${timeoutMs / 1000} s in vain for ${what}`, {
        code: 'wait-timeout',
        source: 'host',
      });
    await delay(POLL_MS);
  }
}
