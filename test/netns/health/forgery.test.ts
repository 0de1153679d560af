/** Heartbeats that are not the server's, and servers that are not where they were. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../../control/lab/topology.js';
import { expectDownload } from '../download.js';
import { FAMILIES, waitFor } from '../fixture.js';
import { Attempts, errorsOf, recovery } from './attempts.js';
import { CLASSIFIERS } from './classifiers.js';
import { FAILURES, type Failure } from './failures.js';
import { FIT, heartbeatFrame, inject, routerMac, type Sender, secretsOf, WRONG } from './forged.js';
import { HealthWorld, INTERNET } from './world.js';

const failure = (word: string): Failure => FAILURES.find(({ name }) => name.includes(word))!;
const CLIENT: Sender = { mac: '02:00:00:00:01:10', address: ADDRESS.client.v4 };

describe.for(CLASSIFIERS)('%s', { tags: ['long'] }, (classifier) => {
  let world: HealthWorld;
  beforeAll(async () => {
    world = await HealthWorld.start({ servers: 2, classifier, sources: 4 });
  });
  afterAll(() => world?.stop());
  beforeEach(() => world.settle());

  /** Of ever higher counters, sent from the client's wire. */
  async function forge(sender: Sender, secrets = WRONG, from = Date.now()): Promise<void> {
    const mac = await routerMac(world);
    const frames = Array.from({ length: 10 }, (_, i) =>
      heartbeatFrame(mac, sender, { ...FIT, counter: BigInt(from + i) }, secrets),
    );
    await inject(world, 'client', frames);
  }

  const ignored = async (server: string) => (await world.health(server)).ignored;

  it.each([
    ['its own address', 'tag or address', CLIENT],
    ["the server's address and MAC", 'tag', undefined],
  ])(
    'a client that sends heartbeats from %s brings no dead server to life: %s',
    async (_, __, own) => {
      const { v4, mac } = world.server('server1');
      await failure('hang').make(world, 'server1');
      try {
        await world.waitFor('silent', ['server1']);
        const before = await ignored('server1');
        await forge(own ?? { mac, address: v4 });
        expect((await world.health('server1')).families).toEqual({ 4: 'silent', 6: 'silent' });
        const after = await ignored('server1');
        const total = (counts: Record<string, number>) =>
          Object.values(counts).reduce((sum, one) => sum + one, 0);
        if (own === undefined) {
          expect(after.tag! - before.tag!).toBe(10);
          expect(total(after) - total(before)).toBe(10);
        }
        // Whose it would be is not known: it may count for each server, or for none.
        else expect(total(after)).toBeGreaterThanOrEqual(total(before));
      } finally {
        await failure('hang').undo(world, 'server1');
      }
    },
  );

  it('the right tag from the address of another machine counts for nothing', async () => {
    const secrets = await secretsOf(world, 'server1');
    await failure('hang').make(world, 'server1');
    try {
      await world.waitFor('silent', ['server1']);
      await forge(CLIENT, secrets);
      expect((await world.health('server1')).families).toEqual({ 4: 'silent', 6: 'silent' });
    } finally {
      await failure('hang').undo(world, 'server1');
    }
  });

  it('a heartbeat that is repeated is ignored by eBPF; nftables cannot tell', async () => {
    const secrets = await secretsOf(world, 'server1');
    const { v4, mac } = world.server('server1');
    await failure('hang').make(world, 'server1');
    try {
      await world.waitFor('silent', ['server1']);
      const before = await ignored('server1');
      await forge({ mac, address: v4 }, secrets, Date.now() - 3_600_000);
      const { families, ignored: after } = await world.health('server1');
      if (classifier === 'nftables')
        // Two seconds after the last one it is silent again.
        await waitFor('the dead server to be taken for a living one', async () => {
          await forge({ mac, address: v4 }, secrets, Date.now() - 3_600_000);
          return Object.values((await world.health('server1')).families).includes('alive');
        });
      else {
        expect(families).toEqual({ 4: 'silent', 6: 'silent' });
        expect(after.replay! - before.replay!).toBe(10);
      }
    } finally {
      await failure('hang').undo(world, 'server1');
    }
  });

  it("no client's packet to the port is delivered, and a heartbeat's neither", async () => {
    const heard = world.fixture.lab.spawn('router', [
      process.execPath,
      '-e',
      `require('dgram').createSocket('udp4').on('message', (m) => console.log(m.length)).bind(9155, () => console.log('bound'))`,
    ]);
    let said = '';
    heard.child.stdout!.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    await waitFor('the socket', () => said.includes('bound'));
    await forge(CLIENT);
    const before = (await world.health('server1')).ignored;
    await forge({ mac: CLIENT.mac, address: world.server('server1').v4 });
    await waitFor('them to be counted', async () => {
      const after = await ignored('server1');
      return after.tag! + after.mac! > before.tag! + before.mac!;
    });
    heard.signal('SIGKILL');
    await heard.exited;
    expect(said.trim()).toBe('bound');
  });

  it("a server's MAC that changes is followed, its own connections never steered", async () => {
    const { mac } = world.server('server1');
    const other = '02:00:00:00:77:77';
    const attempts = await Attempts.start(world.fixture, {
      hosts: INTERNET,
      sources: world.sources,
    });
    await attempts.succeed(20);
    const time = Date.now();
    try {
      // As bonds, keepalived and NetworkManager do; without a word ARP finds out after half a minute.
      await world.sh(
        'server1',
        `echo 1 > /proc/sys/net/ipv4/conf/eth0/arp_notify
         echo 1 > /proc/sys/net/ipv6/conf/eth0/ndisc_notify
         ip link set eth0 address ${other}`,
      );
      await attempts.succeed(40, time);
      expect(recovery(attempts.since(time), time)).toBeLessThanOrEqual(3000);
      await world.waitFor('alive', ['server1']);
      const before = await world.accepted('server1');
      // One that were steered would come back, again and again.
      const own = await world.fixture.client('server1', 'echo', ADDRESS.internet.v4, '3');
      expect(own).toEqual({ rounds: 3 });
      await attempts.succeed(40);
      const all = await attempts.stop();
      const since = await world.accepted('server1');
      expect(since).toBeGreaterThan(before);
      expect(since - before).toBeLessThanOrEqual(all.length);
      for (const family of FAMILIES)
        await expectDownload(world.fixture, 'client', ADDRESS.internet[family]);
    } finally {
      await attempts.stop();
      await world.sh('server1', `ip link set eth0 address ${mac}`);
    }
  });
});

describe.for(CLASSIFIERS)(
  "%s, a server's address that another machine takes",
  {
    tags: ['long'],
  },
  (classifier) => {
    let world: HealthWorld;
    beforeAll(async () => {
      world = await HealthWorld.start({ servers: 2, classifier, sources: 4, strangers: 1 });
    });
    afterAll(() => world?.stop());

    it('is given nothing, as it sends no right heartbeat', async () => {
      const { v4, v6 } = world.server('server1');
      const count = `nft -j list counter inet stranger seen | grep -o '"packets": [0-9]*' | cut -d' ' -f2`;
      await world.sh(
        'server3',
        `nft 'table inet stranger {
         counter seen { }
         chain in { type filter hook prerouting priority -400; meta l4proto tcp counter name seen; }
       }'`,
      );
      await failure('power-off').make(world, 'server1');
      try {
        await world.waitFor('silent', ['server1']);
        await world.sh(
          'server3',
          `ip address add ${v4}/24 dev eth0; ip address add ${v6}/64 dev eth0 nodad
         ping -c1 -W5 -I ${v4} ${ADDRESS.router.v4} >/dev/null; ping -c1 -W5 -I ${v6} ${ADDRESS.router.v6} >/dev/null`,
        );
        const attempts = await Attempts.start(world.fixture, {
          hosts: INTERNET,
          sources: world.sources,
        });
        await attempts.succeed(60);
        expect(errorsOf(await attempts.stop())).toEqual({});
        expect((await world.sh('server3', count)).trim()).toBe('0');
      } finally {
        await world.sh(
          'server3',
          `ip address del ${v4}/24 dev eth0; ip address del ${v6}/64 dev eth0`,
        );
        await failure('power-off').undo(world, 'server1');
      }
      await world.waitFor('alive', ['server1']);
    });
  },
);
