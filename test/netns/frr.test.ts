/** What `sidetrack export frr` prints, in FRR itself: who is announced gets flows, who is not loses them. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { labConfig } from '../../control/lab/demo.js';
import {
  ADDRESS,
  INTERNET_ADDRESSES_V4,
  labServers,
  labTopology,
} from '../../control/lab/topology.js';
import { CHECKOUT } from '../open-checkout.js';
import { expectDownload } from './download.js';
import { CLASSIFIER, type Classifier, Fixture, waitFor } from './fixture.js';
import { CLASSIFIERS } from './health/classifiers.js';
import { holdConnection } from './hold.js';
import { missingPrograms, requireAll } from './rivals/installed.js';

/** BFD's 3 × 300 ms, with room for a busy machine; without BFD it would be BGP's 9 s. */
const WITHIN_MS = 3000;
const OF_SERVER2 = INTERNET_ADDRESSES_V4[1];
const TABLES = { server1: '250', server2: '251' };

/** A table of no other use: what is put there shows that `ip monitor` listens. */
const MARKER_TABLE = '999';
const routeDeleted = (table: string) =>
  new RegExp(`^\\[(\\S+)\\] Deleted default .*table ${table} `);

/** server2 has the flows to one address, and those that server1 does not take. */
const yaml = (route: 'apply' | 'external') =>
  labConfig(2)
    .replaceAll(/ {4}program: relay\n/g, `    health: route\n    route: ${route}\n`)
    .replace(/( {2}- name: server2\n)/, '$1    backup: true\n')
    .replace(
      '  - { name: rest,',
      `  - { name: second, to: [${OF_SERVER2}], proto: tcp, action: { proxy: server2 } }\n  - { name: rest,`,
    );

const missing = missingPrograms(['vtysh']);

describe.skipIf(missing.length > 0 && !requireAll)('servers that FRR knows of', () => {
  let fixture: Fixture;
  afterEach(() => fixture?.stop());

  const onRouter = (...argv: string[]) => fixture.lab.check('router', argv);
  const routes = (table: string, family = '-4') =>
    onRouter('sh', '-c', `ip ${family} route show default table ${table} 2>/dev/null; :`);

  async function startFrr(node: string, directory: string): Promise<void> {
    const own = join(fixture.directory, `frr-${node}`);
    mkdirSync(own);
    const script = join(CHECKOUT, 'test/netns/frr/frr.sh');
    const argv = ['sh', script, own, join(directory, `${node}.conf`)];
    const running = fixture.lab.spawn(node, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    const said: string[] = [];
    for await (const line of createInterface({ input: running.child.stdout! })) {
      if (line === 'loaded') return;
      said.push(line);
    }
    throw new Error(`FRR on ${node} ended: ${said.join('\n')}`);
  }

  async function start(classifier: Classifier): Promise<void> {
    fixture = await Fixture.start(labTopology(2));
    fixture.classifier = classifier;
    // Nothing of a default is replaced.
    fixture.hearsServers = true;
    fixture.configure(yaml('apply'));
    await fixture.succeed('apply');
    const directory = join(fixture.directory, 'exported');
    expect(await fixture.succeed('export', 'frr', '-o', directory)).toContain('server2: ');
    const nodes = ['router', 'server1', 'server2'];
    await Promise.all([
      ...nodes.map((node) => startFrr(node, directory)),
      ...['server1', 'server2'].map((name) => fixture.startRelayOn(name, '--server', name)),
    ]);
    await awaited('all to be announced', async () => {
      const announced = await onRouter(
        'sh',
        '-c',
        'ip route show proto bgp; ip -6 route show proto bgp',
      );
      return announced.trim().split('\n').length === 4;
    });
    // A session that is not up yet notices nothing, and BGP's hold time decides.
    await awaited('BFD to watch all of them', async () => {
      const peers = await onRouter(ask(), '-c', 'show bfd peers brief json');
      const states = [...peers.matchAll(/"status":"(\w+)"/g)].map(([, state]) => state);
      return states.length === 4 && states.every((state) => state === 'up');
    });
    fixture.configure(yaml('external'));
    // FRR's take the place of ours as soon as these are gone.
    await fixture.succeed('apply');
    await awaited('the routes of FRR', async () => {
      const found = await Promise.all(
        Object.values(TABLES).flatMap((table) => [routes(table), routes(table, '-6')]),
      );
      return found.every((text) => /proto (static|196)/.test(text));
    });
  }

  /** vtysh of the router's FRR. */
  const ask = () => join(fixture.directory, 'frr-router/ask');

  /** What FRR on the router and the kernel know. */
  const diagnose = () =>
    onRouter(
      'sh',
      '-c',
      'a=$1; for c in "bgp summary" "bgp ipv4 unicast" "ip route" "ip route table 250" "ipv6 route" "ipv6 route table 250" "bfd peers brief"; do echo "--- $c"; "$a" -c "show $c" 2>&1; done; ip route show table all; ip -6 route show table all; tail -5 "${a%/*}"/*.log; :',
      'sh',
      ask(),
    );

  const awaited = (what: string, condition: () => Promise<boolean>) =>
    waitFor(what, condition, 90_000).catch(async (error: Error) => {
      throw new Error(`${error.message}: ${await diagnose()}`);
    });

  /** BFD begins at a packet a second, and BGP is up before it: until then only BGP's hold time tells of a dead peer. */
  const bfdWatches = async (): Promise<boolean> => {
    const ask = join(fixture.directory, 'frr-router', 'ask');
    const said = await onRouter(ask, '-c', 'show bfd peers json');
    const states = [...said.matchAll(/"status":"(\w+)"/g)].map(([, state]) => state);
    return states.length > 0 && states.every((state) => state === 'up');
  };

  const accepted = (server: string) =>
    fixture.metric('sidetrack_relay_connections_total{family="ipv4"}', server);

  /** Milliseconds until the router has no route to it, from when its link went down, as the kernel told it. */
  async function powerOff(server: string, table: string): Promise<number> {
    const gone = routeDeleted(table);
    const argv = ['ip', '-4', '-ts', 'monitor', 'route'];
    const monitor = fixture.lab.spawn('router', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    const told: string[] = [];
    createInterface({ input: monitor.child.stdout! }).on('line', (line) => told.push(line));
    await awaited('the monitor to listen', async () => {
      await onRouter('ip', 'route', 'replace', 'unreachable', '192.0.2.1', 'table', MARKER_TABLE);
      await onRouter('ip', 'route', 'flush', 'table', MARKER_TABLE);
      return told.some((line) => line.includes(`table ${MARKER_TABLE}`));
    });
    await fixture.lab.check(server, ['ip', 'link', 'set', 'eth0', 'down']);
    const begun = Date.now();
    await awaited('the route to go', async () => (await routes(table)) === '');
    await awaited('the monitor to tell of it', async () => told.some((line) => gone.test(line)));
    monitor.signal('SIGTERM');
    await monitor.exited;
    const [, time] = told.map((line) => gone.exec(line)).findLast((match) => match !== null)!;
    return Date.parse(time!) - begun;
  }

  async function losesOne(classifier: Classifier, comesBack = false): Promise<void> {
    await start(classifier);
    expect(await routes(TABLES.server1)).not.toContain('proto 150');
    expect(await fixture.succeed('apply')).toContain('Nothing changes');
    const { stderr, status } = await fixture.sidetrack('status');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    await expectDownload(fixture, 'client', ADDRESS.internet.v4);
    await expectDownload(fixture, 'client', ADDRESS.internet.v6);
    expect(await accepted('server1')).toBeGreaterThan(0);
    expect(await accepted('server2')).toBe(0);
    const held = await holdConnection(fixture, 'client', OF_SERVER2);
    await held.roundTrip('before');
    await awaited('BFD to watch the servers', bfdWatches);

    expect(await powerOff('server1', TABLES.server1)).toBeLessThan(WITHIN_MS);
    await expectDownload(fixture, 'client', ADDRESS.internet.v4);
    expect(await accepted('server2')).toBeGreaterThan(1);
    await held.roundTrip('after');
    await held.end();
    expect((await fixture.sidetrack('status', '--only', 'router')).stderr).toMatch(
      /no IPv4 default route via 192\.168\.1\.2 in table 250.*server1 gets no new IPv4 flows/,
    );

    if (!comesBack) return;
    const { v6 } = labServers(1)[0]!;
    await fixture.lab.check('server1', [
      'sh',
      '-ec',
      `ip link set eth0 up; ip address replace ${v6}/64 dev eth0 nodad
       ip route replace default via ${ADDRESS.router.v4}; ip route replace default via ${ADDRESS.router.v6}`,
    ]);
    await awaited('the route to come back', async () => (await routes(TABLES.server1)) !== '');
    await fixture.succeed('down');
    expect(await routes(TABLES.server1)).toMatch(/via 192\.168\.1\.2 /);
  }

  it('are left within BFD’s time, and others’ flows go on', () => losesOne(CLASSIFIER));
  const others = CLASSIFIERS.filter((one) => one !== CLASSIFIER);
  it.each([CLASSIFIER, ...others])('%s: and get them back', { tags: 'long' }, (one) =>
    losesOne(one, true),
  );
});
