/**
 * What a scrape costs a relay that holds as many connections as its descriptors suffice for, 10 000 at
 * most: CPU time as the scheduler counts it, so that it is the same on a busy machine.
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../../control/lab/topology.js';
import { HALF_OPEN_KEEP_MS } from '../../../monitoring/half-open.js';
import { Fixture } from '../fixture.js';

const MOST = 10_000;
/** No client may have all places of a relay, so there are two. */
const CLIENTS = ['client', 'client2'] as const;
const FILLED = 0.94;
const ROUNDS = 5;
const IN_A_ROW = 100;
const BUDGET_MS = 5;

let fixture: Fixture;
let pid: number;
let connections: number;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.startRelay();
  await fixture.succeed('apply');
  const limit = await fixture.metric('sidetrack_relay_resource_limit{resource="connections"}');
  const each = Math.floor((Math.min(limit, MOST) * FILLED) / CLIENTS.length);
  await Promise.all(CLIENTS.map((node) => hold(node, each)));
  const state = await get('/state.json');
  ({ pid } = (JSON.parse(state) as { relay: { pid: number } }).relay);
  connections = await fixture.metric('sidetrack_relay_connections_active');
  expect(connections).toBe(each * CLIENTS.length);
}, 120_000);
afterAll(() => fixture?.stop());

async function hold(node: string, count: number): Promise<void> {
  const client = fixture.spawnClient(node, 'crowd', ADDRESS.internet.v4, String(count));
  const lines = createInterface({ input: client.child.stdout! })[Symbol.asyncIterator]();
  const { value } = await lines.next();
  expect(JSON.parse(String(value))).toEqual({ connected: count });
}

const get = (path: string, times = 1): Promise<string> => {
  const urls = Array.from({ length: times }, () => `http://127.0.0.1:9150${path}`);
  return fixture.lab.check('server1', ['curl', '-sf', ...urls]);
};

/** CPU time in milliseconds of the main thread, and of those that move bytes together. */
async function cpu(): Promise<{ at: number; main: number; relay: number }> {
  const script =
    'cd "/proc/$1/task" && for t in *; do echo "$t $(cat $t/comm) $(cat $t/schedstat)"; done';
  const argv = ['sh', '-c', script, 'sh', String(pid)];
  const text = await fixture.lab.check('server1', argv);
  const threads = text
    .trim()
    .split('\n')
    .map((line) => /^(?<id>\d+) (?<name>.*) (?<ns>\d+) \d+ \d+$/.exec(line)!.groups!)
    .map(({ id, name = '', ns }) => ({ id: Number(id), name, ms: Number(ns) / 1e6 }));
  const movers = threads.filter(({ name }) => name.startsWith('relay/'));
  expect(movers).not.toEqual([]);
  return {
    at: performance.now(),
    main: threads.find(({ id }) => id === pid)!.ms,
    relay: movers.reduce((sum, { ms }) => sum + ms, 0),
  };
}

describe(`a scrape of a relay that is full`, { tags: 'long', timeout: 120_000 }, () => {
  it('costs the main thread less than 5 ms, what is only read every few seconds included', async () => {
    await get('/metrics', IN_A_ROW);
    const costs: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const rested = await cpu();
      // Until then half-open handshakes are not counted anew.
      await delay(HALF_OPEN_KEEP_MS);
      const before = await cpu();
      await get('/metrics');
      const after = await cpu();
      // What it does each second anyway is no scrape's.
      const idle = (before.main - rested.main) / (before.at - rested.at);
      costs.push(after.main - before.main - idle * (after.at - before.at));
    }
    // What others do to the caches only adds to it.
    tell('main thread', Math.min(...costs));
    expect(Math.min(...costs)).toBeGreaterThan(0);
    expect(Math.min(...costs)).toBeLessThan(BUDGET_MS);
  });

  it('costs the threads that move bytes nothing', async () => {
    const before = await cpu();
    await get('/metrics', IN_A_ROW);
    const after = await cpu();
    tell('main thread, one after another', (after.main - before.main) / IN_A_ROW);
    tell('threads that move bytes', (after.relay - before.relay) / IN_A_ROW);
    expect((after.relay - before.relay) / IN_A_ROW).toBeLessThan(0.1);
  });
});

function tell(what: string, ms: number): void {
  process.stderr.write(
    `${connections} connections, a scrape: ${ms.toFixed(2)} ms of the ${what}\n`,
  );
}
