/** Probes of a change, with the programs that hosts have, and what they say of networks that work and do not. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dnsProbes } from '../../control/apply/probes/dns.js';
import { gatewayProbes } from '../../control/apply/probes/gateway.js';
import { internetProbes } from '../../control/apply/probes/internet.js';
import {
  demandProbes,
  measureProbes,
  type Probe,
  resultsOf,
} from '../../control/apply/probes/probe.js';
import { probesOf } from '../../control/apply/probes/probes.js';
import type { Command } from '../../control/command/command.js';
import { parseConfig } from '../../control/config/load.js';
import { LAB_CONFIG } from '../../control/lab/demo.js';
import { ADDRESS } from '../../control/lab/topology.js';
import type { ObservedHost } from '../../control/plan/state.js';
import { compilePolicy } from '../../control/policy/compile.js';
import { bareRouter } from '../unit/plan/fixtures.js';
import { FAMILIES, Fixture, waitFor } from './fixture.js';
import { findProgram } from './machines/programs.js';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await Fixture.start();
});
afterAll(() => fixture?.stop());

const BASIC = 'sh ip sleep head wc sed grep cat';

/** Sets of programs, by name; `busybox` in front of them: its applets, and never the full ones. */
const SETS = {
  full: '',
  busybox: `busybox ${BASIC} ping ping6 nc nslookup`,
  'busybox without ping': `busybox ${BASIC} nc nslookup`,
  'busybox with wget alone': `busybox ${BASIC} wget`,
  'curl and getent': `${BASIC} curl getent`,
  'wget alone': `${BASIC} wget`,
  'bash alone': `${BASIC} bash`,
  nothing: BASIC,
} as const;
type ProgramSet = keyof typeof SETS;

async function pathOf(set: ProgramSet): Promise<string | undefined> {
  const [first, ...rest] = SETS[set].split(' ');
  if (first === '') return undefined;
  const directory = join(fixture.directory, set.replaceAll(' ', '-'));
  const busybox = first === 'busybox' ? findProgram('busybox')! : '';
  const programs = busybox === '' ? [first!, ...rest] : rest;
  const script = `mkdir -p "$1"; busybox=$2; directory=$1; shift 2
for program; do
  if [ -n "$busybox" ] && [ $program != ip ]; then ln -sf "$busybox" "$directory/$program"
  else ln -sf "$(command -v $program)" "$directory/$program"; fi
done`;
  await fixture.lab.check(undefined, ['sh', '-c', script, 'sh', directory, busybox, ...programs]);
  return directory;
}

async function onNode(node: string, { argv }: Command, set: ProgramSet = 'full') {
  const path = await pathOf(set);
  const resolver = join(fixture.directory, 'resolv.conf');
  const script = `echo nameserver 127.0.0.1 >"$1" && mount --bind "$1" /etc/resolv.conf && mount --bind /dev/null /etc/hosts && path=$2 && shift 2 && PATH=\${path:-$PATH} exec "$@"`;
  const private_ = ['unshare', '--mount', 'sh', '-c', script, 'sh', resolver, path ?? ''];
  return fixture.lab.run(node, [...private_, ...argv]);
}

/** States before a change, by name. */
async function measured(node: string, probes: readonly Probe[], set: ProgramSet = 'full') {
  const { commands } = measureProbes(probes, 5);
  const { status, stdout, stderr } = await onNode(node, commands[0]!, set);
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const states = resultsOf(probes, stdout).map(({ probe, state }) => [probe.name, state]);
  return Object.fromEntries(states) as Record<string, string>;
}

const config = (confirm = '') => parseConfig('a.yaml', `${LAB_CONFIG}\n${confirm}`);

const router = (): ObservedHost =>
  bareRouter({
    interfaces: [
      {
        name: 'br-lan',
        mac: '02:00:00:00:00:01',
        up: true,
        addresses: [
          { family: 4, address: ADDRESS.router.v4, prefixLength: 24 },
          { family: 6, address: ADDRESS.router.v6, prefixLength: 64 },
        ],
      },
      { name: 'wan', mac: '02:00:00:00:00:02', up: true, addresses: [] },
    ],
    ipRules: [4, 6].map((family) => ({ family: family as 4 | 6, priority: 32766, table: 254 })),
    routes: [
      [4, '203.0.113.10'],
      [6, '2001:db8:ffff::10'],
    ].map(([family, via]) => ({
      family: family as 4 | 6,
      table: 254,
      destination: 'default',
      type: 'unicast',
      via: via as string,
      dev: 'wan',
    })),
  });

const INTERNET = [
  { address: ADDRESS.internet.v4, port: 80 },
  { address: ADDRESS.internet.v6, port: 80 },
];

describe('a gateway', () => {
  const pings = ['gateway-ping 203.0.113.10', 'gateway-ping 2001:db8:ffff::10'];
  const neighbours = pings.map((name) => name.replace('ping', 'neighbour'));
  const all = (names: readonly string[], state: string) =>
    Object.fromEntries(names.map((name) => [name, state]));
  const states = (ping: string, neighbour: string) => ({
    ...all(pings, ping),
    ...all(neighbours, neighbour),
  });
  const probes = gatewayProbes('the router', router());

  it.each<[ProgramSet, string]>([
    ['full', 'works'],
    ['busybox', 'works'],
    ['busybox without ping', 'unmeasurable'],
  ])('is reached (%s)', async (set, ping) => {
    for (const flush of [true, false]) {
      if (flush) await fixture.lab.check('router', ['ip', 'neigh', 'flush', 'dev', 'wan']);
      expect(await measured('router', probes, set)).toEqual(states(ping, 'works'));
    }
  });

  it('that answers no ping is found in the neighbour table, and one that is gone is not', async () => {
    const down = (what: string) => fixture.lab.check('internet', ['sh', '-c', what]);
    await down(
      'nft add table inet deaf; nft "add chain inet deaf in { type filter hook input priority 0; }"; nft add rule inet deaf in icmp type echo-request drop; nft add rule inet deaf in icmpv6 type echo-request drop',
    );
    expect(await measured('router', probes)).toEqual(states('fails', 'works'));
    await down('nft delete table inet deaf; ip link set eth0 down');
    const before = performance.now();
    expect(await measured('router', probes)).toEqual(states('fails', 'fails'));
    // It gives up after seconds; minutes would mean that it does not.
    expect(performance.now() - before).toBeLessThan(30_000);
    await down('ip link set eth0 up; ip -6 address replace 2001:db8:ffff::10/64 dev eth0 nodad');
  });
});

describe('connections', () => {
  const probes = internetProbes('server1', INTERNET);
  const expected = (state: string) => Object.fromEntries(probes.map(({ name }) => [name, state]));

  it.each<[ProgramSet, string]>([
    ['full', 'works'],
    ['busybox', 'works'],
    ['busybox with wget alone', 'works'],
    ['curl and getent', 'works'],
    ['wget alone', 'works'],
    ['bash alone', 'works'],
    ['nothing', 'unmeasurable'],
  ])('are made (%s), and to a closed port they are not', async (set, state) => {
    expect(await measured('server1', probes, set)).toEqual(expected(state));
    const closed = internetProbes('server1', [{ address: ADDRESS.internet.v4, port: 1 }]);
    expect(Object.values(await measured('server1', closed, set))).toEqual([
      state === 'works' ? 'fails' : state,
    ]);
  });
});

describe('names', () => {
  beforeAll(() => fixture.startPeer('router', 'dns', 'resolving'));
  const probes = dnsProbes('the router', ['www.example.com']);
  it.each<[ProgramSet, string]>([
    ['busybox', 'works'],
    ['curl and getent', 'works'],
    ['bash alone', 'works'],
    ['nothing', 'unmeasurable'],
  ])('are resolved (%s), and where there is no resolver they are not', async (set, state) => {
    expect(Object.values(await measured('router', probes, set))).toEqual([state]);
    expect(Object.values(await measured('server1', probes, set))).toEqual([
      state === 'works' ? 'fails' : state,
    ]);
  });
});

it('asks the kernel for the way of clients, and whether it forwards at all', async () => {
  const confirm = `confirm: { gateway: false, dns: [], canary: [], internet: ["${ADDRESS.internet.v4}:80", "[${ADDRESS.internet.v6}]:80"] }`;
  const file = await config(confirm);
  const probes = probesOf(file, compilePolicy(file), 'router', router());
  const all = (state: string) => Object.fromEntries(probes.map(({ name }) => [name, state]));
  expect(probes.length).toBeGreaterThanOrEqual(2);
  expect(await measured('router', probes, 'busybox')).toEqual(all('works'));
  const off = (value: string) =>
    fixture.lab.check('router', [
      'sysctl',
      '-qw',
      `net.ipv4.ip_forward=${value}`,
      `net.ipv6.conf.all.forwarding=${value}`,
    ]);
  await off('0');
  const without = await measured('router', probes);
  await off('1');
  expect(without[`forwarding br-lan ${ADDRESS.internet.v4}`]).toBe('fails');
});

describe('the canary', () => {
  const canary = `confirm: { canary: ["${ADDRESS.internet.v4}:80", "[${ADDRESS.internet.v6}]:80"], gateway: false, dns: [], internet: [] }`;
  let probes: Probe[];
  let relay: Awaited<ReturnType<Fixture['startRelay']>>;
  const names = FAMILIES.map(
    (family) => `canary ${family === 'v4' ? ADDRESS.internet.v4 : `[${ADDRESS.internet.v6}]`}:80`,
  );
  const both = (state: string) => Object.fromEntries(names.map((name) => [name, state]));
  const rules = () => fixture.lab.check('router', ['sh', '-c', 'ip rule; ip -6 rule']);

  beforeAll(async () => {
    const file = await config(canary);
    probes = probesOf(file, compilePolicy(file), 'router', router());
    expect(probes.map(({ name }) => name)).toEqual(names);
  });
  /** After the change, by name. */
  async function demanded(set: ProgramSet = 'full') {
    const before = await rules();
    const { status, stdout } = await onNode('router', demandProbes(probes, 5), set);
    expect(await rules()).toBe(before);
    const states = resultsOf(probes, stdout).map(({ probe, state }) => [probe.name, state]);
    expect(status === 0).toBe(states.every(([, state]) => state === 'works'));
    return Object.fromEntries(states) as Record<string, string>;
  }

  it('has a way before the first apply: the direct one; and none behind it that is not there', async () => {
    expect(await measured('router', probes)).toEqual(both('works'));
    expect(await demanded()).toEqual(both('fails'));
    await fixture.succeed('apply');
    relay = await fixture.startRelay();
  });

  it.each<[ProgramSet, string]>([
    ['full', 'works'],
    ['busybox', 'works'],
    ['busybox with wget alone', 'works'],
    ['curl and getent', 'works'],
    ['nothing', 'unmeasurable'],
  ])('takes the new way through the relay (%s)', async (set, state) => {
    const sum = async () =>
      (await fixture.metric('sidetrack_relay_connections_total{family="ipv4"}')) +
      (await fixture.metric('sidetrack_relay_connections_total{family="ipv6"}'));
    const before = await sum();
    expect(await demanded(set)).toEqual(both(state));
    expect((await sum()) - before).toBe(state === 'works' ? 2 : 0);
  });

  it.each([0, 1, 2])('gets its answers with rp_filter %i', async (value) => {
    const set = (all: number) =>
      fixture.lab.check('router', [
        'sh',
        '-c',
        `for f in all br-lan wan; do echo ${all} >/proc/sys/net/ipv4/conf/$f/rp_filter; done`,
      ]);
    await set(value);
    expect(await demanded()).toEqual(both('works'));
    await set(0);
  });

  it('is not measurable behind a firewall that asks for the way back itself', async () => {
    const nft = (...argv: string[]) => fixture.lab.check('router', ['nft', ...argv]);
    await nft('add table inet strict');
    await nft('add chain inet strict in { type filter hook prerouting priority -290; }');
    await nft('add rule inet strict in fib saddr . mark . iif oif missing counter drop');
    const before = await measured('router', probes);
    await nft('delete table inet strict');
    expect(before).toEqual(both('unmeasurable'));
  });

  /** What repairs it; `apply` does the rest. */
  const broken: [what: string, node: string, damage: string, repair: string][] = [
    ['the redirect is missing', 'server1', 'nft flush table inet sidetrack', ''],
    [
      'the next hop is dead',
      'router',
      'ip route replace default via 192.168.1.99 dev br-lan table 250 proto 150; ip -6 route replace default via fd00:1::99 dev br-lan table 250 proto 150',
      '',
    ],
    [
      'the server has no way out',
      'server1',
      'ip route del default; ip -6 route del default',
      'ip route add default via 192.168.1.1; ip -6 route add default via fd00:1::1',
    ],
  ];
  it.each(broken)('fails where %s', async (_, node, damage, repair) => {
    await fixture.lab.check(node, ['sh', '-c', damage]);
    expect(await demanded()).toEqual(both('fails'));
    await fixture.lab.check(node, ['sh', '-c', repair]);
    await fixture.succeed('apply');
    expect(await demanded()).toEqual(both('works'));
  });

  it('fails where the relay does not run', async () => {
    relay.signal('SIGKILL');
    await relay.exited;
    expect(await demanded()).toEqual(both('fails'));
  });

  it('leaves no rule where its shell is killed', async () => {
    const before = await rules();
    await fixture.lab.check('router', [
      'sh',
      '-c',
      'ip route replace default via 192.168.1.99 dev br-lan table 250 proto 150',
    ]);
    const [first] = probes;
    const { argv } = demandProbes([first!], 5);
    const started = fixture.lab.spawn('router', ['setsid', ...argv]);
    await waitFor('the rule', async () => (await rules()).includes('dport 80'));
    started.signal('SIGKILL');
    await waitFor('the rule to go', async () => (await rules()) === before);
  });

  it('is removed by its undo, too', async () => {
    const before = await rules();
    const [first] = probes;
    await fixture.lab.check('router', [
      'sh',
      '-c',
      'ip rule add pref 1 iif lo to 198.51.100.7 ipproto 6 dport 80 protocol 150 lookup 250; ip rule add pref 1 iif lo to 198.51.100.7 ipproto 6 dport 80 protocol 150 unreachable; ip rule add pref 1 to 198.51.100.7 ipproto 6 dport 80 protocol 150 nop',
    ]);
    for (const { argv } of first!.undo!) await fixture.lab.check('router', argv);
    expect(await rules()).toBe(before);
    for (const { argv } of first!.undo!) await fixture.lab.check('router', argv);
  });
});
