/** How a running relay ends: by a signal, or because a successor has taken its place. */
import pc from 'picocolors';
import type { Relay } from '../../../proxy/relay.js';
import { note } from '../output.js';
import type { Names } from './names.js';
import type { Observation } from './observation.js';
import type { Pages } from './pages.js';
import type { Reloading } from './reload.js';
import type { Service } from './service.js';
import type { Signals } from './signals.js';
import { type Successor, startSuccessor } from './successor.js';

export interface RunningRelay {
  reloading: Reloading;
  relay: Relay;
  observation: Observation;
  pages: Pages;
  service: Service;
  signals: Signals;
  names: Names;
  /** Ends what looks after upstreams and speaks of them. */
  unwatch: () => void;
}

/** @returns undefined when no successor took over and we go on; else what drain() returns. */
export async function handOver(running: RunningRelay): Promise<boolean | undefined> {
  const { relay, reloading, pages, service } = running;
  const successor = await successorFor(running);
  if (successor === undefined) return undefined;
  reloading.end();
  await pages.close();
  // Its own sockets, or ours: then what waits in them is its to serve.
  const letGo = successor.adopted ? relay.handOver : relay.drain;
  const drained = drain(running, `handed over to process ${successor.pid}`, letGo, 1);
  service.replacedBy(successor.pid);
  successor.release();
  return drained;
}

async function successorFor({ relay, service, signals, names }: RunningRelay) {
  note('SIGUSR2: starting the program anew to take over');
  service.status('starting the program anew to take over');
  try {
    const successor = await startSuccessor(
      relay.listeners(),
      signals.stop,
      relay.forking,
      names.known,
    );
    if (!signals.stop.aborted) return successor;
    return dismissed(successor);
  } catch (error) {
    const reason = (error as Error).message;
    note(`${pc.red('not handed over:')} ${reason}; this relay goes on as before`);
    service.status(`relaying; the last hand-over failed: ${reason}`);
    return undefined;
  } finally {
    // Impatience: what they asked for has been done, or has failed.
    signals.forget('SIGUSR2');
  }
}

/** A signal to stop came in the same moment: it means the service, not only the old program. */
function dismissed(successor: Successor): undefined {
  successor.dismiss();
  return undefined;
}

/**
 * Waits for the open connections. Signals cut them off once `patience` of them have been ignored:
 * one that ends a whole service must not shorten what a hand-over promised.
 * @returns false when cut off.
 */
export async function drain(
  { reloading, relay, observation, signals, unwatch }: RunningRelay,
  why: string,
  letGo: (deadlineMs: number) => Promise<void>,
  patience = 0,
): Promise<boolean> {
  const { drainSeconds } = reloading.config.relay;
  const open = relay.active();
  if (open > 0)
    note(
      `${why}: no new connections; ${open} may finish within ${drainSeconds} s ${pc.dim('(again to stop now)')}`,
    );
  await Promise.race([letGo(drainSeconds * 1000), impatience(signals, patience)]);
  const { drained } = relay.stats().outcomes;
  if (drained > 0) note(`${drained} connections were cut off by the deadline`);
  const left = relay.active();
  unwatch();
  relay.stop();
  await observation.close();
  relay.destroy();
  return left === 0;
}

async function impatience(signals: Signals, patience: number): Promise<void> {
  for (let left = patience; ; ) {
    const signal = await signals.next();
    if (signal === 'SIGUSR2') note('SIGUSR2: this relay is ending already');
    else if (left-- <= 0) return;
    else note(`${signal}: the open connections keep their deadline (again to stop now)`);
  }
}
