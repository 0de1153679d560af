/** A session in a shell: the lock is taken first, and let go last. */
import { scriptLine } from '../command/batch.js';
import type { Command, RunResult } from '../command/command.js';
import type { HostRef } from '../command/explain.js';
import {
  checkLocked,
  type LockRequest,
  lockCommand,
  releaseLock,
  takeLock,
} from '../command/lock.js';
import type { Session } from './host.js';
import type { SendOptions } from './shell.js';

export interface LockingShell {
  /** @param commands what the lines are, for messages */
  send(
    commands: readonly Command[],
    lines: readonly string[],
    options: SendOptions,
  ): Promise<RunResult[]>;
  /** Called once, whether the lock was taken or not. */
  end(): Promise<void>;
}

/** A way that is lost is not waited for long. */
const RELEASE_MS = 10_000;

/** @throws SidetrackError when another has the lock, or it cannot be taken */
export async function lockedSession(
  host: HostRef,
  lock: LockRequest,
  { send, end }: LockingShell,
): Promise<Session> {
  try {
    const [taken] = await send([lockCommand(lock)], [takeLock(lock)], {});
    checkLocked(host, lock, taken!);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    batch: async (commands, options = {}) =>
      commands.length === 0 ? [] : send(commands, commands.map(scriptLine), options),
    end: async () => {
      const options = { timeoutMs: RELEASE_MS };
      await send([], [releaseLock(lock)], options).catch(() => undefined);
      await end();
    },
  };
}
