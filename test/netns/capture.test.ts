/** What server1 takes off the wire, and what it must leave alone. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ruleCounters } from '../../control/apply/rule-counters.js';
import { parseAddress } from '../../control/config/address.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { parseListing } from '../../control/nft/listing.js';
import type { Packet } from '../../control/policy/evaluate.js';
import { BRIDGE_MAC, BRIDGED, CONTAINER } from './bridged.js';
import { FAMILIES, Fixture, url, waitFor } from './fixture.js';
import { holdConnection } from './hold.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { ipFrame } from './policy/frame.js';
import { INJECT } from './policy/router-bench.js';
import { leftovers } from './snapshot.js';

/** Port 25 is direct in the lab's configuration. */
const DIRECT = 25;
const SIZE = 300_000;

let fixture: Fixture;
const on = (node: string, ...argv: string[]) => fixture.lab.check(node, argv);
const write = (node: string, key: string, value: number) =>
  on(node, 'sh', '-c', `echo ${value} > /proc/sys/net/${key}`);

beforeAll(async () => {
  fixture = await Fixture.start(BRIDGED);
  await fixture.startPeer('container', 'server', 'listening');
  await bridgeHooks(0);
});
afterAll(() => fixture?.stop());

type Change = readonly [string, string];
const BRIDGE: Change = ['interface: eth0', 'interface: br0'];
const configure = (capture: string, ...more: Change[]) =>
  fixture.configureWith([
    BRIDGE,
    ['program: relay', `capture: ${capture}\n    program: relay`],
    ...more,
  ]);

const bridgeHooks = async (value: number) => {
  for (const program of ['iptables', 'ip6tables'])
    await write('server1', `bridge/bridge-nf-call-${program}`, value);
};

/** Connections that the relay has accepted or refused. */
async function relayed(): Promise<number> {
  const metrics = await on('server1', 'curl', '-sf', 'http://127.0.0.1:9150/metrics');
  const lines = metrics
    .split('\n')
    .filter((line) => /^sidetrack_relay_(connections|rejected)_total/.test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

async function serverCounted(wanted: string): Promise<number> {
  const listing = parseListing(
    await on('server1', 'nft', '-j', 'list', 'table', 'inet', 'sidetrack'),
  );
  const counters = ruleCounters(listing).filter(({ rule }) => rule === wanted);
  return counters[0]?.packets ?? 0;
}

async function expectDownload(node: string, address: string, port = 80): Promise<void> {
  const { status, digest } = await fixture.download(node, url(address, `/bytes/${SIZE}`, port));
  expect({ status, digest }).toEqual({ status: 0, digest: pseudoRandomDigest(SIZE) });
}

/** curl's exit status within half a second. */
const tryFetch = async (node: string, address: string) =>
  (await fixture.lab.run(node, ['curl', '-gsf', '--max-time', '0.5', url(address, '/who')])).status;

const TIMED_OUT = 28;

/** The two captures one after the other, each with a relay of its own kind. */
describe.each(['redirect', 'tproxy'])('capture: %s', (capture) => {
  beforeAll(async () => {
    configure(capture);
    const relay = await fixture.startRelay();
    await fixture.succeed('apply');
    return async () => {
      await fixture.succeed('down');
      relay.signal('SIGKILL');
      await relay.exited;
    };
  });

  describe.each([0, 1])('with bridge-nf-call-iptables=%d', (hooks) => {
    beforeAll(async () => {
      await bridgeHooks(hooks);
      await fixture.succeed('apply');
      return () => bridgeHooks(0);
    });

    const works = capture === 'redirect' || hooks === 0;
    it.runIf(!works)('says that tproxy cannot work there', async () => {
      const { stderr } = await fixture.sidetrack('apply');
      expect(stderr).toContain('bridge-nf-call-iptables is 1 on server1 and br0 is a bridge');
      expect(stderr).toContain('write capture: redirect');
    });

    it.runIf(works).each(FAMILIES)('takes what the router steers, over %s', async (family) => {
      const before = await relayed();
      await expectDownload('client', ADDRESS.internet[family]);
      await expectDownload('guest', ADDRESS.internet[family]);
      expect(await relayed()).toBe(before + 2);
    });

    it.each(FAMILIES)(
      "leaves frames alone that only cross server1's bridge, over %s",
      async (family) => {
        const before = await relayed();
        await expectDownload('guest', ADDRESS.internet[family], DIRECT);
        await expectDownload('client', ADDRESS.internet[family], DIRECT);
        expect(await relayed()).toBe(before);
        expect(await serverCounted('not from the router')).toBe(0);
      },
    );
  });

  describe('a client that sends past the router', () => {
    const hosts = { v4: ADDRESS.internet.v4, v6: ADDRESS.internet.v6, inside: CONTAINER };
    const via = (verb: string, host: string, way: string) =>
      on('client', 'ip', 'route', verb, host, 'via', way);
    const wayTo = (host: string) => (host.includes(':') ? ADDRESS.server1.v6 : ADDRESS.server1.v4);

    beforeAll(async () => {
      for (const host of Object.values(hosts)) await via('add', host, wayTo(host));
      return async () => {
        for (const host of Object.values(hosts)) await via('del', host, wayTo(host));
      };
    });

    it.each(Object.entries(hosts))('gets nothing (%s) and is counted', async (_name, host) => {
      const [before, counted] = [await relayed(), await serverCounted('not from the router')];
      expect(await tryFetch('client', host)).toBe(TIMED_OUT);
      expect(await relayed()).toBe(before);
      expect(await serverCounted('not from the router')).toBeGreaterThan(counted);
    });

    it('is routed as ever where server1 forwards', async () => {
      await write('server1', 'ipv4/ip_forward', 1);
      const before = await relayed();
      await expectDownload('client', CONTAINER);
      await expectDownload('client', ADDRESS.internet.v4);
      expect(await relayed()).toBe(before);
      await write('server1', 'ipv4/ip_forward', 0);
    });
  });

  const newest = 'fd00:1::99/64';

  it('outlives an IPv6 address that is newer than the configured one', async () => {
    // Deprecated, so that the relay's own connections do not use it.
    await on(
      'server1',
      'ip',
      'address',
      'add',
      newest,
      'dev',
      'br0',
      'nodad',
      'preferred_lft',
      '0',
    );
    const held = await holdConnection(fixture, 'client', ADDRESS.internet.v6);
    await held.roundTrip('before');
    await on('server1', 'ip', 'address', 'del', newest, 'dev', 'br0');
    await held.roundTrip('after');
    await held.end();
  });

  it('drops IPv4 addresses in IPv6 packets, also from the router', async () => {
    const [{ address: router }] = JSON.parse(
      await on('router', 'ip', '-j', 'link', 'show', 'br-lan'),
    );
    const counted = await serverCounted('guard:embedded-v4');
    const frames = [
      [ADDRESS.client.v6, '::ffff:198.51.100.7'],
      [ADDRESS.client.v6, '::198.51.100.7'],
      ['::ffff:192.168.1.10', ADDRESS.internet.v6],
    ].map(([source, destination], serial) => {
      const packet: Packet = {
        sourceMac: router,
        family: 6,
        source: parseAddress(source!)!,
        destination: parseAddress(destination!)!,
        protocol: 'tcp',
        sourcePort: 40_000,
        destinationPort: 80,
      };
      return ipFrame({ packet, destinationMac: BRIDGE_MAC, serial });
    });
    // They have no checksums, without which conntrack would not look at them.
    await write('server1', 'netfilter/nf_conntrack_checksum', 0);
    await fixture.lab.check('router', [INJECT, 'br-lan'], { stdin: frames.join('\n') });
    await waitFor(
      'the frames',
      async () => (await serverCounted('guard:embedded-v4')) === counted + 3,
    );
  });

  const once = it.runIf(capture === 'redirect');

  once("follows the router's MAC, which status tells and apply repairs", async () => {
    const [before] = JSON.parse(await on('router', 'ip', '-j', 'link', 'show', 'br-lan'));
    const renew = async (mac: string) => {
      await on('router', 'ip', 'link', 'set', 'br-lan', 'address', mac);
      for (const node of ['client', 'server1', 'guest'])
        await on(node, 'ip', 'neigh', 'flush', 'all');
    };
    await renew('02:00:00:00:01:77');
    expect(await tryFetch('client', ADDRESS.internet.v4)).toBe(TIMED_OUT);
    const { status, stdout } = await fixture.sidetrack('status', '--only', 'server1');
    expect({ status, stdout }).toMatchObject({ status: 1, stdout: /set routers/ });
    await fixture.succeed('apply', '--only', 'server1');
    await expectDownload('client', ADDRESS.internet.v4);
    // Seen from the router itself it is the same.
    expect(await fixture.succeed('plan')).toMatch(/^server1 .*\n {2}as it should be/);
    await renew(before.address);
    await fixture.succeed('apply');
  });

  describe('after a flush of the rules of a server1 that forwards', () => {
    const BLOCK: Change = ['rules:\n', 'on_failure: block\nrules:\n'];
    const forward = async (value: number) => {
      await write('server1', 'ipv4/ip_forward', value);
      await write('server1', 'ipv6/conf/all/forwarding', value);
    };
    const flush = () => on('server1', 'nft', 'flush', 'ruleset');
    const rules = async () =>
      (await on('server1', 'ip', '-4', 'rule')) + (await on('server1', 'ip', '-6', 'rule'));

    beforeAll(async () => {
      await forward(1);
      return () => forward(0);
    });
    afterEach(async () => {
      configure(capture);
      await fixture.succeed('apply');
    });

    it('on_failure: block lets nothing out, and the networks behind server1 stay reachable', {
      // What refuses is the same beside either capture.
      tags: capture === 'redirect' ? [] : ['long'],
    }, async () => {
      configure(capture, BLOCK);
      const { stderr } = await fixture.sidetrack('apply');
      expect(stderr).toContain('refuse what no rule before it routes');
      expect(await fixture.succeed('apply')).toContain('Nothing changes');
      for (const family of FAMILIES) await expectDownload('client', ADDRESS.internet[family]);
      await flush();
      for (const family of FAMILIES)
        expect(await tryFetch('client', ADDRESS.internet[family])).not.toBe(0);
      await on('client', 'ip', 'route', 'add', CONTAINER, 'via', ADDRESS.server1.v4);
      await expectDownload('client', CONTAINER);
      await on('client', 'ip', 'route', 'del', CONTAINER, 'via', ADDRESS.server1.v4);
      await expectDownload('guest', ADDRESS.internet.v4, DIRECT);
      expect((await rules()).match(/iif br0 unreachable/g)).toHaveLength(2);
      await fixture.succeed('down');
      expect(await rules()).not.toContain('br0');
      expect(await leftovers(fixture.lab)).toBe('');
    });

    once('on_failure: direct lets it go directly', async () => {
      await flush();
      for (const family of FAMILIES) await expectDownload('client', ADDRESS.internet[family]);
    });
  });

  once(
    'a narrower link behind the router slows downloads down, but does not stop them',
    async () => {
      const narrow = (mtu: number) => on('router', 'ip', 'link', 'set', 'lan2', 'mtu', `${mtu}`);
      const probing = () => on('server1', 'cat', '/proc/sys/net/ipv4/tcp_mtu_probing');
      expect(await probing()).toBe('1\n');
      await narrow(1400);
      const downloads = FAMILIES.map((family) =>
        expectDownload('client2', ADDRESS.internet[family]),
      );
      await Promise.all(downloads);
      await narrow(1500);
      await fixture.succeed('down');
      expect(await probing()).toBe('0\n');
      await fixture.succeed('apply');
    },
  );
});

describe('the MAC of the router', () => {
  const gateways = { v4: ADDRESS.router.v4, v6: ADDRESS.router.v6 };
  const routes = async (verb: string) => {
    for (const gateway of Object.values(gateways))
      await on('server1', 'ip', 'route', verb, 'default', 'via', gateway);
  };

  it('must be written where server1 cannot learn it, and what is written adds to what it learns', async () => {
    configure('redirect');
    await routes('del');
    const refused = await fixture.sidetrack('plan', '--only', 'server1');
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('server1 has no default gateway on br0');
    expect(refused.stderr).toContain('router: { mac: … }');
    const listed: Change = [
      'interfaces: [br-lan, lan2]',
      'interfaces: [br-lan, lan2]\n  mac: [auto, 02:00:00:00:00:99]',
    ];
    configure('redirect', ['[br-lan, lan2]', '[br-lan, lan2]\n  mac: 02-00-00-00-00-99']);
    expect(await fixture.succeed('plan', '--only', 'server1')).toContain('create nft table');
    await routes('add');
    configure('redirect', listed);
    await fixture.succeed('apply', '--only', 'server1');
    const set = await on('server1', 'nft', 'list', 'set', 'inet', 'sidetrack', 'routers');
    const [{ address }] = JSON.parse(await on('router', 'ip', '-j', 'link', 'show', 'br-lan'));
    for (const mac of [address, '02:00:00:00:00:99']) expect(set).toContain(mac);
    await fixture.succeed('down');
  });

  it('stays what it was while the router does not answer', async () => {
    configure('redirect');
    await fixture.succeed('apply', '--only', 'server1');
    // The kernel asks three times.
    for (const version of ['ipv4', 'ipv6'])
      await write('server1', `${version}/neigh/br0/retrans_time_ms`, 100);
    await on('router', 'ip', 'link', 'set', 'lan1', 'down');
    await on('server1', 'ip', 'neigh', 'flush', 'all');
    expect(await fixture.succeed('apply', '--only', 'server1')).toContain('Nothing changes');
    await on('router', 'ip', 'link', 'set', 'lan1', 'up');
    await fixture.succeed('down', '--only', 'server1');
  });
});
