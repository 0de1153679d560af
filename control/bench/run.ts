/** Does what a plan says: starts what is needed on both sides, runs one slot after the other, ends everything. */
import { randomBytes } from 'node:crypto';
import { SidetrackError } from '../error.js';
import { Attended } from '../hosts/attended.js';
import { ask, type Host, type Transport } from '../hosts/host.js';
import type { BenchDocument, Figures, Machine, Run } from './document.js';
import { BENCH_VERSION } from './document.js';
import { explainFailure, missingIperf3, portTaken, serverGone } from './explain.js';
import { type Busy, busyQuery, factsQuery, type HostFacts, listeningQuery } from './facts.js';
import {
  clientArgv,
  divideStreams,
  type Iperf3Outcome,
  type Iperf3Result,
  readIperf3,
  serverArgv,
  sumResults,
} from './iperf3.js';
import { type Iperf3Failure, iperf3Failure } from './iperf3-failure.js';
import type { BenchPlan, Family, Target, Way } from './plan.js';
import { type Interpreter, type ProberTask, proberArgv, readProbe } from './prober.js';
import type { Slot } from './schedule.js';
import {
  attendedScript,
  BEAT_MS,
  endByToken,
  READY,
  readSideBySide,
  sideBySide,
} from './scripts.js';
import { median, quantile } from './statistics.js';

/** A machine that takes part, and what it said of itself. */
export interface Point {
  name: string;
  host: Host;
  facts: HostFacts;
}

export interface BenchPoints {
  client: Point;
  /** Where iperf3 is started; absent where one runs already. */
  server?: Point;
  /** Whose processors are looked at, too. */
  observed: readonly Point[];
}

export interface BenchProgress {
  /** Once, when it is known. */
  say(line: string): void;
  /** Before each run. */
  step(done: number, total: number, what: string): void;
}

export interface BenchRunOptions {
  signal: AbortSignal;
  progress: BenchProgress;
  /** Makes the set-up of a group of ways; asked before the first run of it. */
  change?: (way: string) => Promise<void>;
  /** In all; none when absent. */
  maxBytes?: number;
}

/** Asks a machine what it is. @param towards an address that it reaches the other side by */
export async function askPoint(name: string, host: Host, towards: string): Promise<Point> {
  const { facts } = await ask(host, { facts: factsQuery(towards) });
  // We run in Node here, wherever that is.
  const interpreters: Interpreter[] = host.remote
    ? facts.interpreters
    : ['node', ...facts.interpreters.filter((one) => one !== 'node')];
  return { name, host, facts: { ...facts, interpreters } };
}

const ATTEMPTS = 3;
/** One after the other: then there is no sense in going on. */
const FAILURES_MOST = 4;
/** Beside its time: to connect, to exchange results. */
const SLACK_SECONDS = 12;
const PERIOD_MS = 10;
const CONNECT_WORKERS = 16;
const CONNECTIONS_MOST = 20_000;
const LISTEN_MS = 10_000;
const LISTEN_POLL_MS = 50;
const MICROSECONDS_IN_MS = 1000;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** What one slot gave. */
type Measured = { figures: Figures } | { failure: Iperf3Failure };

export class Bench {
  readonly #points: BenchPoints;
  readonly #options: BenchRunOptions;
  readonly #runner: Transport;
  readonly #token = `sidetrack-bench-${randomBytes(12).toString('hex')}`;
  #servers: Attended | undefined;
  #programs: readonly (readonly string[])[] = [];
  #ports: readonly number[] = [];
  #bytes = 0;

  constructor(points: BenchPoints, options: BenchRunOptions) {
    this.#points = points;
    this.#options = options;
    this.#runner = points.client.host.fresh();
    options.signal.addEventListener('abort', () => void this.#endClient());
  }

  /** The prober runs on both sides. */
  get probes(): boolean {
    const { client, server } = this.#points;
    return client.facts.interpreters.length > 0 && (server?.facts.interpreters.length ?? 0) > 0;
  }

  /** @throws SidetrackError when a side has no iperf3, or a port is taken */
  async startServers(ways: readonly Way[]): Promise<void> {
    const { client, server } = this.#points;
    if (client.facts.iperf3 === undefined) throw missingIperf3('client', client.host.address);
    if (server === undefined) return;
    if (server.facts.iperf3 === undefined) throw missingIperf3('server', server.host.address);
    const targets = ways.flatMap(({ targets }) => Object.values(targets));
    const ports = [...new Set(targets.flatMap((one) => one.ports))];
    const echoes = [...new Set(targets.flatMap((one) => one.echo ?? []))];
    this.#ports = [...ports, ...echoes];
    this.#programs = [
      ...ports.map((port) => serverArgv(port)),
      ...echoes.map((port) => this.#prober(server, { kind: 'echo', port })),
    ];
    const { taken } = await ask(server.host, { taken: listeningQuery });
    const busy = this.#ports.find((port) => taken.has(port));
    if (busy !== undefined) throw portTaken(server.host.address, busy);
    await this.#startServers(server);
  }

  async #startServers({ host }: Point): Promise<void> {
    const script = attendedScript(this.#programs);
    this.#servers = await Attended.start(host.fresh(), script, { ready: READY, beatMs: BEAT_MS });
    const deadline = Date.now() + LISTEN_MS;
    for (;;) {
      const { listening } = await ask(host, { listening: listeningQuery });
      if (this.#ports.every((port) => listening.has(port))) break;
      const isOver = !this.#servers.alive || Date.now() > deadline;
      if (isOver || this.#servers.said !== '') throw serverGone(host.address, this.#servers.said);
      await sleep(LISTEN_POLL_MS);
    }
    if (iperf3Failure(this.#servers.said).code === 'port-taken')
      throw portTaken(host.address, this.#ports[0]!);
  }

  /**
   * One short run through each way and family: says at once what is in the way, and how fast it is about.
   * @returns the ways with the families and ports that work
   * @throws SidetrackError when a way does not work at all
   */
  async tryOut(ways: readonly Way[]): Promise<{ ways: Way[]; notes: string[]; rate: number }> {
    const notes: string[] = [];
    const rates: number[] = [];
    const tried: Way[] = [];
    for (const way of ways) {
      const working: Partial<Record<Family, Target>> = {};
      let failure: ReturnType<typeof explainFailure> | undefined;
      for (const [key, target] of Object.entries(way.targets)) {
        const family: Family = key === '4' ? 4 : 6;
        const slot = { test: { seconds: 1, streams: 1, family }, target };
        const { measured, probe } = await this.#tryTarget(slot);
        this.#throwIfAborted();
        if ('failure' in measured) {
          failure = explainFailure(measured.failure, way.name, family, target, this.#points);
          notes.push(`${way.name}, IPv${family}: ${failure.message}`);
          continue;
        }
        rates.push(measured.figures.bitsPerSecond ?? 0);
        const { echo, ...rest } = target;
        if (echo !== undefined && !probe)
          notes.push(
            `${way.name}, IPv${family}: nothing answers at port ${echo}, so latency and connections are not measured; open TCP ${echo} from the client to the server`,
          );
        working[family] = echo !== undefined && probe ? { ...rest, echo } : rest;
      }
      if (Object.keys(working).length === 0 && failure !== undefined) throw failure;
      tried.push({ ...way, targets: working });
    }
    return { ways: tried, notes, rate: median(rates) };
  }

  async #tryTarget({
    test,
    target,
  }: {
    test: { seconds: number; streams: number; family: Family };
    target: Target;
  }) {
    const bulk = this.#bulk({ ...test, direction: 'download' as const }, target);
    const { echo, address } = target;
    const task = { kind: 'latency', address, port: echo ?? 0, seconds: 1, periodMs: 50 } as const;
    const programs = echo === undefined ? [] : [this.#prober(this.#points.client, task)];
    for (let attempt = 1; ; attempt++) {
      const outputs = await this.#runSide([...bulk, ...programs], test.seconds);
      const outcome = outcomeOf(outputs.slice(0, bulk.length).map(readIperf3));
      const probe = readProbe(outputs[bulk.length]?.stdout ?? '');
      if ('result' in outcome || !outcome.failure.again || attempt === ATTEMPTS)
        return { measured: bulkFigures(outcome, 'download'), probe: (probe?.count ?? 0) > 0 };
      await this.#recover(outcome.failure);
    }
  }

  /** Every slot of the plan, or as many as there is time, patience and permission for. */
  async run(plan: BenchPlan): Promise<{ runs: Run[]; interrupted: boolean; notes: string[] }> {
    const { signal, progress, change, maxBytes } = this.#options;
    const runs: Run[] = [];
    const notes: string[] = [];
    const groupOf = (name: string) =>
      plan.ways.find((group) => group.some((way) => way.name === name));
    let group = plan.ways[0];
    let failures = 0;
    for (const [i, slot] of plan.slots.entries()) {
      if (signal.aborted) return { runs, interrupted: true, notes };
      if (maxBytes !== undefined && this.#bytes >= maxBytes) {
        notes.push('ended early: the bytes that --max-bytes allows have been moved');
        return { runs, interrupted: true, notes };
      }
      if (groupOf(slot.variant) !== group && change !== undefined) {
        group = groupOf(slot.variant);
        progress.step(i, plan.slots.length, `changing the set-up: ${slot.variant}`);
        await change(slot.variant);
      }
      progress.step(i, plan.slots.length, `${slot.test}, ${slot.variant}`);
      const run = await this.#runSlot(plan, slot);
      if (signal.aborted) return { runs, interrupted: true, notes };
      runs.push(run);
      failures = run.problem === undefined ? 0 : failures + 1;
      if (failures === FAILURES_MOST) {
        notes.push(`ended early: ${FAILURES_MOST} runs failed one after the other`);
        return { runs, interrupted: true, notes };
      }
    }
    progress.step(plan.slots.length, plan.slots.length, 'done');
    return { runs, interrupted: false, notes };
  }

  async #runSlot(plan: BenchPlan, slot: Slot): Promise<Run> {
    const at = new Date().toISOString();
    const { round, test, variant } = slot;
    for (let attempt = 1; ; attempt++) {
      const before = await this.#busy();
      const measured = await this.#measure(plan, slot);
      const after = await this.#busy();
      if ('figures' in measured) {
        const { figures } = measured;
        this.#bytes += figures.receivedBytes ?? 0;
        const { busy, relay } = difference(before, after);
        const gigabytes = (figures.receivedBytes ?? 0) / 1e9;
        // Around the relay it only keeps time.
        const isRelayed = variant !== 'direct' && relay > 0 && gigabytes > 0;
        const cost = isRelayed ? { relayPerGigabyte: relay / gigabytes } : {};
        return { round, test, variant, at, figures: { ...figures, ...cost }, busy };
      }
      const { failure } = measured;
      const isLast = !failure.again || attempt === ATTEMPTS || this.#options.signal.aborted;
      if (isLast) return { round, test, variant, at, figures: {}, busy: {}, problem: failure.said };
      await this.#recover(failure);
    }
  }

  async #measure(plan: BenchPlan, { test: name, variant }: Slot): Promise<Measured> {
    const test = plan.tests.find((one) => one.name === name)!;
    const way = plan.ways.flat().find((one) => one.name === variant)!;
    const target = way.targets[test.family]!;
    const { seconds, direction = 'download' } = test;
    const bulk =
      test.kind === 'bulk'
        ? this.#bulk({ ...test, direction, streams: test.streams ?? 1 }, target)
        : [];
    const prober = test.probed && target.echo !== undefined ? this.#task(test, target) : undefined;
    const programs = [...bulk, ...(prober ? [this.#prober(this.#points.client, prober)] : [])];
    const outputs = await this.#runSide(programs, seconds);
    const outcome = outcomeOf(outputs.slice(0, bulk.length).map(readIperf3));
    const probed = prober ? probeFigures(prober, outputs[bulk.length]!) : undefined;
    if (test.kind !== 'bulk') return probed ?? { failure: iperf3Failure('no prober') };
    const measured = bulkFigures(outcome, direction);
    if ('failure' in measured || probed === undefined || 'failure' in probed) return measured;
    return { figures: { ...measured.figures, ...probed.figures } };
  }

  #bulk(
    test: {
      seconds: number;
      streams: number;
      family: Family;
      direction: 'upload' | 'download';
    },
    { address, ports }: Target,
  ): string[][] {
    const { seconds, family, direction } = test;
    return divideStreams(test.streams).map((streams, i) =>
      clientArgv({ address, port: ports[i]!, seconds, streams, direction, family }),
    );
  }

  #task({ kind, seconds }: { kind: string; seconds: number }, target: Target): ProberTask {
    const way = { address: target.address, port: target.echo!, seconds };
    if (kind === 'connections')
      return { kind: 'connect', ...way, workers: CONNECT_WORKERS, most: CONNECTIONS_MOST };
    return { kind: 'latency', ...way, periodMs: PERIOD_MS };
  }

  #prober({ host, facts }: Point, task: ProberTask): string[] {
    const name = facts.interpreters[0] ?? 'python3';
    return proberArgv(name, task, name === 'node' && !host.remote ? process.execPath : name);
  }

  async #runSide(programs: readonly (readonly string[])[], seconds: number) {
    const limit = seconds + SLACK_SECONDS;
    const command = sideBySide(programs, limit, this.#token);
    const timeoutMs = (limit + SLACK_SECONDS) * MICROSECONDS_IN_MS;
    const { stdout, stderr } = await this.#runner.run(command, { timeoutMs });
    const outputs = readSideBySide(stdout, this.#token, programs.length);
    return outputs.map((one) => ({ ...one, stderr: one.stderr || stderr.trim() }));
  }

  /** A server that still has a test of a client that is gone is started anew where it is ours. */
  async #recover({ code }: Iperf3Failure): Promise<void> {
    const { server } = this.#points;
    await sleep(MICROSECONDS_IN_MS / 2);
    const isStuck = code === 'busy' || this.#servers?.alive === false;
    if (!isStuck || server === undefined || this.#options.signal.aborted) return;
    await this.#servers?.end();
    await this.#startServers(server);
  }

  /** Machines that are one are asked once. */
  async #busy(): Promise<Map<string, Busy>> {
    const answers = await Promise.all(
      this.#machines().map(async ({ name, host }) => {
        const { busy } = await ask(host, { busy: busyQuery });
        return [name, busy] as const;
      }),
    );
    return new Map(answers);
  }

  #machines(): Point[] {
    const { client, server, observed } = this.#points;
    const all = [client, ...(server ? [server] : []), ...observed];
    return all.filter(
      ({ facts }, i) =>
        facts.boot === undefined || all.findIndex((one) => one.facts.boot === facts.boot) === i,
    );
  }

  #throwIfAborted(): void {
    if (!this.#options.signal.aborted) return;
    throw new SidetrackError('ended before anything was measured', {
      code: 'interrupted',
      source: 'host',
    });
  }

  async #endClient(): Promise<void> {
    await this.#points.client.host.batch([endByToken(this.#token)]).catch(() => undefined);
  }

  /** Whatever has happened: nothing of ours runs on either side afterwards. */
  async end(): Promise<void> {
    await Promise.all([this.#servers?.end(), this.#endClient()]);
    await this.#runner.close();
  }

  /** The document of what was measured. */
  document(
    plan: BenchPlan,
    result: { runs: Run[]; interrupted: boolean; notes: string[] },
    about: { sidetrack: string; at: string; prober: string },
  ): BenchDocument {
    const { client, server, observed } = this.#points;
    const machines = [client, ...(server ? [server] : []), ...observed].map(machineOf);
    const { runs, seconds, order, seed } = plan.options;
    return {
      version: BENCH_VERSION,
      ...about,
      interrupted: result.interrupted,
      settings: { runs, seconds, order, seed },
      machines,
      variants: plan.ways.flat().map(({ name, description }) => ({ name, description })),
      tests: plan.tests,
      runs: result.runs,
      notes: [...plan.notes, ...result.notes],
    };
  }
}

function machineOf({ name, host, facts }: Point): Machine {
  const { interpreters: _, ...rest } = facts;
  return { name, address: host.address, ...rest };
}

/** All of them, or the first that failed. */
function outcomeOf(outcomes: readonly Iperf3Outcome[]): Iperf3Outcome {
  const results: Iperf3Result[] = [];
  for (const one of outcomes) {
    if ('failure' in one) return one;
    results.push(one.result);
  }
  return results.length === 0
    ? { failure: iperf3Failure('nothing was run') }
    : { result: sumResults(results) };
}

function bulkFigures(outcome: Iperf3Outcome, direction: 'upload' | 'download'): Measured {
  if ('failure' in outcome) return outcome;
  const transfer = outcome.result[direction];
  if (transfer === undefined)
    return { failure: iperf3Failure(`iperf3 reported no ${direction} at all`) };
  const { rtt } = outcome.result;
  return { figures: { ...transfer, ...(rtt && { rtt: rtt.mean }) } };
}

function probeFigures(
  { kind }: ProberTask,
  { stdout, stderr }: { stdout: string; stderr: string },
): Measured {
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

function difference(before: ReadonlyMap<string, Busy>, after: ReadonlyMap<string, Busy>) {
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
