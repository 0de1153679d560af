/** Steering beside what else is in the network: helpers, bridge hooks, redirects, rules of others. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { expectDownload } from './download.js';
import { CLASSIFIER, FAMILIES, Fixture, peer, waitFor } from './fixture.js';

let fixture: Fixture;

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.startRelay();
});
afterAll(() => fixture?.stop());

beforeEach(async () => {
  fixture.configureWith([]);
  await fixture.succeed('apply');
});

const steered = () => fixture.counted('steered');

describe('a rule', () => {
  it('chooses by source address and by source MAC', async () => {
    fixture.configureWith([
      [
        '{ name: mail, proto: tcp, port: [25, 465, 587], action: direct }',
        '{ name: tv, from: ["192.168.2.10", "02:00:00:00:01:10"], action: direct }',
      ],
    ]);
    await fixture.succeed('apply');
    const before = await steered();
    await expectDownload(fixture, 'client', ADDRESS.internet.v6);
    await expectDownload(fixture, 'client2', ADDRESS.internet.v4);
    expect(await steered()).toBe(before);
    await expectDownload(fixture, 'client2', ADDRESS.internet.v6);
    expect(await steered()).toBeGreaterThan(before);
  });
});

describe('clients', () => {
  it('reaches the router and server1 themselves', async () => {
    const before = await steered();
    for (const address of [
      ADDRESS.router.v4,
      ADDRESS.server1.v4,
      ADDRESS.router.v6,
      ADDRESS.server1.v6,
    ])
      await fixture.lab.check('client2', ['ping', '-c1', '-W5', address]);
    expect(await fixture.client('client2', 'dial', ADDRESS.server1.v4, '1')).toEqual({
      outcome: 'ECONNREFUSED',
    });
    expect(await steered()).toBe(before);
  });
});

describe('a router on which Docker sends bridged frames through the IP hooks', () => {
  const bridgeHooks = (value: number) =>
    fixture.lab.check('router', [
      'sh',
      '-c',
      `for f in /proc/sys/net/bridge/bridge-nf-call-ip*tables; do echo ${value} > $f; done`,
    ]);

  it.each(['client', 'client2'])('serves %s', async (client) => {
    await bridgeHooks(1);
    for (const family of FAMILIES) await expectDownload(fixture, client, ADDRESS.internet[family]);
    // LAN neighbours talk to each other over the bridge: not ours.
    // A late packet of a download may come in between once; a dial that is steered counts each time.
    await waitFor('a neighbour to be dialled with nothing steered', async () => {
      const before = await steered();
      expect(await fixture.client('client', 'dial', ADDRESS.server1.v4, '1')).toEqual({
        outcome: 'ECONNREFUSED',
      });
      return (await steered()) === before;
    });
    await bridgeHooks(0);
  });
});

describe('active FTP', () => {
  const HELPER = `table inet ftp {
    ct helper standard { type "ftp" protocol tcp; }
    chain prerouting {
      type filter hook prerouting priority filter;
      tcp dport 21 ct helper set "standard"
    }
  }`;
  const fetch = () =>
    fixture.lab
      .check('client', [process.execPath, peer('ftp'), 'fetch', ADDRESS.internet.v4])
      .then((line) => JSON.parse(line).answer);

  it("works directly with the router's helper, and not through the relay", async () => {
    const server = await fixture.startPeer('internet', 'ftp', 'listening', 'serve');
    await fixture.lab.check('router', ['nft', '-f', '-'], { stdin: HELPER });
    expect(await fetch()).toBe('425 No data connection');
    fixture.configureWith([['port: [25, 465, 587]', 'port: [21]']]);
    await fixture.succeed('apply');
    expect(await fetch()).toBe('what the server sent');
    await fixture.lab.check('router', ['nft', 'delete', 'table', 'inet', 'ftp']);
    server.signal('SIGKILL');
    await server.exited;
  });
});

describe('ICMP redirects', () => {
  const COUNT = `table inet seen {
    counter redirects { }
    chain input {
      type filter hook input priority 0
      icmp type redirect counter name redirects
      icmpv6 type nd-redirect counter name redirects
    }
  }`;

  /** Redirects that the client gets while it opens a few steered connections. */
  async function redirectsSeen(): Promise<number> {
    await fixture.lab.check('client', ['nft', '-f', '-'], { stdin: COUNT });
    for (const family of FAMILIES)
      await expectDownload(fixture, 'client', ADDRESS.internet[family]);
    const argv = ['nft', 'list', 'counter', 'inet', 'seen', 'redirects'];
    const listed = await fixture.lab.check('client', argv);
    await fixture.lab.check('client', ['nft', 'delete', 'table', 'inet', 'seen']);
    return Number(/packets (\d+)/.exec(listed)![1]);
  }

  it('are never seen by the client', async () => {
    expect(await redirectsSeen()).toBe(0);
  });

  it('would be seen without our sysctl and our output chain (so the test above can fail)', async () => {
    await fixture.lab.check('router', [
      'sh',
      '-c',
      'echo 1 > /proc/sys/net/ipv4/conf/all/send_redirects',
    ]);
    await fixture.lab.check('router', ['nft', 'flush', 'chain', 'inet', 'sidetrack', 'output']);
    await waitFor('a redirect', async () => {
      // Packets that tc redirects pass no routing which could answer. While it does not know the
      // server's link address they are routed, and then these two are needed there as well.
      if (CLASSIFIER === 'ebpf-redirect')
        await fixture.lab.check('router', ['ip', 'neigh', 'flush', 'dev', 'br-lan']);
      return (await redirectsSeen()) > 0;
    });
    expect(await fixture.succeed('apply')).toContain('Done');
  });
});

// Where tc redirects, no rule decides.
describe.skipIf(CLASSIFIER === 'ebpf-redirect')('rules of others in front of ours', () => {
  const onRouter = (...argv: string[]) => fixture.lab.check('router', argv);
  const relayed = () => fixture.metric('sidetrack_relay_connections_total{family="ipv4"}');
  const ruleLines = async () =>
    (await onRouter('ip', 'rule')).split('\n').filter((line) => line.includes('lookup 250'));

  it('added later: nothing is steered, status says which, and apply goes in front of them', async () => {
    await onRouter(...'ip route add default via 203.0.113.10 table 100'.split(' '));
    // Without a priority it gets the one in front of ours.
    await onRouter(...'ip rule add from 192.168.1.0/24 lookup 100'.split(' '));
    try {
      const before = await relayed();
      await expectDownload(fixture, 'client', ADDRESS.internet.v4);
      expect(await relayed()).toBe(before);
      const { status, stdout } = await fixture.sidetrack('status');
      expect(stdout).toContain('differs from the configuration');
      expect(stdout).toContain(
        'rule priority 1498: in front of IPv4 rule 1499 (from 192.168.1.0/24 lookup 100)',
      );
      expect(status).toBe(1);
      await fixture.succeed('apply');
      await expectDownload(fixture, 'client', ADDRESS.internet.v4);
      expect(await relayed()).toBe(before + 1);
      expect(await fixture.succeed('apply')).toContain('Nothing changes');
      expect(await ruleLines()).toEqual((await ruleLines()).filter((one) => /^1498:/.test(one)));
    } finally {
      await onRouter(...'ip rule del from 192.168.1.0/24 lookup 100'.split(' '));
      await onRouter(...'ip route flush table 100'.split(' '));
    }
  });
});
