/** What is planned loses nobody: a stop, a drain, a reload of the file without the server, under load. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Attempts, errorsOf } from './attempts.js';
import { COMBINATIONS } from './classifiers.js';
import { Flows } from './flows.js';
import { HealthWorld, INTERNET } from './world.js';

const SOURCES = 8;
/** Of new connections; each is judged apart, and 200 a second are more than a household's. */
const LOAD = { intervalMs: 5, timeoutMs: 10_000 };
const ENOUGH = 200;

describe.for(COMBINATIONS)('$classifier, on_failure: $onFailure', { tags: ['long'] }, (how) => {
  let world: HealthWorld;
  beforeAll(async () => {
    world = await HealthWorld.start({ servers: 2, sources: SOURCES, ...how });
  });
  afterAll(() => world?.stop());
  beforeEach(() => world.settle());

  /** Connections before, while and after; none may fail. */
  async function underLoad(work: () => Promise<unknown>): Promise<void> {
    const sources = world.sources;
    const attempts = await Attempts.start(world.fixture, { hosts: INTERNET, sources, ...LOAD });
    await attempts.succeed(ENOUGH);
    await work();
    await attempts.succeed(ENOUGH);
    const all = await attempts.stop();
    expect(errorsOf(all)).toEqual({});
    console.log(`longest of ${all.length}: ${Math.max(...all.map(({ took }) => took))} ms`);
  }

  it('a relay that is stopped loses not one attempt', async () => {
    await underLoad(async () => {
      const relay = world.relays.get('server1')!;
      relay.signal('SIGTERM');
      await relay.exited;
    });
    const before = await world.accepted('server2');
    await underLoad(async () => undefined);
    expect(await world.accepted('server2')).toBeGreaterThanOrEqual(before + 2 * ENOUGH);
    await underLoad(() => world.startRelay('server1'));
  });

  it('a drain loses not one attempt, keeps live flows, and holds over an apply', async () => {
    const flows = await Flows.start(world.fixture, INTERNET[0], world.sources.filter(isV4), 100);
    await underLoad(() => world.fixture.succeed('drain', 'server1'));
    expect(await world.health('server1')).toMatchObject({ drained: true });
    await world.fixture.succeed('apply');
    const before = await world.accepted('server1');
    await underLoad(async () => undefined);
    expect(await world.accepted('server1')).toBe(before);
    await underLoad(() => world.fixture.succeed('undrain', 'server1'));
    await underLoad(async () => undefined);
    expect(await world.accepted('server1')).toBeGreaterThan(before);
    expect((await flows.stop()).sort()).toEqual(world.sources.filter(isV4).sort());
  });

  it('a server that leaves the file loses neither an attempt nor a live flow', async () => {
    const flows = await Flows.start(world.fixture, INTERNET[0], world.sources.filter(isV4), 100);
    const entry = /( {2}- name: server2\n(?: {4}.*\n)+)/;
    const yaml = world.yaml();
    await underLoad(async () => {
      world.fixture.configure(yaml.replace(entry, ''));
      await world.fixture.succeed('apply');
    });
    await underLoad(async () => {
      world.fixture.configure(yaml);
      await world.fixture.succeed('apply');
    });
    expect((await flows.stop()).sort()).toEqual(world.sources.filter(isV4).sort());
  });
});

const isV4 = (address: string) => !address.includes(':');
