/**
 * `make bench-relay`: every case, contestants in turn (A B A B), and the rows to build/bench.
 *   SECONDS=2  of one run     RUNS=5  of each contestant     CASES=bulk  only cases with that in their name
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, release } from 'node:os';
import { BenchLab, CORE } from './bench-lab.js';
import { CASES, type Case } from './cases.js';
import { renderChart } from './chart.js';
import type { ContestantName } from './contestants.js';
import { runLoad } from './loads.js';
import { measure, measureMemory, readFigure, type Sample } from './measure.js';
import { makeRow, type Row, renderTable } from './report.js';

const SECONDS = Number(process.env.SECONDS ?? 3);
const RUNS = Number(process.env.RUNS ?? 5);
const WANTED = process.env.CASES ?? '';
/** Memory does not vary with the weather. */
const HOLD_RUNS = 3;
const OUTPUT = 'build/bench';

interface Session {
  bench: BenchLab;
  /** Messages a second that make a half load. */
  halfRate: number;
  /** Contestants that cannot take part, and why. */
  absent: Map<ContestantName, string>;
}

/** Ourselves and all that we start, unless it is told otherwise. */
function stayOffTheRelaysCore(): void {
  if (availableParallelism() < 2) throw new Error('the benchmark needs two cores');
  spawnSync('taskset', ['-acp', `${CORE.rest}`, `${process.pid}`]);
}

/** The programs' own words, without the path of a temporary file. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^.*?error: \S+:\d+:\d+: /s, '').split('\n')[0]!;
}

async function startAll(session: Session, cases: readonly Case[]): Promise<void> {
  const names = new Set(cases.flatMap(({ ours, rivals }) => [ours, ...rivals]));
  for (const name of names) {
    try {
      await session.bench.startContestant(name);
    } catch (error) {
      if (!name.startsWith('sidetrack-')) throw error;
      session.absent.set(name, reasonOf(error));
    }
  }
}

/** Half of what tuned HAProxy can do, for everybody. */
async function findHalfRate(bench: BenchLab, connections: number): Promise<number> {
  await bench.leadThrough('haproxy-tuned');
  const load = { kind: 'ping', connections, rate: 0 } as const;
  const { amount, seconds } = await runLoad(bench, load, Math.min(SECONDS, 1), 0);
  return Math.round(amount / seconds / 2);
}

async function sample(session: Session, one: Case, name: ContestantName): Promise<Sample> {
  const { load } = one;
  if (load.kind !== 'hold') return measure(session.bench, name, load, SECONDS, session.halfRate);
  const amount = await measureMemory(session.bench, name, load.connections);
  return { amount, seconds: 0, busySeconds: 0 };
}

async function runCase(session: Session, one: Case): Promise<Row[]> {
  const { bench, absent } = session;
  const present = [one.ours, ...one.rivals].filter((name) => !absent.has(name));
  const samples = new Map<ContestantName, Sample[]>(present.map((name) => [name, []]));
  await bench.setOffload(one.offload);
  if (one.load.kind === 'ping' && one.load.rate === 'half')
    session.halfRate = await findHalfRate(bench, one.load.connections);
  const runs = one.load.kind === 'hold' ? Math.min(RUNS, HOLD_RUNS) : RUNS;
  for (let run = 0; run < runs; run++)
    for (const name of present) samples.get(name)!.push(await sample(session, one, name));
  return one.figures.map((figure) => {
    const readings = new Map(
      [...samples].map(([name, list]) => [name, list.map((each) => readFigure(figure, each))]),
    );
    return makeRow(one, figure, readings, absent.get(one.ours));
  });
}

function machine(): string {
  const cores = cpus();
  return `${cores.length} × ${cores[0]?.model}, Linux ${release()}`;
}

function save(session: Session, rows: readonly Row[]): void {
  mkdirSync(OUTPUT, { recursive: true });
  const settings = { seconds: SECONDS, runs: RUNS, halfRate: session.halfRate };
  const document = { machine: machine(), date: new Date().toISOString(), ...settings, rows };
  writeFileSync(`${OUTPUT}/relay.json`, `${JSON.stringify(document, undefined, 1)}\n`);
  const subtitle = `${machine()}; relay and its softirq on one core; bar: median of ${RUNS} interleaved runs of ${SECONDS} s, line: all of them`;
  writeFileSync(
    `${OUTPUT}/relay.svg`,
    renderChart('sidetrack relay, side by side', subtitle, rows),
  );
}

async function main(): Promise<void> {
  stayOffTheRelaysCore();
  const cases = CASES.filter(({ name }) => name.includes(WANTED));
  const session: Session = { bench: await BenchLab.start(), halfRate: 0, absent: new Map() };
  const rows: Row[] = [];
  try {
    await startAll(session, cases);
    for (const one of cases) {
      const added = await runCase(session, one);
      console.log(renderTable(added));
      rows.push(...added);
      save(session, rows);
    }
  } finally {
    session.bench.stop();
  }
  const verdicts = rows.flatMap(({ targets }) => targets);
  const met = verdicts.filter(({ pass }) => pass).length;
  console.log(
    `${met} of ${verdicts.length} targets met; rows and chart: ${OUTPUT}/relay.json, .svg`,
  );
}

await main();
