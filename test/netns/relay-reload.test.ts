/** SIGHUP and routes: the relay's way out changes while clients use it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import type { LabProcess } from '../../control/lab/lab.js';
import { ADDRESS } from '../../control/lab/topology.js';
import { Fixture, url, waitFor } from './fixture.js';
import { holdConnection } from './hold.js';
import { missingPrograms, requireAll } from './rivals/installed.js';
import type { Running } from './rivals/launch.js';
import { EXIT, LOGIN, microsocks, OWN, PROXY, tinyproxy } from './rivals/proxies.js';

const PORT = 1080;
const SECOND_PORT = 1081;
const DIRECT = '{ name: direct, url: "direct:" }';
const VPS = `{ name: vps, url: "socks5://${PROXY.v4}:${PORT}" }`;
const BACKUP = `{ name: backup, url: "socks5://${PROXY.v4}:${SECOND_PORT}" }`;
const RELAY_PORT = 12345;
const SWAPS = 12;

let fixture: Fixture;
let relay: LabProcess;
let said: string;
let proxies: Running[] = [];

beforeAll(async () => {
  fixture = await Fixture.start();
  await fixture.succeed('apply');
});
afterAll(() => fixture?.stop());
afterEach(async () => {
  relay?.signal('SIGKILL');
  await relay?.exited;
  for (const proxy of proxies.splice(0)) await proxy.stop();
});

const configure = (upstreams: string, more = '') =>
  fixture.configure(`${LAB_CONFIG}relay:\n  upstreams: [${upstreams}]\n${more}`);

async function start(upstreams: string, more = ''): Promise<void> {
  configure(upstreams, more);
  relay = await fixture.startRelay();
  said = '';
  relay.child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk;
  });
}

const reloads = (result: 'success' | 'failure') =>
  fixture.metric(`sidetrack_relay_reloads_total{result="${result}"}`);

async function reload(result: 'success' | 'failure'): Promise<void> {
  const before = await reloads(result);
  relay.signal('SIGHUP');
  await waitFor(`a reload to end in ${result}: ${said}`, async () => {
    return (await reloads(result)) > before;
  });
}

const through = (name: string) =>
  fixture.metric(`sidetrack_relay_upstream_connections_total{upstream="${name}"}`);
const routed = (name: string) =>
  fixture.metric(`sidetrack_relay_route_connections_total{route="${name}"}`);

async function seenByInternet(family: 'v4' | 'v6', port = 80): Promise<string> {
  const target = url(ADDRESS.internet[family], '/who', port);
  const argv = ['curl', '-gsSf', '--max-time', '10', target];
  return (await fixture.lab.check('client', argv)).replace('::ffff:', '');
}

const missing = missingPrograms(['microsocks']);

describe.skipIf(missing.length > 0 && !requireAll)('with microsocks', () => {
  it('each route has its upstreams, everything else has all', async () => {
    proxies = [await microsocks(fixture, { port: PORT, exit: 'v4' })];
    const routes = `  routes:
    - { name: video, to: [${ADDRESS.internet.v4}/32], port: [80, "8000-8100"], upstreams: vps }
`;
    await start(`${DIRECT}, ${VPS}`, routes);
    expect(await seenByInternet('v4')).toBe(EXIT.v4);
    expect(await seenByInternet('v6')).not.toBe(OWN.v6);
    expect([await through('vps'), await through('direct')]).toEqual([1, 1]);
    expect([await routed('video'), await routed('default')]).toEqual([1, 1]);
    const bytes = 'sidetrack_relay_route_bytes_total{route="video",direction="download"}';
    expect(await fixture.metric(bytes)).toBeGreaterThan(0);
  });

  it('fails over inside a route and not out of it', async () => {
    proxies = [await microsocks(fixture, { port: SECOND_PORT, exit: 'v4' })];
    const route = (names: string) => `  routes: [{ to: ["0.0.0.0/0"], upstreams: [${names}] }]\n`;
    await start(`${DIRECT}, ${VPS}, ${BACKUP}`, route('vps, backup'));
    expect(await seenByInternet('v4')).toBe(EXIT.v4);
    configure(`${DIRECT}, ${VPS}, ${BACKUP}`, route('vps'));
    await reload('success');
    expect(said).toContain('routes ~route-1');
    const { status } = await fixture.download('client', url(ADDRESS.internet.v4, '/who'));
    expect([7, 52, 56]).toContain(status);
    expect(await through('direct')).toBe(0);
  });

  it('probes find out that an upstream is gone, and that it is back', async () => {
    proxies = [await microsocks(fixture, { port: PORT, exit: 'v4' })];
    const up = () => fixture.metric('sidetrack_relay_upstream_up{upstream="vps"}');
    const errors = 'sidetrack_relay_upstream_errors_total{upstream="vps",reason="refused"}';
    await start(
      `${VPS}, ${DIRECT}`,
      `  probe: { destination: "${ADDRESS.internet.v4}:80", interval_seconds: 1 }\n`,
    );
    const probes = (result: string) =>
      fixture.metric(`sidetrack_relay_upstream_probes_total{upstream="vps",result="${result}"}`);
    await waitFor('a probe to succeed', async () => (await probes('success')) > 0);
    await proxies.pop()!.stop();
    await waitFor('a probe to fail', async () => (await up()) === 0);
    expect(await seenByInternet('v4')).not.toBe(EXIT.v4);
    expect(await fixture.metric(errors)).toBe(0);
    proxies = [await microsocks(fixture, { port: PORT, exit: 'v4' })];
    await waitFor('a probe to succeed again', async () => (await up()) === 1);
    expect(await seenByInternet('v4')).toBe(EXIT.v4);
  });

  it('swaps upstreams under load: nobody fails, open connections keep theirs', async () => {
    proxies = [
      await microsocks(fixture, { port: PORT }),
      await microsocks(fixture, { port: SECOND_PORT }),
    ];
    await start(VPS);
    let swapping = true;
    const load = async () => {
      const totals = { flows: 0, wrong: 0 };
      for (let i = 0; i < 60 && swapping; i++) {
        const result = await fixture.client('client', 'many', ADDRESS.internet.v4, '20', '200000');
        totals.flows += Number(result.flows);
        totals.wrong += Number(result.wrong);
      }
      return totals;
    };
    const result = load();
    let counted = 0;
    for (let i = 0; i < SWAPS; i++) {
      configure([BACKUP, DIRECT, VPS][i % 3]!);
      await reload('success');
      const now = await through('vps');
      // A removed upstream is not shown any more once nobody uses it.
      if (now > 0) expect(now).toBeGreaterThanOrEqual(counted);
      counted = Math.max(counted, now);
    }
    swapping = false;
    const { flows, wrong } = await result;
    expect(flows).toBeGreaterThan(0);
    expect(wrong).toBe(0);
    expect(await reloads('success')).toBe(SWAPS);
    await waitFor('old configurations to go', async () => {
      return (await fixture.metric('sidetrack_relay_generations')) === 1;
    });
  });
});

const notThere = missingPrograms(['tinyproxy']);

// microsocks would not do: what comes in one read with the request it throws away.
describe.skipIf(notThere.length > 0 && !requireAll)('with tinyproxy', () => {
  it('first bytes that go along with the request arrive once and in order', async () => {
    writeFileSync(join(fixture.directory, 'vps.pass'), `${LOGIN.password}\n`);
    proxies = [await tinyproxy(fixture, PORT)];
    const login = `username: ${LOGIN.username}, password_file: vps.pass`;
    await start(`{ name: vps, url: "http://${PROXY.v4}:${PORT}", ${login}, optimistic: true }`);
    expect(await seenByInternet('v4')).toBe(OWN.v4);
    const load = ['many', ADDRESS.internet.v4, '40', '300000'] as const;
    expect(await fixture.client('client', ...load)).toEqual({ flows: 40, wrong: 0 });
    expect(await through('vps')).toBe(41);
  });
});

describe('SIGHUP', () => {
  it('with a mistake in the file says where, and what ran goes on', async () => {
    await start(DIRECT);
    const before = await seenByInternet('v4');
    configure('{ name: vps, url: "socks5://192.0.2.1:1", username: u, password_file: none }');
    await reload('failure');
    expect(said).toMatch(/:\d+:\d+: cannot read the password of upstream "vps" from .*none/);
    expect(said).toContain('what ran before goes on unchanged');
    configure(DIRECT, '  routes: [{ upstreams: direkt }]\n');
    await reload('failure');
    expect(said).toMatch(/:\d+:\d+: unknown upstream "direkt"; did you mean "direct"\?/);
    expect(await fixture.metric('sidetrack_relay_reload_last_successful')).toBe(0);
    expect(await seenByInternet('v4')).toBe(before);
    expect(await through('direct')).toBe(2);
    configure(DIRECT, '  max_connections: 77\n');
    await reload('success');
    expect(said).toContain('max_connections default → 77');
    expect(await fixture.metric('sidetrack_relay_reload_last_successful')).toBe(1);
  });

  it('names what only a restart changes, and changes the rest', async () => {
    await start(DIRECT);
    configure(DIRECT, '  threads: 3\n  connect_timeout_seconds: 3\n  metrics: { port: 9151 }\n');
    await reload('success');
    expect(said).toContain('connect_timeout_seconds 10 → 3');
    expect(said).toContain('only a restart brings into force: relay.threads, relay.metrics');
    expect(await seenByInternet('v4')).toBeTruthy();
  });
});

describe('the guard', () => {
  const ATTACHED = ['address', 'add', '198.51.100.250/24', 'dev', 'lo', 'noprefixroute'];
  const onServer = (...argv: string[]) => fixture.lab.check('server1', ['ip', ...argv]);
  const denied = () => fixture.metric('sidetrack_relay_rejected_total{reason="denied"}');
  const tried = () => fixture.download('client', url(ADDRESS.internet.v4, '/who'));

  it('refuses what is attached to the server, as it comes and goes, less what is allowed', async () => {
    await start(DIRECT);
    await seenByInternet('v4');
    expect(await denied()).toBe(0);
    await onServer(...ATTACHED);
    await waitFor('the network to be noticed', async () => (await tried()).status !== 0);
    expect(await denied()).toBe(1);
    await seenByInternet('v6');
    configure(DIRECT, `  allow: ${ADDRESS.internet.v4}\n`);
    await reload('success');
    expect(said).toContain('allow, deny');
    await seenByInternet('v4');
    configure(DIRECT, `  allow: 198.51.100.0/24\n  deny: ${ADDRESS.internet.v4}\n`);
    await reload('success');
    expect((await tried()).status).not.toBe(0);
    expect(await denied()).toBe(2);
    configure(DIRECT);
    await onServer(...ATTACHED.with(1, 'del'));
    await reload('success');
    await seenByInternet('v4');
  });
});

describe('congestion control', () => {
  const SYSCTL = '/proc/sys/net/ipv4/tcp_congestion_control';
  const onServer = (script: string) => fixture.lab.run('server1', ['sh', '-c', script]);
  /** Of the connections of the relay to one address, as the kernel has them. */
  const algorithms = async (filter: string) => {
    const list = await fixture.lab.check('server1', [
      'ss',
      '-Htin',
      'state',
      'established',
      filter,
    ]);
    return new Set(list.match(/\b(cubic|reno|bbr)\b/g));
  };
  const ofClients = () => algorithms(`( sport = :${RELAY_PORT} and dst ${ADDRESS.client.v4} )`);
  const ofUpstreams = () => algorithms(`( dst ${ADDRESS.internet.v4} )`);
  const labels = () => fixture.lab.check('server1', ['sh', '-c', BUILD_INFO]);
  const BUILD_INFO = 'curl -sf http://127.0.0.1:9150/metrics | grep ^sidetrack_build_info';

  it('the client near by is not paced, the upstream is; a reload changes both', async (context) => {
    const [before] = (await fixture.lab.check('server1', ['cat', SYSCTL])).split('\n');
    // A namespace may have only what the machine allows to everybody.
    if ((await onServer(`echo bbr > ${SYSCTL}`)).status !== 0) context.skip();
    try {
      await start(DIRECT);
      const held = await holdConnection(fixture, 'client');
      expect([...(await ofClients())]).toEqual([expect.stringMatching(/^(cubic|reno)$/)]);
      expect([...(await ofUpstreams())]).toEqual(['bbr']);
      expect(await labels()).toMatch(/congestion_client="(cubic|reno)",congestion_upstream="bbr"/);
      const { stdout } = await fixture.sidetrack('status');
      expect(stdout).toMatch(
        /congestion control: client (cubic|reno) \(auto; clients beyond its networks bbr\), upstream bbr \(system\)/,
      );
      configure(DIRECT, '  congestion_control: { client: system, upstream: reno }\n');
      await reload('success');
      expect(said).toContain('congestion_control.client auto → system');
      await held.roundTrip('an open connection keeps what it has');
      expect([...(await ofUpstreams())]).toEqual(['bbr']);
      await held.end();
      const next = await holdConnection(fixture, 'client');
      expect([...(await ofClients())]).toEqual(['bbr']);
      expect([...(await ofUpstreams())]).toEqual(['reno']);
      await next.end();
      configure(DIRECT, '  congestion_control: { upstream: nonsense }\n');
      await reload('failure');
      expect(said).toMatch(
        /:\d+:\d+: this kernel has no congestion control "nonsense"; it has .*reno.*modprobe tcp_nonsense/,
      );
    } finally {
      await onServer(`echo ${before} > ${SYSCTL}`);
    }
  });
});

describe('a client that hears no answer', () => {
  const retries = (count: number) =>
    fixture.lab.check('client', ['sysctl', '-qw', `net.ipv4.tcp_syn_retries=${count}`]);

  it('is counted, and named by status with what may be the cause', async () => {
    const deaf =
      'add table inet deaf; add chain inet deaf in { type filter hook prerouting priority -400; }; add rule inet deaf in tcp flags & (syn|ack) == syn|ack drop';
    await start(DIRECT);
    expect((await fixture.sidetrack('status')).stderr).not.toContain('handshake');
    await fixture.lab.check('client', ['nft', deaf]);
    // Each SYN that is sent again begins the server's time anew.
    await retries(1);
    const curl = ['curl', '-gsS', '--max-time', '9', url(ADDRESS.internet.v4, '/who')];
    const trying = fixture.lab.run('client', curl);
    await waitFor('the handshake to be counted', async () => {
      return (await fixture.metric('sidetrack_relay_half_open_handshakes')) === 1;
    });
    const { stderr } = await fixture.sidetrack('status');
    expect(stderr).toContain('one handshake does not complete on server1');
    expect(stderr).toContain(`SYNs of ${ADDRESS.client.v4} arrive`);
    expect(stderr).toContain('client isolation');
    await fixture.lab.check('client', ['nft', 'delete', 'table', 'inet', 'deaf']);
    await trying;
    await retries(6);
  });
});

describe('a name', () => {
  const NAMED = '{ name: late, url: "http://proxy.test:3128" }';
  const gauge = (name: string) =>
    fixture.metric(`sidetrack_relay_upstream_resolved{upstream="${name}"}`);
  const hosts = () => join(fixture.directory, 'hosts');

  /** What the lab's processes find in /etc; a resolver that refuses fails at once. */
  async function ownResolver(): Promise<void> {
    writeFileSync(hosts(), '');
    writeFileSync(join(fixture.directory, 'resolv.conf'), 'nameserver 127.0.0.1\n');
    for (const file of ['hosts', 'resolv.conf'])
      await fixture.lab.check(undefined, [
        'mount',
        '--bind',
        join(fixture.directory, file),
        `/etc/${file}`,
      ]);
  }

  it('that does not resolve at the start ends nothing, and is used once it does', async () => {
    await ownResolver();
    await start(`${NAMED}, ${DIRECT}`, `  routes: [{ to: ["::/0"], upstreams: late }]\n`);
    expect([await gauge('late'), await gauge('direct')]).toEqual([0, 1]);
    await seenByInternet('v4');
    expect(await through('direct')).toBe(1);
    const { status } = await fixture.download('client', url(ADDRESS.internet.v6, '/who'));
    expect([7, 52, 56]).toContain(status);
    const rejected = 'sidetrack_relay_rejected_total{reason="no_upstream"}';
    expect(await fixture.metric(rejected)).toBe(1);

    const open = await holdConnection(fixture, 'client');
    writeFileSync(hosts(), `${PROXY.v4} proxy.test\n`);
    await waitFor('the name to resolve', async () => (await gauge('late')) === 1, 60_000);
    await waitFor('a word of it', () => said.includes(`proxy.test is ${PROXY.v4}`));
    await fixture.download('client', url(ADDRESS.internet.v4, '/who'));
    const refused = 'sidetrack_relay_upstream_errors_total{upstream="late",reason="refused"}';
    expect(await fixture.metric(refused)).toBe(1);
    await open.roundTrip('undisturbed');
    await open.end();
  });
});
