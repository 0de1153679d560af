/** How a running relay ends: by a signal, or because a successor has taken its place. */
import { setTimeout as delay } from 'node:timers/promises';
import pc from 'picocolors';
import type { Relay } from '../../../proxy/relay.js';
import type { DrainSeconds } from '../../config/config.js';
import { count } from '../count.js';
import type { Beats } from '../heartbeat/beats.js';
import { say } from '../output.js';
import type { RunningExpress } from './express.js';
import type { RelayJudge } from './fitness.js';
import type { Names } from './names.js';
import type { Observation } from './observation.js';
import type { Pages } from './pages.js';
import type { RelayView } from './relay-view.js';
import type { Reloading } from './reload.js';
import type { Service } from './service.js';
import type { Signals } from './signals.js';
import { type Successor, startSuccessor } from './successor.js';

export interface RunningRelay {
  reloading: Reloading;
  relay: Relay;
  /** Undefined where connections pass through the relay alone. */
  express: RunningExpress | undefined;
  observation: Observation;
  pages: Pages;
  service: Service;
  signals: Signals;
  names: Names;
  view: RelayView;
  beats: Beats;
  judge: RelayJudge;
  /** Ends what looks after upstreams and speaks of them. */
  unwatch: () => void;
}

/** @returns undefined when no successor took over and we go on; else what drain() returns. */
export async function handOver(running: RunningRelay): Promise<boolean | undefined> {
  const { relay, reloading, pages, service, beats, judge } = running;
  judge.holdBack(true);
  const successor = await successorFor(running);
  if (successor === undefined) {
    judge.holdBack(false);
    return undefined;
  }
  reloading.end();
  await pages.close();
  // Its own sockets, or ours: then what waits in them is its to serve.
  const letGo = successor.adopted ? relay.handOver : relay.drain;
  const drained = drain(running, {
    why: `handed over to process ${successor.pid}`,
    letGo,
    limit: reloading.config.relay.handOverSeconds,
    patient: true,
  });
  service.replacedBy(successor.pid);
  // The successor's begin as soon as it is released: one of us sends, and there is no gap.
  beats.end();
  successor.release();
  return drained;
}

async function successorFor({ relay, service, signals, names }: RunningRelay) {
  say('SIGUSR2: starting the program anew to take over');
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
    say(`${pc.red('not handed over:')} ${reason}; this relay goes on as before`);
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

/** What a router that has been told still sends: first packets on their way, and those that got lost once. */
const LAST_FLOWS_MS = 1000;

/** Resolves when the router sends no new flows any more; at once where it was not told by heartbeats. */
export async function leave({ beats }: Pick<RunningRelay, 'beats'>): Promise<void> {
  if (await beats.leave()) await delay(LAST_FLOWS_MS, undefined, { ref: false });
}

export interface Ending {
  why: string;
  letGo: (deadlineMs: number) => Promise<void>;
  limit: DrainSeconds;
  /** The first signal only bounds the wait, as it would a stop's. */
  patient?: boolean;
}

/**
 * Waits for the open connections, until `limit`. A signal cuts them off at once, but after a hand-over
 * only the second: the first may be meant for the whole service, which must not take away at once what
 * the hand-over promised, and yet comes to its end.
 * @returns false when cut off.
 */
export async function drain(
  { reloading, relay, express, observation, signals, unwatch }: RunningRelay,
  { why, letGo, limit, patient = false }: Ending,
): Promise<boolean> {
  const open = relay.active();
  if (open > 0)
    say(
      `${why}: no new connections; ${count(open, 'connection')} may finish ${within(limit)} ${pc.dim(hint(patient))}`,
    );
  const all = letGo(milliseconds(limit));
  if (patient) await Promise.race([all, bounded(signals, reloading.config.relay.drainSeconds)]);
  else await Promise.race([all, stopSignal(signals)]);
  const left = relay.active();
  const cut = left + relay.stats().outcomes.drained;
  if (cut > 0) say(`${count(cut, 'connection')} ${cut === 1 ? 'was' : 'were'} cut off`);
  unwatch();
  relay.stop();
  await observation.close();
  relay.destroy();
  // After a hand-over the program on the interfaces is the successor's.
  if (patient) express?.leave();
  else express?.end();
  return left === 0;
}

const hint = (patient: boolean) =>
  patient ? '(SIGTERM twice to stop now)' : '(again to stop now)';

const within = (limit: DrainSeconds) =>
  limit === 'unlimited' ? 'however long that takes' : `within ${limit} s`;

const milliseconds = (limit: DrainSeconds) =>
  limit === 'unlimited' ? Number.POSITIVE_INFINITY : limit * 1000;

/** Until a signal to stop. */
async function stopSignal(signals: Signals): Promise<string> {
  for (;;) {
    const signal = await signals.next();
    if (signal !== 'SIGUSR2') return signal;
    say('SIGUSR2: this relay is ending already');
  }
}

/** Until the second signal to stop, or until a stop's time has passed since the first. */
async function bounded(signals: Signals, limit: DrainSeconds): Promise<void> {
  const signal = await stopSignal(signals);
  say(
    `${signal}: the open connections may go on ${within(limit)} ${pc.dim('(again to stop now)')}`,
  );
  const over = limit === 'unlimited' ? [] : [delay(limit * 1000, undefined, { ref: false })];
  await Promise.race([stopSignal(signals), ...over]);
}
