/** What the router must and must not do to traffic, packet by packet. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS } from '../../control/lab/topology.js';
import { CLASSIFIER, FAMILIES, Fixture, peer, url, waitFor } from './fixture.js';
import { holdConnection } from './hold.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';

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

async function expectDownload(node: string, address: string, port = 80): Promise<void> {
  const { status, digest } = await fixture.download(node, url(address, '/bytes/300000', port));
  expect({ status, digest }).toEqual({ status: 0, digest: pseudoRandomDigest(300_000) });
}

describe('a client that opens more flows than its share', () => {
  it('goes the on_failure way with them, is counted, and named by status', async () => {
    const SHARE = 4;
    fixture.configureWith([['servers:', `  max_flows_per_client: ${SHARE}\nservers:`]]);
    await fixture.succeed('apply');
    for (let i = 0; i <= SHARE; i++) await expectDownload('client', ADDRESS.internet.v4);
    expect(await fixture.counted('client over max_flows_per_client')).toBeGreaterThan(0);
    const before = await steered();
    await expectDownload('client2', ADDRESS.internet.v4);
    expect(await steered()).toBeGreaterThan(before);
    const { stdout, status } = await fixture.sidetrack('status', '--json');
    const { hosts, warnings } = JSON.parse(stdout);
    expect(status).toBe(0);
    expect(hosts.find(({ name }: { name: string }) => name === 'router')).toMatchObject({
      overShare: [ADDRESS.client.v4],
    });
    expect(warnings.map(({ message }: { message: string }) => message).join()).toMatch(
      /192\.168\.1\.10 opened more connections than .*\(4\); those over it go out directly/,
    );
    expect((await fixture.sidetrack('status')).stdout).toContain(
      'client over max_flows_per_client',
    );
  });
});

describe('rules', () => {
  it('steers what a rule proxies and leaves what a rule sends direct', async () => {
    const before = await steered();
    await expectDownload('client', ADDRESS.internet.v4, 25);
    expect(await steered()).toBe(before);
    await expectDownload('client', ADDRESS.internet.v4, 8080);
    expect(await steered()).toBeGreaterThan(before);
  });

  it('blocks what a rule blocks, and nothing else', async () => {
    fixture.configureWith([
      [
        '{ name: mail, proto: tcp, port: [25, 465, 587], action: direct }',
        '{ name: no, proto: tcp, port: 8080, action: block }',
      ],
    ]);
    await fixture.succeed('apply');
    const blocked = await fixture.lab.run('client', [
      'curl',
      '-sf',
      '--max-time',
      '1',
      url(ADDRESS.internet.v4, '/bytes/1', 8080),
    ]);
    expect(blocked.status).toBe(28);
    await expectDownload('client', ADDRESS.internet.v4);
  });

  it('chooses by source address and by source MAC', async () => {
    fixture.configureWith([
      [
        '{ name: mail, proto: tcp, port: [25, 465, 587], action: direct }',
        '{ name: tv, from: ["192.168.2.10", "02:00:00:00:01:10"], action: direct }',
      ],
    ]);
    await fixture.succeed('apply');
    const before = await steered();
    await expectDownload('client', ADDRESS.internet.v6);
    await expectDownload('client2', ADDRESS.internet.v4);
    expect(await steered()).toBe(before);
    await expectDownload('client2', ADDRESS.internet.v6);
    expect(await steered()).toBeGreaterThan(before);
  });
});

describe.each(FAMILIES)('clients of another subnet over %s', (family) => {
  it('are served, also where the router filters reverse paths strictly', async () => {
    const strict = 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 > $f; done';
    await fixture.succeed('down');
    await fixture.lab.check('router', ['sh', '-c', strict]);
    expect(await fixture.succeed('plan')).toContain('set net.ipv4.conf.br-lan.rp_filter to 2');
    await fixture.succeed('apply');
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
    await expectDownload('client2', ADDRESS.internet[family]);
    await fixture.succeed('down');
    const restored = await fixture.lab.check('router', [
      'cat',
      '/proc/sys/net/ipv4/conf/br-lan/rp_filter',
    ]);
    expect(restored.trim()).toBe('1');
    await fixture.lab.check('router', ['sh', '-c', strict.replace('echo 1', 'echo 0')]);
  });
});

describe('a router firewall that drops what conntrack calls invalid', () => {
  const firewall = (verb: string) => `table inet firewall ${verb}`;
  const rules = `{
    chain forward {
      type filter hook forward priority filter; policy drop;
      ct state invalid drop
      ct state established,related,untracked accept
      iifname { "br-lan", "lan2" } accept
    }
  }`;

  it.each(['client', 'client2'])('lets steered flows of %s through', async (client) => {
    await fixture.lab.check('router', ['nft', '-f', '-'], { stdin: firewall(rules) });
    try {
      for (const family of FAMILIES) await expectDownload(client, ADDRESS.internet[family]);
    } finally {
      await fixture.lab.check('router', ['nft', 'delete', 'table', 'inet', 'firewall']);
    }
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
    for (const family of FAMILIES) await expectDownload(client, ADDRESS.internet[family]);
    // LAN neighbours talk to each other over the bridge: not ours.
    const before = await steered();
    expect(await fixture.client('client', 'dial', ADDRESS.server1.v4, '1')).toEqual({
      outcome: 'ECONNREFUSED',
    });
    expect(await steered()).toBe(before);
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

describe('connections that are not ours', () => {
  it('leaves an inbound port-forward to a client alone', async () => {
    const forward = `table ip inbound {
      chain prerouting {
        type nat hook prerouting priority dstnat;
        iifname "wan" tcp dport 2222 dnat to ${ADDRESS.client.v4}:7
      }
    }`;
    await fixture.lab.check('router', ['nft', '-f', '-'], { stdin: forward });
    const echo = await fixture.startPeer('client', 'server', 'listening');
    const before = await steered();
    const script = 'exec 3<>/dev/tcp/203.0.113.1/2222; echo hello >&3; head -n1 <&3';
    const { stdout } = await fixture.lab.run('internet', ['timeout', '10', 'bash', '-c', script]);
    expect(stdout).toBe('hello\n');
    expect(await steered()).toBe(before);
    echo.signal('SIGKILL');
    await fixture.lab.check('router', ['nft', 'delete', 'table', 'ip', 'inbound']);
  });

  it('leaves flows alone that lived before the first apply', async () => {
    await fixture.succeed('down');
    const held = await holdConnection(fixture, 'client', ADDRESS.internet.v4);
    await held.roundTrip('before');
    await fixture.succeed('apply');
    const before = await steered();
    await held.roundTrip('after');
    expect(await steered()).toBe(before);
    await held.end();
  });

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

describe.each(FAMILIES)('rule changes under live flows over %s', (family) => {
  it('keep every live flow on its way and judge new ones by the new rules', async () => {
    const held = await holdConnection(fixture, 'client', ADDRESS.internet[family]);
    await held.roundTrip('one');
    fixture.configureWith([
      ['{ name: rest, proto: tcp, action: proxy }', '{ name: rest, proto: tcp, action: direct }'],
    ]);
    expect(await fixture.succeed('apply')).not.toContain('Nothing changes');
    let before = await steered();
    await held.roundTrip('two');
    expect(await steered()).toBeGreaterThan(before);
    before = await steered();
    await expectDownload('client', ADDRESS.internet[family]);
    expect(await steered()).toBe(before);
    fixture.configureWith([]);
    await fixture.succeed('apply');
    await held.roundTrip('three');
    await held.end();
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
    for (const family of FAMILIES) await expectDownload('client', ADDRESS.internet[family]);
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

describe('a server without IPv6', () => {
  it('lets IPv6 go out directly or, with on_failure: block, not at all, and says which', async () => {
    const onlyV4 = ['[192.168.1.2, "fd00:1::2"]', '[192.168.1.2]'] as const;
    fixture.configureWith([onlyV4]);
    const note = await fixture.sidetrack('check');
    expect(note.stdout).toMatch(
      /note: .*server1 has no IPv6 address, .* IPv6 that rules proxy goes out directly/,
    );
    const direct = await fixture.sidetrack('apply');
    expect(direct.stderr).toMatch(
      /clients on br-lan \(fd00:1::1\/64\), lan2 .* IPv6 that rules proxy goes out directly/,
    );
    await expectDownload('client', ADDRESS.internet.v6);
    fixture.configureWith([onlyV4, ['rules:', 'on_failure: block\nrules:']]);
    const blocked = await fixture.sidetrack('apply');
    expect(blocked.stderr).toMatch(/server1 has no IPv6 address: .* is dropped/);
    const address = url(ADDRESS.internet.v6, '/bytes/1');
    const argv = ['curl', '-gsf', '--max-time', '1', address];
    expect((await fixture.lab.run('client', argv)).status).toBe(28);
    await expectDownload('client', ADDRESS.internet.v4);
    const { status, stderr } = await fixture.sidetrack('status');
    expect(stderr).toContain('is dropped');
    expect(status).toBe(0);
  });
});

describe('rules of others in front of ours', () => {
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
      await expectDownload('client', ADDRESS.internet.v4);
      expect(await relayed()).toBe(before);
      const { status, stdout } = await fixture.sidetrack('status');
      expect(stdout).toContain('differs from the configuration');
      expect(stdout).toContain(
        'rule priority 1498: in front of IPv4 rule 1499 (from 192.168.1.0/24 lookup 100)',
      );
      expect(status).toBe(1);
      await fixture.succeed('apply');
      await expectDownload('client', ADDRESS.internet.v4);
      expect(await relayed()).toBe(before + 1);
      expect(await fixture.succeed('apply')).toContain('Nothing changes');
      expect(await ruleLines()).toEqual((await ruleLines()).filter((one) => /^1498:/.test(one)));
    } finally {
      await onRouter(...'ip rule del from 192.168.1.0/24 lookup 100'.split(' '));
      await onRouter(...'ip route flush table 100'.split(' '));
    }
  });
});

describe('when the server cannot be reached', () => {
  const flap = async () => {
    await fixture.lab.check('router', ['ip', 'link', 'set', 'br-lan', 'down']);
    await fixture.lab.check('router', ['ip', 'link', 'set', 'br-lan', 'up']);
    for (const family of FAMILIES) {
      const length = family === 'v4' ? 24 : 64;
      const address = `${ADDRESS.router[family]}/${length}`;
      await fixture.lab.run('router', [
        'ip',
        'address',
        'add',
        address,
        'dev',
        'br-lan',
        ...(family === 'v6' ? ['nodad'] : []),
      ]);
    }
  };

  it('a link flap takes our routes: traffic goes direct, status says so, apply repairs', async () => {
    await flap();
    for (const family of FAMILIES) await expectDownload('client', ADDRESS.internet[family]);
    const { status, stdout } = await fixture.sidetrack('status');
    expect(status).toBe(1);
    expect(stdout).toContain('IPv4 route: table 250, default via 192.168.1.2');
    await fixture.succeed('apply');
    expect((await fixture.sidetrack('status')).status).toBe(0);
  });

  it('a steered connection that lost its route does not leave with a private address', async () => {
    const held = await holdConnection(fixture, 'client', ADDRESS.internet.v4);
    await held.roundTrip('steered');
    await fixture.lab.check('router', ['ip', 'route', 'flush', 'table', '250']);
    const dropped = 'steered flow without a route';
    const before = { dropped: await fixture.counted(dropped), steered: await steered() };
    const answer = held.roundTrip('without a route');
    if (CLASSIFIER === 'ebpf-redirect') {
      // It goes to the server's neighbour entry and asks for no route.
      await answer;
      expect(await steered()).toBeGreaterThan(before.steered);
      expect(await fixture.counted(dropped)).toBe(before.dropped);
    } else
      await waitFor(
        'the drop to be counted',
        async () => (await fixture.counted(dropped)) > before.dropped,
      );
    await fixture.succeed('apply');
    await answer;
    await held.end();
  });

  it('with on_failure: block nothing leaks after a link flap', async () => {
    fixture.configure(
      `${(await import('../../control/lab/demo.js')).LAB_CONFIG}on_failure: block\n`,
    );
    await fixture.succeed('apply');
    await flap();
    const { outcome } = await fixture.client('client', 'dial', ADDRESS.internet.v4, '80');
    expect(outcome).toBe('ETIMEDOUT');
    await fixture.succeed('apply');
    await expectDownload('client', ADDRESS.internet.v4);
  });
});
