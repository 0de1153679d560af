/** The client of a benchmark: one run after the other, each a few programs side by side. */
import { randomBytes } from 'node:crypto';
import type { Transport } from '../hosts/host.js';
import type { Test } from './document.js';
import { clientArgv, divideStreams, readIperf3 } from './iperf3.js';
import { iperf3Failure } from './iperf3-failure.js';
import { bulkFigures, type Measured, outcomeOf, probeFigures } from './measured.js';
import type { Target } from './plan.js';
import type { Point } from './points.js';
import { type ProberTask, proberArgv } from './prober.js';
import { endByToken, type ProgramOutput, readSideBySide, sideBySide } from './scripts.js';

/** Beside its time: to connect, to exchange results. */
const SLACK_SECONDS = 12;
const MILLISECONDS = 1000;
const PERIOD_MS = 10;
const CONNECT_WORKERS = 16;
const CONNECTIONS_MOST = 20_000;

/** Where we run ourselves there is Node, wherever it may be. */
export function prober({ host, facts }: Point, task: ProberTask): string[] {
  const name = facts.interpreters[0] ?? 'python3';
  return proberArgv(name, task, name === 'node' && !host.remote ? process.execPath : name);
}

export class BenchClient {
  readonly #runner: Transport;
  /** In the command line of all that runs, so that it is found again. */
  readonly #token = `sidetrack-bench-${randomBytes(12).toString('hex')}`;

  constructor(private readonly point: Point) {
    this.#runner = point.host.fresh();
  }

  /** One run of a test through a way; `probed` says what became of the small requests beside it. */
  async measure(test: Test, target: Target): Promise<{ measured: Measured; probed?: Measured }> {
    const { kind, family, seconds, direction = 'download', streams = 1 } = test;
    const { address, ports } = target;
    const bulk =
      kind === 'bulk'
        ? divideStreams(streams).map((each, i) =>
            clientArgv({
              ...{ address, port: ports[i]!, seconds, streams: each, direction, family },
            }),
          )
        : [];
    const task = test.probed ? taskOf(test, target) : undefined;
    const programs = task === undefined ? bulk : [...bulk, prober(this.point, task)];
    const outputs = await this.#run(programs, seconds);
    const probed = task && probeFigures(task, outputs[bulk.length]!);
    if (kind !== 'bulk') return { measured: probed ?? { failure: iperf3Failure('no prober') } };
    const outcome = outcomeOf(outputs.slice(0, bulk.length).map(readIperf3));
    const measured = bulkFigures(outcome, direction);
    return { measured, ...(probed && { probed }) };
  }

  async #run(programs: readonly (readonly string[])[], seconds: number): Promise<ProgramOutput[]> {
    const limit = seconds + SLACK_SECONDS;
    const command = sideBySide(programs, limit, this.#token);
    const timeoutMs = (limit + SLACK_SECONDS) * MILLISECONDS;
    const { stdout, stderr } = await this.#runner.run(command, { timeoutMs });
    const outputs = readSideBySide(stdout, this.#token, programs.length);
    return outputs.map((one) => ({ ...one, stderr: one.stderr || stderr.trim() }));
  }

  /** Ends the programs of a run that is under way. Never fails. */
  async interrupt(): Promise<void> {
    await this.point.host.batch([endByToken(this.#token)]).catch(() => undefined);
  }

  async end(): Promise<void> {
    await this.interrupt();
    await this.#runner.close();
  }
}

function taskOf({ kind, seconds }: Test, { address, echo }: Target): ProberTask | undefined {
  if (echo === undefined) return undefined;
  const way = { address, port: echo, seconds };
  return kind === 'connections'
    ? { kind: 'connect', ...way, workers: CONNECT_WORKERS, most: CONNECTIONS_MOST }
    : { kind: 'latency', ...way, periodMs: PERIOD_MS };
}
