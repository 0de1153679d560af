/**
 * `make load`: the whole set-up in a lab under iperf3, short connections and a soak; what was counted must add up, no byte
 * may be lost, and nothing may be left. The report goes to build/load.
 *   SECONDS=3  of each run of iperf3     SOAK=90  seconds of the soak     FLOWS="1 10 100 1000"
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { LAB_CONFIG } from '../../../control/lab/demo.js';
import { Fixture } from '../../netns/fixture.js';
import { burstPhase, flowsPhase, type PhaseResult } from './phase.js';
import { isFine, type LoadReport, renderHtml, renderText } from './report.js';
import { SOAK_SETTINGS, type SoakResult, shortenTimes, soak } from './soak.js';

const OUTPUT = 'build/load';
const BURSTS = 3;
const BURST = 1000;
/** So many open one after the other while the first ones keep the machine busy already: they are held back, in bit/s. */
const MANY = 500;
const MANY_RATE = 1_000_000;

function wholeNumbers(name: string, usual: string): number[] {
  const words = (process.env[name] ?? usual).split(/\s+/).filter(Boolean);
  const wrong = words.find((word) => !/^[1-9]\d{0,5}$/.test(word));
  if (words.length > 0 && wrong === undefined) return words.map(Number);
  console.error(
    `${name}: "${wrong ?? ''}" is no whole number above 0; for example: ${name}="${usual}"`,
  );
  process.exit(2);
}

const [SECONDS = 0] = wholeNumbers('SECONDS', '3');
const [SOAK_SECONDS = 0] = wholeNumbers('SOAK', '90');
const FLOWS = wholeNumbers('FLOWS', '1 10 100 1000');

const tell = (line: string) => console.error(line);

/** A lab with a relay, and everything steered there; `work` in it. @param relay options of its Node */
async function inLab<T>(
  { config, relay = '' }: { config: string; relay?: string },
  work: (fixture: Fixture) => Promise<T>,
): Promise<T> {
  const fixture = await Fixture.start();
  try {
    fixture.configure(config);
    // What is started later does not get it.
    process.env.NODE_OPTIONS = relay;
    await fixture.startRelay();
    delete process.env.NODE_OPTIONS;
    await fixture.succeed('apply');
    return await work(fixture);
  } finally {
    await fixture.stop();
  }
}

async function runPhases(fixture: Fixture, phases: PhaseResult[]): Promise<void> {
  const keep = async (phase: Promise<PhaseResult>) => {
    const done = await phase;
    phases.push(done);
    tell(`${done.name}: ${done.checks.every(({ ok }) => ok) ? 'ok' : 'VIOLATED'}`);
  };
  for (const flows of FLOWS)
    for (const direction of ['upload', 'download'] as const) {
      const speed = flows < MANY ? {} : { rate: MANY_RATE };
      await keep(flowsPhase(fixture, { flows, seconds: SECONDS, direction, ...speed }));
    }
  for (let i = 0; i < BURSTS; i++) await keep(burstPhase(fixture, BURST));
}

/**
 * A heap that may grow is no leak, and Node's takes what it likes before it looks for garbage. With as little as this it
 * looks all the time, and what still grows is kept by somebody.
 */
const SMALL_HEAP = '--max-semi-space-size=1 --max-old-space-size=48';

async function runSoak(fixture: Fixture): Promise<SoakResult> {
  await shortenTimes(fixture);
  return soak(fixture, Date.now() + SOAK_SECONDS * 1000, tell);
}

function save(report: LoadReport): void {
  mkdirSync(OUTPUT, { recursive: true });
  writeFileSync(`${OUTPUT}/report.json`, `${JSON.stringify(report, undefined, 1)}\n`);
  writeFileSync(`${OUTPUT}/report.html`, renderHtml(report));
}

async function main(): Promise<void> {
  const cores = cpus();
  const phases: PhaseResult[] = [];
  const started: LoadReport = {
    version: 1,
    date: new Date().toISOString(),
    machine: `${cores.length} × ${cores[0]?.model}, Linux ${release()}`,
    phases,
  };
  let report = started;
  try {
    await inLab({ config: LAB_CONFIG }, (fixture) => runPhases(fixture, phases));
    report = {
      ...started,
      soak: await inLab({ config: `${LAB_CONFIG}${SOAK_SETTINGS}`, relay: SMALL_HEAP }, runSoak),
    };
  } catch (error) {
    report = { ...started, error: error instanceof Error ? error.message : String(error) };
  }
  save(report);
  console.log(renderText(report));
  console.log(`report: ${OUTPUT}/report.json, ${OUTPUT}/report.html`);
  if (!isFine(report)) process.exitCode = 1;
}

await main();
