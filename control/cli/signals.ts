/** Ctrl-C, `kill` and a lost ssh session, while hosts are being changed. The same once more ends the process. */
import { say } from './output.js';

const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

async function handling<T>(onSignal: () => void, work: () => Promise<T>): Promise<T> {
  for (const signal of ENDING) process.once(signal, onSignal);
  try {
    return await work();
  } finally {
    for (const signal of ENDING) process.off(signal, onSignal);
  }
}

/** Runs `work` with a signal that it looks at between two steps, to put back what it has done. */
export function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  return handling(
    () => controller.abort(),
    () => work(controller.signal),
  );
}

/** Runs `work` to its end: half a removal is of no use. */
export function uninterrupted<T>(work: () => Promise<T>): Promise<T> {
  return handling(() => say('  going on to the end; once more to stop half-way'), work);
}
