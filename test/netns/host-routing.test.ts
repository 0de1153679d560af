/** What we think of the kernel's rules and routes, against the kernel: `ip route get` decides. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Lab } from '../../control/lab/lab.js';
import { addressNumber, type Packets } from '../../control/plan/packets.js';
import { routeOfPacket } from '../../control/plan/route-lookup.js';
import { takersBefore } from '../../control/plan/rule-walk.js';
import type { Family, InterfaceFacts, ObservedHost } from '../../control/plan/state.js';
import { routeOf, ruleOf } from '../../control/resources/ip-json.js';
import type { RouteJson, RuleJson } from '../../control/resources/ip-shapes.js';
import { bareRouter } from '../unit/plan/fixtures.js';
import { lists, type Probe, probe, WORLDS, type World } from '../unit/plan/rule-lists.js';
import { CLI } from './fixture.js';

const MARK = 0x96;
const LISTS = 25;
const PROBES = 12;

let lab: Lab;
beforeAll(async () => {
  lab = await Lab.start({
    nodes: [
      {
        name: 'router',
        interfaces: [
          { name: 'e0', addresses: ['192.168.1.1/24', 'fd00:1::1/64'] },
          { name: 'e1', addresses: ['172.11.0.1/16', 'fd11::1/64'] },
          { name: 'e2', addresses: ['172.12.0.1/16', 'fd12::1/64'] },
        ],
        routes: [],
        sysctls: {
          'net/ipv4/ip_forward': '1',
          'net/ipv6/conf/all/forwarding': '1',
          'net/ipv4/conf/all/rp_filter': '0',
          'net/ipv4/conf/e0/rp_filter': '0',
        },
      },
      {
        name: 'peer',
        interfaces: ['f0', 'f1', 'f2'].map((name) => ({ name, addresses: [] })),
        routes: [],
      },
    ],
    links: [
      ['router:e0', 'peer:f0'],
      ['router:e1', 'peer:f1'],
      ['router:e2', 'peer:f2'],
    ],
  });
  await lab.check('router', ['ip', 'link', 'set', 'e1', 'group', '5']);
});
afterAll(() => lab?.stop());

const INTERFACES: InterfaceFacts[] = ['e0', 'e1', 'e2'].map((name) => ({
  name,
  mac: '',
  up: true,
  ...(name === 'e1' && { group: 5 }),
  addresses: [],
}));

/** Makes the lists, asks the kernel about each packet and reads the lists back, in one process. */
function script({ family }: World, made: readonly string[][], probes: readonly Probe[]): string {
  const ip = `ip -${family}`;
  const question = ({ source, destination, tos, sourcePort, destinationPort }: Probe) =>
    `${ip} -j route get ${destination} from ${source} iif e0 mark ${MARK} tos 0x${tos.toString(16)} ipproto tcp sport ${sourcePort} dport ${destinationPort} 2>/dev/null || echo '[]'`;
  return [
    `${ip} rule flush`,
    // Without it the kernel would find no gateway of the routes to come.
    `${ip} rule add pref 32766 lookup main`,
    ...[100, 101, 102, 200].map((table) => `${ip} route flush table ${table} 2>/dev/null`),
    `${ip} -force -batch - 2>/dev/null <<'END'`,
    ...made.map((words) => words.join(' ')),
    'END',
    ...probes.map(question),
    `${ip} -j -N -d rule show`,
    `${ip} -j -N route show table all`,
  ].join('\n');
}

interface Seen {
  answers: (string | undefined)[];
  host: ObservedHost;
}

async function see(world: World, made: string[][], probes: Probe[]): Promise<Seen> {
  const stdout = await lab.check('router', ['sh'], { stdin: script(world, made, probes) });
  const parts = stdout
    .split('\n')
    .filter((line) => line.startsWith('['))
    .map((line) => JSON.parse(line) as object[]);
  const filled = (list: object[] = []) => list.filter((one) => Object.keys(one).length > 0);
  const answers = parts.slice(0, probes.length) as { gateway?: string }[][];
  const { family } = world;
  const host = bareRouter({
    interfaces: INTERFACES,
    ipRules: (filled(parts.at(-2)) as unknown as RuleJson[]).map((one) => ruleOf(family, one)),
    routes: (filled(parts.at(-1)) as unknown as RouteJson[]).map((one) => routeOf(family, one)),
  });
  return { answers: answers.map((answer) => answer[0]?.gateway), host };
}

/** The gateway, or nothing where the packet is refused or no rule has a route for it. */
function predicted(family: Family, host: ObservedHost, one: Probe): string | undefined {
  const source = addressNumber(one.source);
  const packet: Packets & { destination: bigint } = {
    ...one,
    family,
    iif: 'e0',
    mark: MARK,
    sources: [{ first: source, last: source }],
    destination: addressNumber(one.destination),
  };
  const [taker] = takersBefore(32_767, host, packet);
  if (taker === undefined || (taker.rule.action ?? 'lookup') !== 'lookup') return undefined;
  return routeOfPacket(taker.rule, host, packet)?.via;
}

it('init takes none of several uplinks for a client interface', async () => {
  const init = async () => {
    const argv = ['init', '--router', 'netns://router', '--output', '-'];
    const yaml = await lab.check(undefined, [process.execPath, CLI, ...argv]);
    return /interfaces: .*/.exec(yaml)?.[0];
  };
  const route = (words: string) => lab.check('router', ['ip', ...words.split(' ')]);
  // Without a default route nobody can tell them apart.
  expect(await init()).toMatch(/^interfaces: \[e0, e1, e2\] .*# CHECK: there is no default route/);
  await route('route add default nexthop via 172.11.0.2 dev e1 nexthop via 172.12.0.2 dev e2');
  expect(await init()).toMatch(/^interfaces: \[e0\] [^C]*$/);
  await route('route del default');
  await route('-6 route add default via fd11::2 dev e1 table 100');
  await route('route add default via 172.12.0.2 dev e2 table 101');
  expect(await init()).toMatch(/^interfaces: \[e0\] [^C]*$/);
});

it.each([4, 6] as const)(
  'IPv%s packets go where the kernel sends them',
  async (family) => {
    const world = WORLDS[family];
    const probes = fc.array(probe(world), { minLength: PROBES, maxLength: PROBES });
    let found = 0;
    await fc.assert(
      fc.asyncProperty(lists(world), probes, async (made, asked) => {
        const { answers, host } = await see(world, made, asked);
        expect(asked.map((one) => predicted(family, host, one))).toEqual(answers);
        found += new Set(answers).size;
      }),
      { numRuns: LISTS },
    );
    // Otherwise the lists would prove nothing.
    expect(found).toBeGreaterThan(LISTS);
  },
  60_000,
);
