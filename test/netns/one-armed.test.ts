/** A router whose uplink is the clients' own interface: only the next hop tells its routes apart. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESS, DEFAULT_TOPOLOGY, type Node, type Topology } from '../../control/lab/topology.js';
import { type Classifier, FAMILIES, Fixture, url, waitFor } from './fixture.js';
import { holdConnection } from './hold.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';

const named = (name: string): Node => DEFAULT_TOPOLOGY.nodes.find((node) => node.name === name)!;

/** TCP that arrives at the provider with a private source has leaked; neighbours find each other on that link. */
const LEAKS = `table inet leak {
  chain prerouting {
    type filter hook prerouting priority raw; policy accept;
    meta l4proto tcp ip saddr 192.168.0.0/16 counter drop
    meta l4proto tcp ip6 saddr fd00::/8 counter drop
  }
}`;

const TOPOLOGY: Topology = {
  nodes: [
    named('client'),
    named('server1'),
    { ...named('internet'), ruleset: LEAKS },
    {
      ...named('router'),
      interfaces: ['lan0', 'lan1', 'lan2'].map((name) => ({ name, addresses: [] })),
      bridges: [
        {
          name: 'br-lan',
          ports: ['lan0', 'lan1', 'lan2'],
          addresses: ['192.168.1.1/24', 'fd00:1::1/64', '203.0.113.1/24', '2001:db8:ffff::1/64'],
        },
      ],
      ruleset: `table inet wan_nat {
        chain postrouting {
          type nat hook postrouting priority srcnat; policy accept;
          ip saddr 192.168.1.0/24 ip daddr != 192.168.1.0/24 masquerade
          ip6 saddr fd00:1::/64 ip6 daddr != fd00:1::/64 masquerade
        }
      }`,
    },
  ],
  links: [
    ['client:eth0', 'router:lan0'],
    ['server1:eth0', 'router:lan1'],
    ['internet:eth0', 'router:lan2'],
  ],
};

let fixture: Fixture;
beforeAll(async () => {
  fixture = await Fixture.start(TOPOLOGY);
  await fixture.startRelay();
});
afterAll(() => fixture?.stop());

const isRoot = process.getuid?.() === 0;
const CLASSIFIERS: readonly Classifier[] = isRoot ? ['nftables', 'ebpf-mark'] : ['nftables'];

describe.each(CLASSIFIERS)('a router with one interface, classifier %s', (classifier) => {
  beforeAll(async () => {
    await fixture.sidetrack('down');
    fixture.classifier = classifier;
    fixture.configureWith([['interfaces: [br-lan, lan2]', 'interfaces: [br-lan]']]);
    await fixture.succeed('apply');
  });

  const flush = () =>
    fixture.lab.check('router', [
      'sh',
      '-c',
      'ip route flush table 250; ip -6 route flush table 250',
    ]);

  async function leaked(): Promise<number> {
    const rules = await fixture.lab.check('internet', ['nft', 'list', 'table', 'inet', 'leak']);
    return [...rules.matchAll(/counter packets (\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
  }

  const download = (address: string) => fixture.download('client', url(address, '/bytes/300000'));
  const WHOLE = { status: 0, digest: pseudoRandomDigest(300_000) };

  it('steers; without its route new flows go directly, and are counted', async () => {
    for (const family of FAMILIES) expect(await download(ADDRESS.internet[family])).toEqual(WHOLE);
    const steered = await fixture.counted('steered');
    expect(steered).toBeGreaterThan(0);
    expect(await fixture.counted('no route to the server')).toBe(0);
    await flush();
    for (const family of FAMILIES) expect(await download(ADDRESS.internet[family])).toEqual(WHOLE);
    expect(await fixture.counted('no route to the server')).toBe(2);
    expect(await fixture.counted('steered')).toBe(steered);
    expect(await leaked()).toBe(0);
    await fixture.succeed('apply');
    for (const family of FAMILIES) expect(await download(ADDRESS.internet[family])).toEqual(WHOLE);
    expect(await fixture.counted('steered')).toBeGreaterThan(steered);
  });

  // The chain that drops them is the same beside either classifier.
  const tags = classifier === 'nftables' ? [] : ['long'];
  it.each(FAMILIES)(
    'drops what is left of a live flow without its route: %s',
    {
      tags,
    },
    async (family) => {
      const held = await holdConnection(fixture, 'client', ADDRESS.internet[family]);
      await held.roundTrip('steered');
      const dropped = () => fixture.counted('steered flow without a route');
      const before = await dropped();
      await flush();
      const answer = held.roundTrip('without a route');
      await waitFor('the drop to be counted', async () => (await dropped()) > before);
      await fixture.succeed('apply');
      await answer;
      await held.end();
      expect(await leaked()).toBe(0);
    },
  );
});
