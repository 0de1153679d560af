/**
 * A relay replaces itself by a new program without refusing anyone. The old one starts the new one
 * with its listening sockets; both accept for a moment; once the new one says so the old one stops
 * accepting. The sockets are never closed, so what waits in their queues is served by the process that remains.
 *
 *   old   starts new ──────────────▶ reads its configuration, adopts the sockets, accepts
 *         stops accepting, closes ◀─ "ready"
 *         its pages, tells systemd
 *         "released" ──────────────▶ opens its pages, is the main process now
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { z } from 'zod';
import type { Relay } from '../../../proxy/relay.js';
import { checkContract } from '../../contract.js';
import { type KnownAddresses, successorEnvironment } from './sockets.js';

/** Reading a large configuration and resolving names takes seconds at most. */
const START_TIMEOUT_MS = 20_000;

const readyMessage = z.object({
  ready: z.literal(true),
  /** False when it listens on other sockets than ours. */
  adopted: z.boolean(),
});

type ReadyMessage = z.output<typeof readyMessage>;

const RELEASED = { released: true } as const;

export interface Successor {
  pid: number;
  adopted: boolean;
  /** Tells it that it is alone now. */
  release(): void;
  /** Ends it; we go on. */
  dismiss(): void;
}

/**
 * Starts the program anew, from disk and with our arguments, and waits until it accepts.
 * @throws Error that says why it does not; it has been ended then.
 */
export async function startSuccessor(
  sockets: readonly number[],
  stop: AbortSignal,
  forking: Relay['forking'],
  addresses: KnownAddresses,
): Promise<Successor> {
  const args = [...process.execArgv, ...process.argv.slice(1)];
  const child = forking(() =>
    spawn(process.execPath, args, {
      stdio: ['inherit', 'inherit', 'inherit', ...sockets, 'ipc'],
      env: successorEnvironment(sockets.length, addresses),
    }),
  );
  try {
    const { adopted } = await untilReady(child, stop);
    return successorOf(child, adopted);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

function untilReady(child: ChildProcess, stop: AbortSignal): Promise<ReadyMessage> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => reject(new Error(reason));
    const timer = setTimeout(
      () => fail(`it was not ready within ${START_TIMEOUT_MS / 1000} s`),
      START_TIMEOUT_MS,
    );
    child.once('message', (message) => {
      const read = checkContract(message, readyMessage);
      if ('value' in read) resolve(read.value);
      else fail(`what it said is none of our words: ${read.problem}`);
    });
    child.once('error', ({ message }) => fail(message));
    child.once('exit', (status, signal) =>
      fail(signal ? `${signal} ended it` : `it ended with exit status ${status}`),
    );
    const stopped = () => fail('we were told to stop');
    if (stop.aborted) stopped();
    stop.addEventListener('abort', stopped, { once: true });
    child.once('message', () => clearTimeout(timer));
    child.once('exit', () => clearTimeout(timer));
  });
}

function successorOf(child: ChildProcess, adopted: boolean): Successor {
  // It outlives us; nothing that happens to it is our concern any more.
  child.unref();
  return {
    pid: child.pid!,
    adopted,
    release: () => {
      child.send(RELEASED, () => child.connected && child.disconnect());
    },
    dismiss: () => {
      child.kill('SIGKILL');
    },
  };
}

/** The successor's part: says that we accept, and waits until the old relay has let go, or is gone. */
export async function relievePredecessor(adopted: boolean): Promise<void> {
  if (!process.connected) return;
  const released = new Promise<void>((resolve) => {
    process.once('message', () => resolve());
    process.once('disconnect', () => resolve());
  });
  const ready: ReadyMessage = { ready: true, adopted };
  process.send!(ready);
  await released;
  if (process.connected) process.disconnect();
}
