/** Does what a plan says: starts what is needed on both sides, takes one turn after the other, ends everything. */
import { SidetrackError } from '../error.js';
import { ask, type Host } from '../hosts/host.js';
import { BENCH_VERSION, type BenchDocument, type Run, type Test } from './document.js';
import { explainFailure, missingIperf3 } from './explain.js';
import { type Busy, busyQuery, factsQuery } from './facts.js';
import type { Iperf3Failure } from './iperf3-failure.js';
import { difference, type Measured } from './measured.js';
import { type BenchPlan, FAMILIES, type Family, type Target, type Way } from './plan.js';
import { allPoints, type BenchPoints, machineOf, machinesOf, type Point } from './points.js';
import { BenchClient } from './run-client.js';
import { BenchServers } from './run-servers.js';
import type { Turn } from './schedule.js';
import { median } from './statistics.js';

export interface BenchProgress {
  /** Once, when it is known. */
  say(line: string): void;
  /** Before each run. */
  step(done: number, total: number, what: string): void;
}

export interface BenchRunOptions {
  signal: AbortSignal;
  progress: BenchProgress;
  /** Makes the set-up of a way; asked before the first run of its group. */
  change?: (way: string) => Promise<void>;
  /** In all; none when absent. */
  maxBytes?: number;
}

/** Asks a machine what it is. @param towards an address that it reaches the other side by */
export async function askPoint(name: string, host: Host, towards: string): Promise<Point> {
  const { facts } = await ask(host, { facts: factsQuery(towards) });
  const others = facts.interpreters.filter((one) => one !== 'node');
  // Where we run ourselves there is Node, wherever it may be.
  return host.remote
    ? { name, host, facts }
    : { name, host, facts: { ...facts, interpreters: ['node', ...others] } };
}

export interface BenchResult {
  runs: Run[];
  /** It was ended before its end. */
  interrupted: boolean;
  notes: string[];
}

const ATTEMPTS = 3;
const PAUSE_MS = 500;
/** One after the other: then there is no sense in going on. */
const FAILURES_MOST = 4;
const GIGABYTE = 1e9;

export class Bench {
  readonly #points: BenchPoints;
  readonly #options: BenchRunOptions;
  readonly #client: BenchClient;
  #servers: BenchServers | undefined;
  #bytes = 0;

  constructor(points: BenchPoints, options: BenchRunOptions) {
    this.#points = points;
    this.#options = options;
    this.#client = new BenchClient(points.client);
    options.signal.addEventListener('abort', () => void this.#client.interrupt());
  }

  /** @throws SidetrackError when a side has no iperf3, or a port is taken */
  async startServers(ways: readonly Way[]): Promise<void> {
    const { client, server } = this.#points;
    if (client.facts.iperf3 === undefined) throw missingIperf3('client', client.host.address);
    if (server === undefined) return;
    if (server.facts.iperf3 === undefined) throw missingIperf3('server', server.host.address);
    this.#servers = await BenchServers.start(server, ways);
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
      const targets: Partial<Record<Family, Target>> = {};
      let problem: SidetrackError | undefined;
      for (const family of FAMILIES) {
        const target = way.targets[family];
        if (target === undefined) continue;
        const { measured, answers } = await this.#tryTarget(family, target);
        if ('failure' in measured) {
          const why = explainFailure(measured.failure, way.name, family, target, this.#points);
          problem ??= why;
          notes.push(`IPv${family}, ${why.message}`);
          continue;
        }
        this.#bytes += measured.figures.receivedBytes ?? 0;
        rates.push(measured.figures.bitsPerSecond ?? 0);
        const { echo, ...rest } = target;
        if (!answers)
          notes.push(
            `${way.name}, IPv${family}: nothing answers at port ${echo}, so latency and connections are not measured; open TCP ${echo} from the client to the server`,
          );
        targets[family] = answers ? target : rest;
      }
      if (Object.keys(targets).length === 0 && problem !== undefined) throw problem;
      tried.push({ ...way, targets });
    }
    return { ways: tried, notes, rate: rates.length === 0 ? 0 : median(rates) };
  }

  async #tryTarget(family: Family, target: Target) {
    const test: Test = {
      ...{ name: 'try', kind: 'bulk', family, direction: 'download', seconds: 1 },
      probed: target.echo !== undefined,
    };
    for (let attempt = 1; ; attempt++) {
      const { measured, probed } = await this.#client.measure(test, target);
      if (this.#options.signal.aborted) throw interrupted();
      const isLast = 'figures' in measured || !measured.failure.again || attempt === ATTEMPTS;
      if (isLast) return { measured, answers: probed === undefined || 'figures' in probed };
      await this.#recover(measured.failure);
    }
  }

  /** Every turn of the plan, or as many as there is time, patience and permission for. */
  async run(plan: BenchPlan): Promise<BenchResult> {
    const runs: Run[] = [];
    try {
      return await this.#run(plan, runs);
    } catch (error) {
      // A connection that is lost; what was measured before is worth something.
      if (runs.length === 0 || !(error instanceof SidetrackError)) throw error;
      return { runs, interrupted: true, notes: [`ended early: ${error.message}`] };
    }
  }

  /** @param runs those that are made are added to it */
  async #run(plan: BenchPlan, runs: Run[]): Promise<BenchResult> {
    const { signal, progress, change, maxBytes = Number.POSITIVE_INFINITY } = this.#options;
    const { turns } = plan;
    const early = (...notes: string[]): BenchResult => ({ runs, interrupted: true, notes });
    let group = groupOf(plan, turns[0]);
    let failures = 0;
    for (const [i, turn] of turns.entries()) {
      if (signal.aborted) return early();
      if (this.#bytes >= maxBytes)
        return early('ended early: the bytes that --max-bytes allows have been moved');
      if (groupOf(plan, turn) !== group) {
        group = groupOf(plan, turn);
        progress.step(i, turns.length, `changing the set-up: ${turn.variant}`);
        await change?.(turn.variant);
      }
      progress.step(i, turns.length, `${turn.test}, ${turn.variant}`);
      const run = await this.#runTurn(plan, turn);
      if (signal.aborted) return early();
      runs.push(run);
      failures = run.problem === undefined ? 0 : failures + 1;
      if (failures === FAILURES_MOST)
        return early(`ended early: ${FAILURES_MOST} runs failed one after the other`);
    }
    progress.step(turns.length, turns.length, 'done');
    return { runs, interrupted: false, notes: [] };
  }

  async #runTurn(plan: BenchPlan, turn: Turn): Promise<Run> {
    const rest = { ...turn, at: new Date().toISOString() };
    for (let attempt = 1; ; attempt++) {
      const before = await this.#busy();
      const measured = await this.#measure(plan, turn);
      const after = await this.#busy();
      if ('figures' in measured) {
        const { busy, relay } = difference(before, after);
        const gigabytes = (measured.figures.receivedBytes ?? 0) / GIGABYTE;
        this.#bytes += measured.figures.receivedBytes ?? 0;
        // Around the relay it only keeps time.
        const isRelayed = turn.variant !== 'direct' && relay > 0 && gigabytes > 0;
        const cost = isRelayed ? { relayPerGigabyte: relay / gigabytes } : {};
        return { ...rest, figures: { ...measured.figures, ...cost }, busy };
      }
      const { failure } = measured;
      if (!failure.again || attempt === ATTEMPTS || this.#options.signal.aborted)
        return { ...rest, figures: {}, busy: {}, problem: failure.said };
      await this.#recover(failure);
    }
  }

  /** Bulk counts also where the small requests beside it got no answer. */
  async #measure({ tests, ways }: BenchPlan, turn: Turn): Promise<Measured> {
    const test = tests.find(({ name }) => name === turn.test)!;
    const way = ways.flat().find(({ name }) => name === turn.variant)!;
    const { measured, probed } = await this.#client.measure(test, way.targets[test.family]!);
    if ('failure' in measured || probed === undefined || 'failure' in probed) return measured;
    return { figures: { ...measured.figures, ...probed.figures } };
  }

  /** A server that still has a test of a client that is gone is started anew where it is ours. */
  async #recover({ code }: Iperf3Failure): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    if (this.#servers === undefined || this.#options.signal.aborted) return;
    if (code === 'busy' || !this.#servers.alive) await this.#servers.restart();
  }

  async #busy(): Promise<Map<string, Busy>> {
    const answers = await Promise.all(
      machinesOf(this.#points).map(async ({ name, host }) => {
        const { busy } = await ask(host, { busy: busyQuery });
        return [name, busy] as const;
      }),
    );
    return new Map(answers);
  }

  /** Nothing of ours runs on either side afterwards, and that is so also when something has failed. */
  async end(): Promise<void> {
    await Promise.all([this.#servers?.end(), this.#client.end()]);
  }

  /** The document of what was measured. */
  document(
    plan: BenchPlan,
    { runs, interrupted: isInterrupted, notes }: BenchResult,
    about: Pick<BenchDocument, 'sidetrack' | 'at' | 'prober'>,
  ): BenchDocument {
    const { runs: counted, seconds, order, seed } = plan.options;
    return {
      version: BENCH_VERSION,
      ...about,
      interrupted: isInterrupted,
      settings: { runs: counted, seconds, order, seed },
      machines: allPoints(this.#points).map(machineOf),
      variants: plan.ways.flat().map(({ name, description }) => ({ name, description })),
      tests: plan.tests,
      runs,
      notes: [...plan.notes, ...notes],
    };
  }
}

const groupOf = ({ ways }: BenchPlan, turn: Turn | undefined) =>
  ways.find((group) => group.some(({ name }) => name === turn?.variant));

const interrupted = () =>
  new SidetrackError('ended before anything was measured', {
    code: 'interrupted',
    source: 'host',
  });
