/**
 * Every other alert, provoked for real. Missing are those of servers' health (SidetrackServerDown and
 * others), of which this lab has none, and SidetrackRouterConntrack: in a network
 * namespace nf_conntrack_max can only be read, and an alert that fires at three entries shows
 * nothing. Three thresholds are as low as a lab's load: those of the threads, of residency, and of the
 * time to connect.
 */
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { LAB_CONFIG } from '../../../control/lab/demo.js';
import type { LabProcess } from '../../../control/lab/lab.js';
import { ADDRESS, INTERNET_ADDRESSES_V4 } from '../../../control/lab/topology.js';
import { selector } from '../../../monitoring/promql.js';
import { url, waitFor } from '../fixture.js';
import { type HeldConnection, holdConnection } from '../hold.js';
import { AlertLab, TEXTFILE_PORT } from './alert-lab.js';
import { hasPrometheus } from './prometheus.js';

const [V4, PROXY] = INTERNET_ADDRESSES_V4;
const { v6: V6 } = ADDRESS.internet;
const [FAST_PORT, SLOW_PORT] = [3128, 3129];
/** Of the upstream's, while they run out. */
const PORTS = 20;

/** Says yes to every CONNECT, at once and after half a second. */
const PROXIES = `const net = require('net');
const proxy = (port, ms) => new Promise((done) => net.createServer((peer) => {
  peer.on('error', () => {});
  peer.once('data', (request) => {
    const [, host, to] = /^CONNECT (\\S+):(\\d+) /.exec(String(request));
    setTimeout(() => {
      const way = net.connect({ host, port: Number(to) }, () => {
        peer.write('HTTP/1.1 200 OK\\r\\n\\r\\n');
        peer.pipe(way).pipe(peer);
      });
      way.on('error', () => peer.destroy());
    }, ms);
  });
}).listen(port, '${PROXY}', done));
Promise.all([proxy(${FAST_PORT}, 0), proxy(${SLOW_PORT}, 500)]).then(() => console.log('listening'));`;

/** Opens downloads and reads none of them. */
const STALLED = (count: number) => `const net = require('net');
for (let i = 0; i < ${count}; i++) {
  const socket = net.connect(80, '${V4}', () => socket.write('GET /bytes/100000000 HTTP/1.0\\r\\n\\r\\n'));
  socket.on('error', () => {});
  let got = 0;
  socket.on('data', (chunk) => { got += chunk.length; if (got > 3e6) socket.pause(); });
}
setTimeout(() => {}, 120000);`;

/** What node_exporter does with a textfile. */
const SERVE = (file: string) =>
  `require('http').createServer((_, r) => r.end(require('fs').readFileSync('${file}'))).listen(${TEXTFILE_PORT}, '127.0.0.1', () => console.log('listening'));`;

const relayWith = (text: string) => `${LAB_CONFIG}relay:\n${text}`;
const upstream = (name: string, at: string) => `    - { name: ${name}, url: "${at}" }\n`;
const PROBE = `  probe: { destination: "${V4}:80", interval_seconds: 1, timeout_seconds: 1 }\n`;

const curl = (path = '/bytes/1000', port = 80) =>
  `curl -gs --max-time 1 -o /dev/null ${url(V4, path, port)}`;

describe.skipIf(!hasPrometheus)('each alert fires', { tags: 'long' }, () => {
  let lab: AlertLab;
  let held: HeldConnection[] = [];

  beforeAll(async () => {
    lab = await AlertLab.start(LAB_CONFIG, {
      connect_p99_seconds: 0.3,
      residency_p99_seconds: 0.00005,
      thread_busy: 0.02,
      reading_age_seconds: 8,
    });
    const proxies = lab.fixture.lab.spawn('internet', [process.execPath, '-e', PROXIES]);
    await new Promise((resolve) => proxies.child.stdout!.once('data', resolve));
  });
  afterAll(() => lab?.stop());
  afterEach(async () => {
    await lab?.endLoops();
    await Promise.all(held.map((one) => one.end()));
    held = [];
  });

  const on = (node: string, ...argv: string[]) => lab.fixture.lab.check(node, argv);
  const apply = async (configuration = LAB_CONFIG) => {
    lab.fixture.configure(configuration);
    await lab.fixture.succeed('apply');
    lab.compare();
  };
  const end = async (client: LabProcess) => {
    client.signal('SIGKILL');
    await client.exited;
  };
  const hold = async (count: number) => {
    for (let i = 0; i < count; i++) held.push(await holdConnection(lab.fixture, 'client', V4));
  };

  it('upstreams: one is dead, one has no address, and none carries IPv6', async () => {
    await lab.restart(
      relayWith(
        `  probe: { destination: ["${V4}:80", "[${V6}]:81"], interval_seconds: 1, timeout_seconds: 1 }
  upstreams:
${upstream('dead', `socks5://${PROXY}:1080`)}${upstream('lost', 'socks5://proxy.invalid:1080')}${upstream('direct', 'direct:')}`,
      ),
    );
    await lab.untilFiring(
      'SidetrackUpstreamDown',
      'SidetrackUpstreamUnresolved',
      'SidetrackFamilyRefused',
    );
  });

  it('upstreams: the only one is dead', async () => {
    await lab.restart(
      relayWith(`${PROBE}  upstreams:\n${upstream('dead', `socks5://${PROXY}:1080`)}`),
    );
    lab.again('client', curl());
    await lab.untilFiring('SidetrackAllUpstreamsDown', 'SidetrackConnectErrors');
  });

  it('upstreams: the proxy is slow', async () => {
    await lab.restart(
      relayWith(`  upstreams:\n${upstream('slow', `http://${PROXY}:${SLOW_PORT}`)}`),
    );
    // Each waits for half a second.
    for (let i = 0; i < 4; i++) lab.again('client', curl());
    await lab.untilFiring('SidetrackConnectSlow');
  });

  it('upstreams: the local ports run out', async () => {
    await lab.restart(
      relayWith(`  upstreams:\n${upstream('fast', `http://${PROXY}:${FAST_PORT}`)}`),
    );
    const range = (await on('server1', 'cat', '/proc/sys/net/ipv4/ip_local_port_range')).trim();
    const set = (value: string) =>
      on('server1', 'sysctl', '-qw', `net.ipv4.ip_local_port_range=${value}`);
    onTestFinished(async () => {
      await set(range);
    });
    // Enough for Prometheus and its questions, too.
    await set(`40000 ${40_000 + PORTS - 1}`);
    await hold(0.9 * PORTS);
    await lab.untilFiring('SidetrackUpstreamPorts');
    await hold(0.1 * PORTS);
    lab.again('client', curl());
    await lab.untilFiring('SidetrackOutOfResources');
  });

  it('limits: as many connections as may be, and one more', async () => {
    await lab.restart(relayWith('  max_connections: 8\n  threads: 1\n'));
    await hold(8);
    lab.again('client', curl());
    await lab.untilFiring('SidetrackHeadRoom', 'SidetrackAcceptPaused');
  });

  it('limits: downloads that are not read hold all pipes', async () => {
    await lab.restart(relayWith('  threads: 1\n'));
    const downloads = lab.fixture.lab.spawn('client', [process.execPath, '-e', STALLED(70)]);
    await lab.untilFiring('SidetrackPipesShort');
    await end(downloads);
  });

  it('load: a thread is busy, and bytes stay for longer than they should', async () => {
    lab.fixture.lab.spawn('internet', ['iperf3', '-s'], { stdio: 'ignore' });
    await waitFor('iperf3 to listen', async () =>
      (await on('internet', 'ss', '-Hltn', 'sport = :5201')).includes(':5201'),
    );
    const load = lab.fixture.lab.spawn('client', ['iperf3', '-c', V4, '-R', '-t', '100'], {
      stdio: 'ignore',
    });
    await lab.untilFiring('SidetrackThreadSaturated');
    load.signal('SIGTERM');
    await load.exited;
    // No receiver is slow at these.
    lab.again('client', curl());
    await lab.untilFiring('SidetrackResidencyHigh');
  });

  it('refusals: of the guard, and of connections to the relay itself', async () => {
    const guarded = '10.99.0.1';
    await apply(
      LAB_CONFIG.replace(
        'rules:\n',
        `rules:\n  - { name: odd, to: [${guarded}], action: proxy }\n`,
      ),
    );
    await lab.restart(LAB_CONFIG);
    lab.again('client', `curl -s --max-time 1 http://${guarded}/`);
    lab.again('client', `curl -s --max-time 1 http://${ADDRESS.server1.v4}:12345/`);
    await lab.untilFiring('SidetrackGuardRefusalsRising', 'SidetrackLoop');
    await apply();
  });

  it('clients: answers do not reach one', async () => {
    const deaf =
      'add table inet deaf; add chain inet deaf in { type filter hook prerouting priority -400; }; add rule inet deaf in tcp flags & (syn|ack) == syn|ack drop';
    await on('client', 'nft', deaf);
    // Each SYN that is sent again begins the server's time anew.
    await on('client', 'sysctl', '-qw', 'net.ipv4.tcp_syn_retries=1');
    for (let i = 0; i < 4; i++)
      lab.again('client', curl().replace('--max-time 1', '--max-time 30'));
    await lab.untilFiring('SidetrackHalfOpenHandshakes');
    await on('client', 'nft', 'delete', 'table', 'inet', 'deaf');
    await on('client', 'sysctl', '-qw', 'net.ipv4.tcp_syn_retries=6');
  });

  it('the access log: its disk is full', async () => {
    await lab.restart(relayWith('  threads: 1\n  access_log: { file: /dev/full }\n'));
    // More than the relay keeps until the disk takes them: some ten thousand lines.
    const quick = lab.fixture.spawnClient('client', 'quick', V4, '1000000');
    await lab.untilFiring('SidetrackAccessLogDropping');
    await end(quick);
  });

  it('the process: a reload with a mistake, restarts, and its end', async () => {
    await lab.restart(LAB_CONFIG);
    await lab.reload('router: {}\n');
    await lab.untilFiring('SidetrackReloadFailed');
    await lab.restart(LAB_CONFIG);
    await lab.untilFiring('SidetrackRelayRestarting');
    lab.relay!.signal('SIGKILL');
    await lab.untilFiring('SidetrackRelayDown');
    await lab.restart(LAB_CONFIG);
  });

  it('the way to the server: its route is gone, and it does not answer', async () => {
    await on('router', 'ip', 'route', 'flush', 'table', '250');
    lab.compare();
    lab.again('client', curl());
    await lab.untilFiring('SidetrackRouteGone', 'SidetrackOnFailureUsed', 'SidetrackDrifted');
    await apply();
    await lab.untilQuiet('SidetrackRouteGone');
    await on('server1', 'ip', 'link', 'set', 'eth0', 'arp', 'off');
    await on('router', 'ip', 'neigh', 'flush', 'dev', 'br-lan');
    await lab.untilFiring('SidetrackNextHopUnreachable');
    await on('server1', 'ip', 'link', 'set', 'eth0', 'arp', 'on');
  });

  it('the way to the server: it captures nothing', async () => {
    await on('server1', 'nft', 'flush', 'ruleset');
    lab.again('client', curl());
    await lab.untilFiring('SidetrackNothingSteered');
    await apply();
    await lab.untilQuiet('SidetrackNothingSteered');
  });

  it('the flow table: nearly full, and one client is over its share', async () => {
    await apply(
      LAB_CONFIG.replace(
        'router:\n',
        'router:\n  flow_table_size: 40\n  max_flows_per_client: 38\n',
      ),
    );
    lab.again('client', curl());
    await lab.untilFiring('SidetrackFlowTableNearlyFull', 'SidetrackClientOverShare');
    await lab.endLoops();
    await apply();
  });

  it('the router: the kernel makes ICMP redirects', async () => {
    for (const name of ['all', 'br-lan'])
      await on('router', 'sysctl', '-qw', `net.ipv4.conf.${name}.send_redirects=1`);
    lab.again('client', curl());
    await lab.untilFiring('SidetrackIcmpRedirects');
    await apply();
  });

  it('hosts: an interface is missing, and then nothing is applied', async () => {
    await on('router', 'ip', 'link', 'set', 'lan2', 'down');
    await on('router', 'ip', 'link', 'set', 'lan2', 'name', 'lan9');
    lab.compare();
    await lab.untilFiring('SidetrackUnfit');
    await on('router', 'ip', 'link', 'set', 'lan9', 'name', 'lan2');
    await on('router', 'ip', 'link', 'set', 'lan2', 'up');
    await lab.fixture.succeed('down', '--only', 'router');
    lab.compare();
    await lab.untilFiring('SidetrackNotApplied');
    await apply();
  });

  it('lists: one is old, and so is a textfile', async () => {
    const list = join(lab.fixture.directory, 'old.txt');
    writeFileSync(list, '203.0.113.99\n');
    const old = Date.now() / 1000 - 9 * 86_400;
    utimesSync(list, old, old);
    lab.fixture.configure(
      `${LAB_CONFIG.replace('rules:\n', 'rules:\n  - { name: old, to: [old], action: direct }\n')}sets: { old: { file: old.txt } }\n`,
    );
    const textfile = join(lab.fixture.directory, 'sidetrack.prom');
    await lab.fixture.sidetrack('exporter', '--textfile', textfile);
    const server = lab.fixture.lab.spawn('server1', [process.execPath, '-e', SERVE(textfile)]);
    await new Promise((resolve) => server.child.stdout!.once('data', resolve));
    await lab.untilFiring('SidetrackListStale', 'SidetrackReadingOld');
    const [alert] = (await lab.prometheus.alerts()).filter(
      ({ labels }) => labels.alertname === 'SidetrackReadingOld',
    );
    expect(alert?.labels.job).toBe('node');
  });

  it('hosts: one cannot be read, and then the exporter is gone', async () => {
    await lab.fixture.lab.check(undefined, ['umount', '/run/netns/router']);
    await lab.untilFiring('SidetrackHostDown');
    await lab.exporter.stop();
    await lab.untilFiring('SidetrackExporterDown');
    const exported = selector('hostUp', { job: 'sidetrack-exporter' });
    expect(await lab.prometheus.query(exported)).toEqual([]);
  });
});
