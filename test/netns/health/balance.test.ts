/** Which server gets which share, and what moves when one is lost. */
import { afterEach, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../../control/lab/topology.js';
import { CLASSIFIERS } from './classifiers.js';
import { FAILURES } from './failures.js';
import { carriers, Flows } from './flows.js';
import { HealthWorld } from './world.js';

const FLOWS = 10_000;
const CLIENTS = 200;
/** Of many clients: a network behind the one of the lab, all addresses of which are its own. */
const NETWORK = '172.20.0.0/18';
const { v4 } = ADDRESS.internet;

describe.for(CLASSIFIERS)('%s', { tags: ['long'] }, (classifier) => {
  let world: HealthWorld | undefined;
  afterEach(() => world?.stop());

  it('shares flows by weight within 2 %', async () => {
    const weights = [1, 2, 5];
    const entries = Object.fromEntries(
      weights.map((weight, i) => [`server${i + 1}`, `weight: ${weight}`]),
    );
    const options = { servers: 3, classifier, entries, more: 'balance: flow\n' };
    world = await HealthWorld.start(options);
    const names = world.servers.map(({ name }) => name);
    const before = await Promise.all(names.map((name) => world!.accepted(name)));
    expect(await world.fixture.client('client', 'quick', v4, `${FLOWS}`)).toEqual({ done: FLOWS });
    const after = await Promise.all(names.map((name) => world!.accepted(name)));
    const got = after.map((count, i) => count - before[i]!);
    expect(got.reduce((sum, one) => sum + one, 0)).toBe(FLOWS);
    const total = weights.reduce((sum, one) => sum + one, 0);
    console.log(`${classifier}: ${got} of ${FLOWS} for weights ${weights}`);
    got.forEach((count, i) => {
      expect(Math.abs(count / FLOWS - weights[i]! / total)).toBeLessThanOrEqual(0.02);
    });
  });

  it('a server of four that is lost moves only its own clients, and they come back', async () => {
    world = await HealthWorld.start({ servers: 4, classifier });
    await world.sh('client', `ip route add local ${NETWORK} dev lo`);
    await world.sh('router', `ip route add ${NETWORK} via ${ADDRESS.client.v4} dev br-lan`);
    const before = await choices(world);
    const lost = world.servers.map(
      ({ name }) => [...before.values()].filter((one) => one === name).length / CLIENTS,
    );
    for (const share of lost) expect(Math.abs(share - 1 / 4)).toBeLessThan(0.11);
    const hang = FAILURES.find(({ name }) => name.includes('hang'))!;
    await hang.make(world, 'server3');
    await world.waitFor('silent', ['server3']);
    const meanwhile = await choices(world);
    for (const [source, server] of before) {
      if (server === 'server3') expect(meanwhile.get(source)).not.toBe('server3');
      else expect([source, meanwhile.get(source)]).toEqual([source, server]);
    }
    const takers = [...before].filter(([, server]) => server === 'server3');
    expect(new Set(takers.map(([source]) => meanwhile.get(source))).size).toBe(3);
    await hang.undo(world, 'server3');
    await world.waitFor('alive', ['server3']);
    expect(await choices(world)).toEqual(before);
  });
});

/** Which server each of many clients is given for a new flow. */
async function choices(world: HealthWorld): Promise<Map<string, string>> {
  const sources = Array.from(
    { length: CLIENTS },
    (_, i) => `172.20.${(i * 7) % 64}.${1 + ((i * 13) % 250)}`,
  );
  const flows = await Flows.start(world.fixture, v4, [...new Set(sources)]);
  const found = await carriers(world);
  await flows.stop();
  return new Map([...found].filter(([source]) => source.startsWith('172.20.')).sort());
}
