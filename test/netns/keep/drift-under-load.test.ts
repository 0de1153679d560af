/** Each drift is repaired within two seconds while the hosts are busy with transfers, and no live flow is lost. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Fixture } from '../fixture.js';
import { DRIFTS, type Drift } from './drifts.js';
import { Kept, type Watcher } from './kept.js';
import { SHELLS } from './shells.js';
import { Transfers } from './transfers.js';

const BOUND_MS = 2000;
/** Some of them meet the watcher behind a look, others in one. */
const ROUNDS = 3;

/**
 * Behind a lost table of the router a transfer has been silent for ten to thirteen seconds, longer than the table was away; why is not known
 * yet. What is lost for good is silent for longer.
 */
const SILENCE_MS = 20_000;

let fixture: Fixture;
let watcher: Watcher | undefined;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.startRelay();
  fixture.configureWith([]);
});
afterAll(() => fixture?.stop());
beforeEach(() => fixture.succeed('apply'));
afterEach(async () => {
  await watcher?.end();
  watcher = undefined;
});

interface Measured {
  name: string;
  repairMs: number;
  silenceMs: number;
}

const line = ({ name, repairMs, silenceMs }: Measured) =>
  `${String(repairMs).padStart(6)} ms, silence ${String(silenceMs).padStart(6)} ms: ${name}`;

/** The longest of several times. @throws when a transfer broke or was wrong */
async function measure(
  kept: Kept,
  transfers: Transfers,
  { name, script }: Drift,
): Promise<Measured> {
  const measured: Measured = { name, repairMs: 0, silenceMs: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const ms = await kept.timesRepair(name, script);
    const { silenceMs, wrong } = await transfers.report(`behind ${name}`);
    expect(wrong, name).toEqual([]);
    measured.repairMs = Math.max(measured.repairMs, ms);
    measured.silenceMs = Math.max(measured.silenceMs, silenceMs);
  }
  return measured;
}

async function repairsInTime(node: Drift['node'], name: string, shell: readonly string[]) {
  const kept = await Kept.of(fixture, node, shell);
  watcher = await kept.watch();
  const transfers = await Transfers.start(fixture);
  const all: Measured[] = [];
  try {
    for (const drift of DRIFTS.filter((one) => one.node === node))
      all.push(await measure(kept, transfers, drift));
  } finally {
    await transfers.end();
    const title = `${node}, ${name}: the longest of ${ROUNDS} repairs under load`;
    process.stderr.write(`${[title, ...all.map(line)].join('\n')}\n`);
  }
  const late = ({ repairMs, silenceMs }: Measured) =>
    repairMs >= BOUND_MS || silenceMs >= SILENCE_MS;
  expect(all.filter(late).map(line)).toEqual([]);
  expect((await kept.state())!.alarms).toEqual([]);
}

describe.each(SHELLS)('in %s under load', { tags: ['long'], timeout: 300_000 }, (name, shell) => {
  it.each(['router', 'server1'] as const)('%s repairs each drift within two seconds', (node) =>
    repairsInTime(node, name, shell),
  );
});
