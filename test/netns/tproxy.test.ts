/** `capture: tproxy`: no address is rewritten, and server1's conntrack never sees the clients. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LabProcess } from '../../control/lab/lab.js';
import {
  ADDRESS,
  INTERNET_ADDRESSES_V4,
  INTERNET_ADDRESSES_V6,
} from '../../control/lab/topology.js';
import { FAMILIES, Fixture, url, waitFor } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';
import { leftovers, snapshot } from './snapshot.js';

const TPROXY = ['program: relay', 'capture: tproxy\n    program: relay'] as const;
const PAGE = ['rules:', 'relay: { metrics: { connections: true } }\nrules:'] as const;
const DESTINATIONS = { v4: INTERNET_ADDRESSES_V4, v6: INTERNET_ADDRESSES_V6 };
const CLIENT_PORT = 41_000;

/** Makes conntrack run on server1 and counts what it knows of packets that name the client. */
const CONNTRACK_PROBE = `table inet probe {
  chain prerouting {
    type filter hook prerouting priority filter
    iifname eth0 ip saddr 192.168.0.0/16 ip daddr != 192.168.0.0/16 ct state untracked counter comment "untracked"
    iifname eth0 ip6 saddr fc00::/7 ip6 daddr != fc00::/7 ct state untracked counter comment "untracked"
    iifname eth0 ip saddr 192.168.0.0/16 ip daddr != 192.168.0.0/16 ct state != untracked counter comment "tracked"
    iifname eth0 ip6 saddr fc00::/7 ip6 daddr != fc00::/7 ct state != untracked counter comment "tracked"
  }
  chain output {
    type filter hook output priority filter
    fib saddr type != local ct state != untracked counter comment "tracked"
    fib saddr type != local ct state untracked counter comment "untracked"
  }
}`;

let fixture: Fixture;
let relay: LabProcess | undefined;

beforeAll(async () => {
  fixture = await Fixture.start();
  fixture.configureWith([TPROXY, PAGE]);
  relay = await fixture.startRelay();
  await fixture.succeed('apply');
});
afterAll(() => fixture?.stop());

const onServer = (...argv: string[]) => fixture.lab.check('server1', argv);
const sysctl = (key: string, value: number) =>
  onServer('sh', '-c', `echo ${value} > /proc/sys/${key}`);

async function probed(comment: string): Promise<number> {
  const text = await onServer('nft', 'list', 'table', 'inet', 'probe');
  const lines = text.split('\n').filter((line) => line.includes(`comment "${comment}"`));
  return lines.reduce((sum, line) => sum + Number(/packets (\d+)/.exec(line)?.[1]), 0);
}

interface Connection {
  client: string;
  originalDestination: string;
}

async function connections(): Promise<Connection[]> {
  const url = 'http://127.0.0.1:9150/connections';
  const page = JSON.parse(await onServer('curl', '-sf', url)) as { connections: Connection[] };
  return page.connections;
}

describe.each(FAMILIES)('through the relay over %s', (family) => {
  const host = ADDRESS.internet[family];

  it('delivers some megabytes unchanged both ways, past conntrack', async () => {
    await fixture.lab.check('server1', ['nft', '-f', '-'], { stdin: CONNTRACK_PROBE });
    const size = 5_000_000;
    const { status, digest } = await fixture.download('client', url(host, `/bytes/${size}`));
    expect({ status, digest }).toEqual({ status: 0, digest: pseudoRandomDigest(size) });
    expect(await fixture.client('client', 'half-close', host, `${size}`)).toEqual({ match: true });
    expect(await probed('untracked')).toBeGreaterThan(100);
    expect(await probed('tracked')).toBe(0);
    const known = await onServer('cat', '/proc/net/nf_conntrack').catch(() => '');
    expect(known).not.toContain(ADDRESS.client[family]);
    await onServer('nft', 'delete', 'table', 'inet', 'probe');
  });

  it('tells the true client of two connections from one port', async () => {
    const bracket = (address: string) => (family === 'v6' ? `[${address}]` : address);
    const [, first, second] = DESTINATIONS[family];
    const result = await fixture.client('client', 'same-port', first, second, `${CLIENT_PORT}`);
    expect(result).toEqual({ ports: 2 });
    const client = `${bracket(ADDRESS.client[family])}:${CLIENT_PORT}`;
    const seen = (await connections()).filter((one) => one.client === client);
    expect(seen.map(({ originalDestination }) => originalDestination)).toEqual(
      [first, second].map((destination) => `${bracket(destination)}:7`),
    );
  });

  it('resets whoever dials the relay itself, and counts a loop', async () => {
    const before = await fixture.metric('sidetrack_relay_rejected_total{reason="loop"}');
    const { outcome } = await fixture.client('client', 'dial', ADDRESS.server1[family], '12345');
    expect(['ECONNRESET', 'closed']).toContain(outcome);
    expect(await fixture.metric('sidetrack_relay_rejected_total{reason="loop"}')).toBe(before + 1);
  });

  it('serves clients of another subnet', async () => {
    const { digest } = await fixture.download('client2', url(host, '/bytes/300000'));
    expect(digest).toBe(pseudoRandomDigest(300_000));
  });
});

describe('whatever reverse-path filtering says', () => {
  afterAll(async () => {
    await sysctl('net/ipv4/conf/all/rp_filter', 0);
    await sysctl('net/ipv4/conf/all/src_valid_mark', 0);
  });

  it.each([
    [0, 0],
    [0, 1],
    [1, 0],
    [1, 1],
    [2, 0],
    [2, 1],
  ])('rp_filter=%d src_valid_mark=%d', async (filter, mark) => {
    await sysctl('net/ipv4/conf/all/rp_filter', filter);
    await sysctl('net/ipv4/conf/all/src_valid_mark', mark);
    for (const node of ['client', 'client2']) {
      const { digest } = await fixture.download(node, url(ADDRESS.internet.v4, '/bytes/100000'));
      expect(digest).toBe(pseudoRandomDigest(100_000));
    }
  });
});

describe('drift', () => {
  it.each([
    ['the IPv4 rule', ['ip', 'rule', 'del', 'priority', '1501']],
    ['the IPv6 route', ['ip', '-6', 'route', 'flush', 'table', '251']],
    ['a chain', ['nft', 'flush', 'chain', 'inet', 'sidetrack', 'divert']],
  ])('%s that is gone is seen by status and comes back', expectRepaired);
  it.each([
    ['the IPv6 rule', ['ip', '-6', 'rule', 'del', 'priority', '1501']],
    ['the IPv4 route', ['ip', 'route', 'flush', 'table', '251']],
  ])('%s that is gone is seen by status and comes back', { tags: 'long' }, expectRepaired);

  async function expectRepaired(_what: string, argv: readonly string[]): Promise<void> {
    const good = await snapshot(fixture.lab, 'server1');
    await onServer(...argv);
    expect((await fixture.sidetrack('status')).status).toBe(1);
    await fixture.succeed('apply');
    expect((await fixture.sidetrack('status')).status).toBe(0);
    expect(await snapshot(fixture.lab, 'server1')).toEqual(good);
  }
});

describe('without a relay', () => {
  afterEach(async () => {
    if (relay === undefined) relay = await fixture.startRelay();
  });

  it('tells the client at once', async () => {
    relay!.signal('SIGKILL');
    await relay!.exited;
    relay = undefined;
    for (const family of FAMILIES) {
      const { outcome } = await fixture.client('client', 'dial', ADDRESS.internet[family], '80');
      expect(outcome).toBe('ECONNREFUSED');
    }
  });
});

describe('the relay without the privilege', () => {
  it('says which one it needs', async () => {
    fixture.configureWith([TPROXY, ['port: 12345', 'port: 12346']]);
    const drop = [
      'setpriv',
      '--bounding-set=-net_admin,-net_raw',
      '--inh-caps=-net_admin,-net_raw',
    ];
    const result = await fixture.sidetrackPrefixedOn('server1', drop, 'relay');
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('CAP_NET_ADMIN or CAP_NET_RAW');
    fixture.configureWith([TPROXY]);
  });
});

describe('collisions', () => {
  it.each([
    [
      'table',
      ['ip', 'route', 'add', '10.9.0.0/16', 'dev', 'eth0', 'table', '251'],
      'routing table 251',
    ],
    ['mark', ['ip', 'rule', 'add', 'fwmark', '1/15', 'lookup', '9'], 'servers.tproxy.mark: {'],
  ])('of the %s are told before anything changes', async (_what, argv, words) => {
    await onServer(...argv);
    const { status, stderr } = await fixture.sidetrack('plan');
    await onServer(...argv.map((word) => (word === 'add' ? 'del' : word)));
    expect(status).not.toBe(0);
    expect(stderr).toContain(words);
  });

  it('of the place are none: our rule goes in front of what would take our packets', async () => {
    await onServer('ip', 'rule', 'add', 'priority', '1501', 'lookup', 'main');
    const plan = await fixture.succeed('plan', '--only', 'server1');
    await onServer('ip', 'rule', 'del', 'priority', '1501');
    expect(plan).toContain('rule priority 1500: in front of IPv4 rule 1501 (lookup main)');
  });
});

describe('apply and down', () => {
  const nodes = ['router', 'server1'] as const;
  const snapshots = () => Promise.all(nodes.map((node) => snapshot(fixture.lab, node)));

  it('switch between redirect and tproxy, change nothing twice, and leave nothing', async () => {
    await fixture.succeed('down');
    const bare = await snapshots();
    await fixture.succeed('apply');
    const tproxy = await snapshots();
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
    fixture.configureWith([]);
    await fixture.succeed('apply');
    const redirect = await snapshots();
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
    expect(JSON.stringify(redirect)).not.toMatch(/(lookup|table) 251\b/);
    fixture.configureWith([TPROXY]);
    await fixture.succeed('apply');
    expect(await snapshots()).toEqual(tproxy);
    await fixture.succeed('down');
    expect(await snapshots()).toEqual(bare);
    expect(await leftovers(fixture.lab)).toBe('');
  });

  it('plan --sh does exactly what apply does', async () => {
    const scripts = await fixture.scripts();
    for (const node of ['server1', 'router'])
      await fixture.lab.check(undefined, ['sh', `${scripts}/${node}-up.sh`]);
    const byHand = await snapshots();
    await fixture.succeed('down');
    await fixture.succeed('apply');
    expect(await snapshots()).toEqual(byHand);
  });
});

describe('a second way out of server1 that the router does not know', () => {
  const loops = () => fixture.metric('sidetrack_relay_rejected_total{reason="loop"}');
  const second = (...argv: string[]) => onServer('ip', ...argv);

  it('does not lead round in circles', async () => {
    await second('link', 'add', 'second', 'link', 'eth0', 'type', 'macvlan', 'mode', 'bridge');
    await second('link', 'set', 'second', 'up');
    await second('address', 'add', 'fd00:1::99/64', 'dev', 'second', 'nodad');
    const reloaded = () => fixture.metric('sidetrack_relay_reloads_total{result="success"}');
    const before = { reloads: await reloaded(), loops: await loops() };
    relay?.signal('SIGHUP');
    await waitFor('the new address to be known', async () => (await reloaded()) > before.reloads);
    const route = ['-6', 'route', 'replace', 'default', 'via', ADDRESS.router.v6, 'dev'];
    await second(...route, 'second', 'src', 'fd00:1::99');

    const accepted = () => fixture.metric('sidetrack_relay_connections_total{family="ipv6"}');
    const [beforeIt] = [await accepted()];
    const { status } = await fixture.download('client', url(ADDRESS.internet.v6, '/who'));
    expect(status).not.toBe(0);
    expect((await accepted()) - beforeIt).toBe(2);
    expect(await loops()).toBe(before.loops + 1);

    await second(...route, 'eth0');
    await second('link', 'del', 'second');
    expect((await fixture.download('client', url(ADDRESS.internet.v6, '/who'))).status).toBe(0);
  });
});
