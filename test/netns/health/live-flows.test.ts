/** What becomes of connections that live when their server fails, and of those of the others. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../fixture.js';
import { pseudoRandomDigest } from '../peers/pseudo-random.mjs';
import { COMBINATIONS } from './classifiers.js';
import { FAILURES, type Failure } from './failures.js';
import { carriers, Flows } from './flows.js';
import { HealthWorld, INTERNET } from './world.js';

const SOURCES = 8;
const RESET_AFTER_MS = 6000;
/** Its relay ends with all it had; of the others nothing is heard. */
const SILENT: readonly Failure[] = FAILURES.filter(({ name }) => /power-off|hang/.test(name));
const BYTES = 60_000_000;

describe.for(COMBINATIONS)('$classifier, on_failure: $onFailure', { tags: ['long'] }, (how) => {
  let world: HealthWorld;
  beforeAll(async () => {
    const more = `health: { reset_after_seconds: ${RESET_AFTER_MS / 1000} }\n`;
    world = await HealthWorld.start({ servers: 2, sources: SOURCES, more, ...how });
  });
  afterAll(() => world?.stop());

  const ofFamily = (host: string) =>
    world.sources.filter((source) => source.includes(':') === host.includes(':'));

  it.for(
    SILENT.flatMap((failure) => INTERNET.map((host) => ({ failure, name: failure.name, host }))),
  )(
    '$name: flows to $host that send are reset, silent ones when they send, those of the other server live',
    async ({ failure, host }) => {
      await world.settle();
      const [busy, quiet] = [
        await Flows.start(world.fixture, host, ofFamily(host), 200),
        await Flows.start(world.fixture, host, ofFamily(host)),
      ];
      const by = await carriers(world);
      const carriedBy = (name: string) => ofFamily(host).filter((one) => by.get(one) === name);
      const [dead, living] = [carriedBy('server1'), carriedBy('server2')];
      expect([dead.length > 0, living.length > 0]).toEqual([true, true]);
      const time = Date.now();
      await failure.make(world, 'server1');
      try {
        await waitFor('the flows that send to end', () => busy.ended.length >= dead.length, 20_000);
        const ended = busy.ended.map(({ source, error }) => `${source} ${error}`).sort();
        expect(ended).toEqual(dead.map((source) => `${source} ECONNRESET`).sort());
        const after = busy.ended.map(({ at }) => at - time);
        console.log(`${failure.name}, ${host}: reset after ${after.map(Math.round)} ms`);
        // The last heartbeat came up to half a second before the failure, and nft counts in seconds.
        expect(Math.min(...after)).toBeGreaterThan(RESET_AFTER_MS - 1500);
        // With their next packet: TCP doubles the time between two that are not answered.
        expect(Math.max(...after)).toBeLessThanOrEqual(2 * RESET_AFTER_MS + 1000);
        // They were told nothing, and are at their next byte.
        expect(quiet.ended).toEqual([]);
        const asked = Date.now();
        quiet.send();
        await waitFor('the quiet flows to end', () => quiet.ended.length >= dead.length);
        expect(quiet.ended.map(({ error }) => error)).toEqual(dead.map(() => 'ECONNRESET'));
        expect(Math.max(...quiet.ended.map(({ at }) => at - asked))).toBeLessThan(1000);
        for (const flows of [busy, quiet])
          expect((await flows.stop()).sort()).toEqual([...living].sort());
      } finally {
        await failure.undo(world, 'server1');
        await Promise.all([busy.stop(), quiet.stop()]);
      }
    },
  );

  it('a server that is cut off for less than reset_after keeps its flows', async () => {
    await world.settle();
    const flows = await Flows.start(world.fixture, INTERNET[0], ofFamily(INTERNET[0]), 200);
    const hang = SILENT.find(({ name }) => name.includes('hang'))!;
    await hang.make(world, 'server1');
    await world.waitFor('silent', ['server1']);
    await hang.undo(world, 'server1');
    await world.waitFor('alive', ['server1']);
    expect(flows.ended).toEqual([]);
    expect(await flows.stop()).toHaveLength(ofFamily(INTERNET[0]).length);
  });

  it('downloads by way of the other server keep every byte', async () => {
    await world.settle();
    const [host] = INTERNET;
    const sources = ofFamily(host);
    const downloads = sources.map(async (source) => {
      const script =
        'set -o pipefail; curl -gsSf --interface "$1" --limit-rate 8M --max-time 40 "$2" | sha256sum';
      const url = `http://${host}/bytes/${BYTES}`;
      const argv = ['bash', '-c', script, 'bash', source, url];
      const { status, stdout } = await world.fixture.lab.run('client', argv);
      return { source, status, digest: stdout.split(' ')[0] };
    });
    await waitFor('the downloads to run', async () => (await carriers(world)).size >= SOURCES);
    const by = await carriers(world);
    const hang = SILENT.find(({ name }) => name.includes('hang'))!;
    await hang.make(world, 'server1');
    const all = await Promise.all(downloads);
    await hang.undo(world, 'server1');
    const living = all.filter(({ source }) => by.get(source) === 'server2');
    expect(living.length).toBeGreaterThan(0);
    const digest = pseudoRandomDigest(BYTES);
    expect(living).toEqual(living.map(({ source }) => ({ source, status: 0, digest })));
  });
});
