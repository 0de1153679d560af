/** Trying again, for as long as that may help. */
import { setTimeout as delay } from 'node:timers/promises';

const AGAIN_MS = 500;
/** The last attempt gets this much even behind the end. */
const SHORTEST_MS = 1000;

/** What trying again does not change. */
export class Final extends Error {}

/** Ctrl-C ends it, also in the middle of an attempt. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return unlessAborted(delay(ms), signal);
}

/** @throws what the last attempt threw, when the time is over */
export async function patiently<T>(
  budgetMs: number,
  signal: AbortSignal | undefined,
  attempt: (remainingMs: number) => Promise<T>,
): Promise<T> {
  const end = performance.now() + budgetMs;
  for (;;) {
    try {
      return await unlessAborted(attempt(Math.max(SHORTEST_MS, end - performance.now())), signal);
    } catch (error) {
      if (error instanceof Final || signal?.aborted || performance.now() > end) throw error;
    }
    await pause(AGAIN_MS, signal);
  }
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  signal.throwIfAborted();
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  // It may end, and fail, when its end is no longer waited for.
  work.catch(() => undefined);
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
