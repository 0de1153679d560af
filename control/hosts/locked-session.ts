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
  questions: readonly Command[],
  { send, end }: LockingShell,
): Promise<Session> {
  let answers: RunResult[];
  try {
    const commands = [lockCommand(lock), ...questions];
    const [taken, ...said] = await send(commands, [takeLock(lock), ...questions.map(withLock)], {});
    checkLocked(host, lock, taken!);
    answers = said;
  } catch (error) {
    await end();
    throw error;
  }
  return {
    answers,
    batch: async (commands, options = {}) =>
      commands.length === 0 ? [] : send(commands, commands.map(scriptLine), options),
    end: async () => {
      const options = { timeoutMs: RELEASE_MS };
      await send([], [releaseLock(lock)], options).catch(() => undefined);
      await end();
    },
  };
}

/** A shell without the lock has no such descriptor. */
const withLock = (command: Command): string =>
  `[ -e /proc/self/fd/9 ] && { ${scriptLine(command)}; }`;
