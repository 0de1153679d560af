/** A day of flapping in half a minute leaves nothing behind. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHECKOUT } from '../../open-checkout.js';
import { peer, waitFor } from '../fixture.js';
import { snapshot } from '../snapshot.js';
import { CLASSIFIERS } from './classifiers.js';
import { HealthWorld } from './world.js';

/** As many as if a server failed and came back every half minute of a day. */
const TURNS = 2 * 60 * 24 * 7;
const PAUSE_MS = 1;
const MESSAGE = join(CHECKOUT, 'build/control/heartbeat/message.js');
/** Real ones, of the router's port. */
const LINK_FLAPS = 20;

/** Names and numbers of what there is of ours; what is counted, or has a time, is left out. */
const INVENTORY = `nft -j list ruleset | grep -o '"\\(table\\|chain\\|set\\|map\\|rule\\)": {' | sort | uniq -c
ip rule | wc -l; ip -6 rule | wc -l
ip route show table all | sort; ip -6 route show table all | sort
find /sys/fs/bpf -path '*sidetrack*' | sort`;
/** Elements of each set with a time. */
const ELEMENTS = `nft list ruleset | grep -c expires || true`;

describe.for(CLASSIFIERS)('%s', { tags: ['long'] }, (classifier) => {
  let world: HealthWorld;
  let clean: Record<string, string>;
  beforeAll(async () => {
    world = await HealthWorld.start({ servers: 2, classifier });
    await world.fixture.succeed('down', '--only', 'router');
    clean = await snapshot(world.fixture.lab, 'router');
    await world.fixture.succeed('apply');
    await world.waitFor('alive');
  });
  afterAll(() => world?.stop());

  it('grows no set, chain, rule, route or map, and all of it goes with down', async () => {
    const before = await world.sh('router', INVENTORY);
    const relay = world.relays.get('server1')!;
    relay.signal('SIGKILL');
    await relay.exited;
    const file = '/run/sidetrack/netns/server1/heartbeat.json';
    const argv = [process.execPath, peer('flapping'), MESSAGE, file, `${TURNS}`, `${PAUSE_MS}`];
    await world.fixture.lab.check('server1', argv, { timeoutMs: 120_000 });
    const { port } = world.server('server2');
    const flap = `for i in $(seq ${LINK_FLAPS}); do ip link set ${port} down; ip link set ${port} up; done`;
    await world.sh('router', flap);
    await world.startRelay('server1');
    await world.settle();
    expect(await world.sh('router', INVENTORY)).toBe(before);
    const status = await world.fixture.sidetrack('status', '--only', 'router');
    expect({ status: status.status, stderr: status.stderr }).toMatchObject({ status: 0 });
    expect(await world.fixture.succeed('apply')).toContain('Nothing changes');
    // Marks and reasons of two servers, a few of each; not one for each turn.
    const elements = Number(await world.sh('router', ELEMENTS));
    expect(elements).toBeLessThan(40);
    await world.fixture.succeed('down', '--only', 'router');
    await waitFor('everything to be as before', async () => {
      return JSON.stringify(await snapshot(world.fixture.lab, 'router')) === JSON.stringify(clean);
    }).catch(async () => expect(await snapshot(world.fixture.lab, 'router')).toEqual(clean));
  });
});
