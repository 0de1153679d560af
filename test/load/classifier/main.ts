/**
 * `make bench-classifier`: rounds in which everything is measured once, and the rows to build/bench.
 *   RUNS=5  rounds     MINUTES=15  after which it ends with what it has
 *   CASES=flood        only the cases whose name fits, as CASES='beats|without'
 *   BEFORE=DIR         a built checkout of an earlier state: heartbeats are measured beside it
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { leaveNetwork } from '../../bpf/run.js';
import { renderChart } from '../chart.js';
import { type Row, renderTable } from '../report.js';
import { makeCases } from './cases.js';
import { ROWS } from './plans.js';
import { type Outcome, Rounds } from './rounds.js';
import { makeClassifierRow } from './rows.js';

const RUNS = Number(process.env.RUNS ?? 5);
const MINUTES = Number(process.env.MINUTES ?? 15);
const CASES = process.env.CASES ?? '';
const OUTPUT = 'build/bench';

function machine(): string {
  const cores = cpus();
  return `${cores.length} × ${cores[0]?.model}, Linux ${release().split('-')[0]}`;
}

function save(rows: readonly Row[], { rounds, ...outcome }: Omit<Outcome, 'samples'>): void {
  mkdirSync(OUTPUT, { recursive: true });
  const date = new Date().toISOString();
  const document = { machine: machine(), date, runs: rounds, ...outcome, rows };
  writeFileSync(`${OUTPUT}/classifier.json`, `${JSON.stringify(document, undefined, 1)}\n`);
  const subtitle = `${machine()}; bar: median of ${rounds} interleaved runs, line: all of them`;
  const chart = renderChart('sidetrack classifier, side by side', subtitle, rows);
  writeFileSync(`${OUTPUT}/classifier.svg`, chart);
}

/** The last line, and what went wrong before it. */
function summarise(rows: readonly Row[], { disturbed, failures }: Outcome): string {
  const verdicts = rows.flatMap(({ targets }) => targets);
  const met = verdicts.filter(({ pass }) => pass).length;
  const quiet = disturbed === 0 ? '' : `; ${disturbed} measurements DISTURBED`;
  const files = `${OUTPUT}/classifier.json, .svg`;
  return [
    ...failures.map(({ name, message }) => `FAILED ${name}: ${message}`),
    `${met} of ${verdicts.length} targets met${quiet}; ${files}`,
  ].join('\n');
}

async function main(): Promise<void> {
  leaveNetwork();
  const directory = mkdtempSync(join(tmpdir(), 'sidetrack-bench-'));
  const labs: { stop(): void }[] = [];
  try {
    const cases = makeCases(directory, (lab) => labs.push(lab));
    const chosen = cases.filter(({ name }) => new RegExp(CASES).test(name));
    const { samples, ...outcome } = await new Rounds(chosen, RUNS, MINUTES).measure();
    const rows = ROWS.map((plan) => makeClassifierRow(plan, samples)).filter(
      ({ ours }) => ours.length > 0 || CASES === '',
    );
    save(rows, outcome);
    console.log(renderTable(rows));
    console.log(summarise(rows, { samples, ...outcome }));
    if (outcome.failures.length > 0) process.exitCode = 1;
  } finally {
    for (const lab of labs) lab.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

await main();
