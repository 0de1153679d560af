/** Servers that fail and servers that are stopped, once with each classifier; the other files here have all variants. */
import { describe, expect, it } from 'vitest';
import type { Classifier } from '../fixture.js';
import { Attempts, errorsOf, recovery } from './attempts.js';
import { HealthWorld, INTERNET } from './world.js';

const SOURCES = 8;
const ENOUGH = 4 * SOURCES;
const LIMIT_MS = 3000;
const EBPF: readonly Classifier[] = process.getuid?.() === 0 ? ['ebpf-redirect'] : [];

/** One is killed and the other has all clients within 3 s; then that one is stopped, and nobody is lost. */
async function failAndStop(classifier: Classifier): Promise<void> {
  const world = await HealthWorld.start({ servers: 2, classifier, sources: SOURCES });
  try {
    const attempts = await Attempts.start(world.fixture, {
      hosts: INTERNET,
      sources: world.sources,
    });
    await attempts.succeed(ENOUGH);
    for (const { name } of world.servers) expect(await world.accepted(name)).toBeGreaterThan(0);
    const time = Date.now();
    const killed = world.relays.get('server1')!;
    killed.signal('SIGKILL');
    await killed.exited;
    await attempts.fail(time);
    await attempts.succeed(ENOUGH, time);
    expect(recovery(attempts.since(time), time)).toBeLessThanOrEqual(LIMIT_MS);
    await world.startRelay('server1');
    await world.waitFor('alive');
    const back = await world.accepted('server1');
    const stop = Date.now();
    const stopped = world.relays.get('server2')!;
    stopped.signal('SIGTERM');
    await stopped.exited;
    await attempts.succeed(ENOUGH);
    expect(await world.accepted('server1')).toBeGreaterThan(back);
    await attempts.stop();
    expect(errorsOf(attempts.since(stop))).toEqual({});
  } finally {
    await world.stop();
  }
}

const TITLE = 'of two servers one is killed, then the other stopped: connections go on';

describe('health: heartbeat', () => {
  it(`${TITLE}, nftables`, () => failAndStop('nftables'));
  it.for(EBPF)(`${TITLE}, %s`, { tags: ['long'] }, failAndStop);
});
