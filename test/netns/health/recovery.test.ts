/** However a server fails: how long until all new connections of the clients succeed again. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Attempts, errorsOf, recovery } from './attempts.js';
import { CLASSIFIERS, COMBINATIONS, RUNS } from './classifiers.js';
import { FAILURES, type Failure } from './failures.js';
import { HealthWorld, INTERNET, PROBING } from './world.js';

const SOURCES = 8;
/** Attempts in a row that must succeed before a failure counts as overcome: two from each source in both families. */
const ENOUGH = 4 * SOURCES;
const LIMIT_MS = 3000;
const LONG = { timeout: RUNS * 60_000 };

const clients = (world: HealthWorld) =>
  Attempts.start(world.fixture, { hosts: INTERNET, sources: world.sources });

/** @returns milliseconds until every new connection succeeded. */
async function failOnce(world: HealthWorld, failure: Failure, server: string): Promise<number> {
  await world.settle();
  const attempts = await clients(world);
  let time = 0;
  try {
    await attempts.succeed(ENOUGH);
    time = Date.now();
    await failure.make(world, server);
    if (!failure.isPlanned) await attempts.fail(time);
    await attempts.succeed(ENOUGH, time);
  } finally {
    await attempts.stop();
    await failure.undo(world, server);
  }
  const since = attempts.since(time);
  const needed = recovery(since, time);
  console.log(`${failure.name}: ${Math.round(needed)} ms, ${JSON.stringify(errorsOf(since))}`);
  return needed;
}

describe.for(COMBINATIONS)(
  'two servers, $classifier, on_failure: $onFailure',
  {
    tags: ['long'],
  },
  ({ classifier, onFailure }) => {
    let world: HealthWorld;
    beforeAll(async () => {
      world = await HealthWorld.start({
        servers: 2,
        classifier,
        onFailure,
        sources: SOURCES,
        more: PROBING,
      });
    });
    afterAll(() => world?.stop());

    it('share the clients', async () => {
      const attempts = await clients(world);
      await attempts.succeed(ENOUGH);
      await attempts.stop();
      for (const { name } of world.servers) expect(await world.accepted(name)).toBeGreaterThan(0);
    });

    it.for(FAILURES)('$name: connections succeed again within 3 s', LONG, async (failure) => {
      const needed: number[] = [];
      for (let i = 0; i < RUNS; i++)
        needed.push(await failOnce(world, failure, `server${1 + (i % 2)}`));
      expect(Math.max(...needed)).toBeLessThanOrEqual(failure.isPlanned ? 0 : LIMIT_MS);
    });
  },
);

describe.for(CLASSIFIERS)('one server, %s', { tags: ['long'] }, (classifier) => {
  let world: HealthWorld;
  const start = async (onFailure: 'direct' | 'block') => {
    world = await HealthWorld.start({
      servers: 1,
      classifier,
      onFailure,
      sources: SOURCES,
      more: PROBING,
    });
  };

  describe('on_failure: direct', () => {
    beforeAll(() => start('direct'));
    afterAll(() => world?.stop());

    it.for(FAILURES)('$name: connections go out directly within 3 s', LONG, async (failure) => {
      const needed: number[] = [];
      for (let i = 0; i < RUNS; i++) needed.push(await failOnce(world, failure, 'server1'));
      expect(Math.max(...needed)).toBeLessThanOrEqual(failure.isPlanned ? 0 : LIMIT_MS);
    });
  });

  describe('on_failure: block', () => {
    beforeAll(() => start('block'));
    afterAll(() => world?.stop());

    it.for(FAILURES.filter(({ family }) => family === undefined))(
      '$name: nothing leaks, and soon after it is over connections succeed',
      LONG,
      async (failure) => {
        await world.settle();
        await failure.make(world, 'server1');
        const attempts = await clients(world);
        const dead = Date.now();
        const enough = () => attempts.since(dead).length >= 2 * ENOUGH;
        await expect.poll(enough, { timeout: 15_000 }).toBe(true);
        const leaked = attempts.since(dead).filter(({ error }) => error === undefined);
        expect(leaked).toEqual([]);
        await failure.undo(world, 'server1');
        const back = Date.now();
        await attempts.succeed(ENOUGH, back);
        await attempts.stop();
        const needed = recovery(attempts.since(back), back);
        console.log(`${failure.name}: back after ${Math.round(needed)} ms`);
        expect(needed).toBeLessThanOrEqual(LIMIT_MS);
      },
    );
  });
});
