/** What the programs of one run have printed → its figures. */
import type { Figures } from './document.js';
import type { Busy } from './facts.js';
import { type Iperf3Outcome, type Iperf3Result, sumResults } from './iperf3.js';
import { type Iperf3Failure, iperf3Failure } from './iperf3-failure.js';
import { type ProberTask, readProbe } from './prober.js';
import type { ProgramOutput } from './scripts.js';
import { median, quantile } from './statistics.js';

export type Measured = { figures: Figures } | { failure: Iperf3Failure };

/** All of them, or the first that failed. */
export function outcomeOf(outcomes: readonly Iperf3Outcome[]): Iperf3Outcome {
  const results: Iperf3Result[] = [];
  for (const one of outcomes) {
    if ('failure' in one) return one;
    results.push(one.result);
  }
  return results.length === 0
    ? { failure: iperf3Failure('nothing was run') }
    : { result: sumResults(results) };
}

export function bulkFigures(outcome: Iperf3Outcome, direction: 'upload' | 'download'): Measured {
  if ('failure' in outcome) return outcome;
  const transfer = outcome.result[direction];
  if (transfer === undefined)
    return { failure: iperf3Failure(`iperf3 reported no ${direction} at all`) };
  const { rtt } = outcome.result;
  return { figures: { ...transfer, ...(rtt && { rtt: rtt.mean }) } };
}

export function probeFigures({ kind }: ProberTask, { stdout, stderr }: ProgramOutput): Measured {
  const report = readProbe(stdout);
  if (report === undefined) return { failure: iperf3Failure(`the prober said: ${stderr}`) };
  const { times, count, failed, seconds } = report;
  if (count === 0) return { failure: iperf3Failure('the prober got no answer') };
  if (kind === 'connect')
    return {
      figures: {
        connectionsPerSecond: count / seconds,
        connectP50: median(times),
        failures: failed,
      },
    };
  const [latencyP50, latencyP99] = [median(times), quantile(times, 0.99)];
  return { figures: { latencyP50, latencyP99, failures: failed } };
}

/** Between two readings, by machine; the relay's over all of them. */
export function difference(before: ReadonlyMap<string, Busy>, after: ReadonlyMap<string, Busy>) {
  const busy: Record<string, number> = {};
  let relay = 0;
  for (const [name, now] of after) {
    const then = before.get(name);
    if (then === undefined) continue;
    busy[name] = Math.max(0, now.machine - then.machine);
    relay += Math.max(0, now.relay - then.relay);
  }
  return { busy, relay };
}
