/** Signals as a queue: none is lost while the relay is busy with another, and none ends us unasked. */

/** SIGUSR2 hands over to a new program; the others stop. */
const HANDLED = ['SIGTERM', 'SIGINT', 'SIGUSR2'] as const;

const LONG_MS = 3_600_000;

export type RelaySignal = (typeof HANDLED)[number];

export interface Signals {
  /** The next one, or the oldest of those that came meanwhile. */
  next(): Promise<RelaySignal>;
  /** Aborted by the first signal to stop; it stays in the queue. */
  readonly stop: AbortSignal;
  /** Forgets those that wait in the queue. */
  forget(signal: RelaySignal): void;
  /** Lets the process end. */
  close(): void;
}

export function listenForSignals(): Signals {
  let queue: RelaySignal[] = [];
  let wake: (() => void) | undefined;
  const stop = new AbortController();
  // Waiting for a signal alone does not keep Node running.
  const alive = setInterval(() => {}, LONG_MS);
  for (const signal of HANDLED)
    process.on(signal, () => {
      queue.push(signal);
      if (signal !== 'SIGUSR2') stop.abort(signal);
      wake?.();
    });
  return {
    stop: stop.signal,
    close: () => clearInterval(alive),
    forget: (signal) => {
      queue = queue.filter((one) => one !== signal);
    },
    async next() {
      while (queue.length === 0)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      return queue.shift()!;
    },
  };
}
