/** Where our rules go among those of others, and what is said when they cannot do their work. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../control/config/load.js';
import { addressNumber, type Packets, spanOf } from '../../../control/plan/packets.js';
import { routeOfPacket } from '../../../control/plan/route-lookup.js';
import { routerRoute, serverRoute, takenPackets } from '../../../control/plan/rule-check.js';
import { routerRulePriority } from '../../../control/plan/rule-priority.js';
import { takersBefore } from '../../../control/plan/rule-walk.js';
import type { ObservedHost, ObservedIpRule, ObservedRoute } from '../../../control/plan/state.js';
import { ruleOf } from '../../../control/resources/ip-json.js';
import type { RuleJson } from '../../../control/resources/ip-shapes.js';
import { bareRouter } from './fixtures.js';

const config = (router = '', server = '') =>
  parseConfig(
    'a.yaml',
    `router: { host: local, interfaces: [br-lan]${router} }
servers:
  - { name: server1, host: local, interface: eth0, address: [192.168.1.2, "fd00:1::2"], program: relay, port: 12345${server} }
`,
  );

/** A rule as `ip -N -d -j rule` prints it. */
const rule = (json: Partial<RuleJson>, family: 4 | 6 = 4) =>
  ruleOf(family, { priority: 100, src: 'all', protocol: '0', ...json });

const LAN = { src: '192.168.1.0', srclen: 24 };
const KERNELS = [rule({ priority: 0, table: '255', protocol: '2' })];
const route = (table: number, destination = 'default', more: Partial<ObservedRoute> = {}) =>
  ({ family: 4, table, destination, type: 'unicast', via: '192.168.1.9', ...more }) as const;

function host(rules: readonly ObservedIpRule[], routes: readonly ObservedRoute[] = []) {
  const ipRules = [...KERNELS, ...rules].sort((a, b) => a.priority - b.priority);
  return bareRouter({ ipRules, routes: [...bareRouter().routes, ...routes] });
}

const priorityOf = async (observed: ObservedHost, router = '') =>
  routerRulePriority(await config(router), observed);
const taken = async (observed: ObservedHost) => {
  const fixed = await config(', rule_priority: 1500');
  return takenPackets(routerRoute(fixed, observed), observed);
};

describe('rule_priority: auto', () => {
  it.each<[string, Partial<RuleJson>, string]>([
    ['the clients', { ...LAN, table: '100' }, 'from 192.168.1.0/24 lookup 100'],
    ['one client', { src: '192.168.1.10', table: '100' }, 'from 192.168.1.10/32 lookup 100'],
    ['one destination', { dst: '9.9.9.9', table: '100' }, 'to 9.9.9.9/32 lookup 100'],
    [
      'who has another mark',
      { not: null, fwmark: '0xca6c', table: '51820' },
      'not fwmark 0xca6c lookup 51820',
    ],
    [
      'all but short prefixes',
      { table: '254', suppress_prefixlen: 0 },
      'lookup main suppress_prefixlength 0',
    ],
    ['nft when it asks', { iif: 'lo', table: '100' }, 'iif lo lookup 100'],
    ['all, by a goto', { goto: 32_766 }, 'goto 32766'],
    ['all, to refuse them', { action: '7' }, 'unreachable'],
    ['an address that we cannot read', { src: 'a.example', table: '100' }, 'src lookup 100'],
    ['by what we do not know', { table: '100', ...{ flowlabel: '0x5' } }, 'flowlabel lookup 100'],
  ])('goes in front of a rule for %s', async (_what, json, text) => {
    const main = rule({ priority: 32_766, table: '254', protocol: '2' });
    const observed = host([rule({ priority: 300, ...json }), main]);
    expect(await priorityOf(observed)).toEqual({
      priority: 299,
      why: `in front of IPv4 rule 300 (${text})`,
    });
  });

  it.each<[string, Partial<RuleJson>]>([
    ['another interface', { iif: 'wan', table: '100' }],
    ['what leaves by an interface', { oif: 'wan', table: '100' }],
    ['an interface that is gone', { iif: 'br-lan', iif_detached: null, table: '100' }],
    ['other clients', { src: '10.0.0.0', srclen: 8, table: '100' }],
    ["the server's own packets", { src: '192.168.1.2', table: '100' }],
    ["the router's own packets", { src: '192.168.1.1', table: '100' }],
    ['another mark', { fwmark: '0x100', fwmask: '0xff00', table: '100' }],
    [
      'everybody but us',
      { not: null, fwmark: '0x96', fwmask: '0xff', ...{ iif: 'br-lan' }, action: '0', nop: null },
    ],
    ['a user', { uid_start: 1000, uid_end: 1000, table: '100' }],
    ['UDP', { ipproto: 'ipproto-17', table: '100' }],
    ['ports of a VRF', { l3mdev: null }],
    ['nobody', { nop: null }],
    ['nobody, by a goto that leads nowhere', { goto: 777 }],
    ['the machine itself', { table: '255' }],
  ])('stays where it is for a rule about %s', async (_what, json) => {
    expect(await priorityOf(host([rule(json)]))).toEqual({ priority: 1500 });
  });

  it('does not mind what a goto leads past', async () => {
    const rules = (selector: Partial<RuleJson>) => [
      rule({ priority: 10, goto: 30, ...selector }),
      rule({ priority: 20, ...LAN, table: '100' }),
      rule({ priority: 30, nop: null }),
    ];
    expect((await priorityOf(host(rules({})))).priority).toBe(1500);
    expect((await priorityOf(host(rules({ dport: 443 })))).priority).toBe(19);
  });

  it('is one number for both families, does not see our own rules, and does not move by itself', async () => {
    const foreign = [
      rule({ priority: 1499, ...LAN, table: '100' }),
      rule({ priority: 40, table: '100' }, 6),
    ];
    const own = (priority: number) =>
      rule({
        priority,
        iif: 'br-lan',
        fwmark: '0x96',
        fwmask: '0xff',
        table: '250',
        protocol: '150',
      });
    expect((await priorityOf(host(foreign))).priority).toBe(39);
    expect((await priorityOf(host([...foreign, own(39)]))).priority).toBe(39);
    expect((await priorityOf(host([foreign[0]!, own(1500)]))).priority).toBe(1498);
    // A VPN that is up or down is no reason to move.
    expect((await priorityOf(host(foreign, [route(100)]))).priority).toBe(39);
  });

  it('is in front of l3mdev where a listed interface belongs to a VRF', async () => {
    const observed = host([rule({ priority: 1000, l3mdev: null })]);
    const interfaces = observed.interfaces.map((one) =>
      one.name === 'br-lan' ? { ...one, master: 'blue' } : one,
    );
    const vrf = { name: 'blue', mac: '', up: true, kind: 'vrf', addresses: [] };
    expect((await priorityOf({ ...observed, interfaces: [...interfaces, vrf] })).priority).toBe(
      999,
    );
  });

  it('gives way to a number in the file', async () => {
    const observed = host([rule({ ...LAN, table: '100' })]);
    expect(await priorityOf(observed, ', rule_priority: 1500')).toEqual({ priority: 1500 });
  });
});

describe('a number in the file', () => {
  it('behind a rule that takes everything is an error with the number that works', async () => {
    const { errors, warnings } = await taken(host([rule({ ...LAN, table: '100' })], [route(100)]));
    expect(warnings).toEqual([]);
    expect(errors).toEqual([
      {
        path: ['router', 'rule_priority'],
        message:
          'IPv4 rule 100 (from 192.168.1.0/24 lookup 100) on netns://router takes the packets from br-lan that rule priority 1500 is for, so they are not handed over',
        hint: 'write router.rule_priority: 99, or leave it out (auto)',
      },
    ]);
  });

  it.each<[string, Partial<RuleJson>, ObservedRoute[]]>([
    ['one client', { src: '192.168.1.10', table: '100' }, [route(100)]],
    ['some destinations', { table: '100' }, [route(100, '10.0.0.0/8')]],
    [
      'what a suppressor leaves',
      { table: '254', suppress_prefixlen: 0 },
      [route(254, '10.0.0.0/8')],
    ],
    [
      'all but one destination',
      { table: '100' },
      [route(100), route(100, '9.9.9.9', { type: '9' })],
    ],
  ])('behind a rule for %s is a warning', async (_what, json, routes) => {
    const { errors, warnings } = await taken(host([rule(json)], routes));
    expect(errors).toEqual([]);
    expect(warnings).toMatchObject([
      { message: expect.stringContaining('takes some of the packets') },
    ]);
  });

  it.each<[string, Partial<RuleJson>, ObservedRoute[]]>([
    ['has no routes', { table: '100' }, []],
    [
      'has attached subnets only',
      { table: '254', suppress_prefixlen: 0 },
      [route(254, '192.168.1.0/24', { via: undefined, protocol: 2 } as never)],
    ],
    ['throws all packets back', { table: '100' }, [route(100, 'default', { type: '9' })]],
    ['has a route that is down', { table: '100' }, [route(100, 'default', { dead: true })]],
  ])('behind a rule whose table %s is all right', async (_what, json, routes) => {
    expect(await taken(host([rule(json)], routes))).toEqual({ errors: [], warnings: [] });
  });

  it('halves of everything are everything', async () => {
    const halves = [route(100, '0.0.0.0/1'), route(100, '128.0.0.0/1')];
    expect((await taken(host([rule({ table: '100' })], halves))).errors).toHaveLength(1);
  });

  it('says that nothing can stand in front of the first rule', async () => {
    const { errors } = await taken(host([rule({ priority: 1, table: '100' })], [route(100)]));
    expect(errors[0]!.hint).toContain('give that rule a priority of 2 or more');
  });

  it('is asked for on a server with capture: tproxy, too', async () => {
    const fixed = await config('', ', capture: tproxy, tproxy: { rule_priority: 1501 }');
    const observed = host([rule({ dst: '9.0.0.0', dstlen: 8, table: '100' })], [route(100)]);
    const found = takenPackets(serverRoute(fixed.servers[0]!, 0, observed), observed);
    expect(found.warnings).toMatchObject([
      { hint: 'write servers.tproxy.rule_priority: 99, or leave it out (auto)' },
    ]);
  });
});

describe('what is said of many packets', () => {
  const selectors: fc.Arbitrary<Partial<RuleJson>> = fc.constantFrom<Partial<RuleJson>>(
    {},
    LAN,
    { src: '192.168.1.10' },
    { dst: '10.0.0.0', dstlen: 8 },
    { not: null, dst: '9.9.9.9' },
    { not: null, ...LAN },
    { dport: 443 },
    { fwmark: '0x96', fwmask: '0xff' },
    { not: null, fwmark: '0xca6c' },
    { tos: '0x10' },
  );
  const actions: fc.Arbitrary<Partial<RuleJson>> = fc.constantFrom<Partial<RuleJson>>(
    { table: '100' },
    { table: '101' },
    { table: '102', suppress_prefixlen: 0 },
    { goto: 7 },
    { goto: 5 },
    { nop: null },
    { action: '7' },
  );
  const rules = fc.array(
    fc
      .tuple(fc.integer({ min: 1, max: 9 }), selectors, actions)
      .map(([priority, chosen, done]) => rule({ priority, ...chosen, ...done })),
    { minLength: 1, maxLength: 6 },
  );
  const routes = fc.subarray([
    route(100),
    route(101, '10.0.0.0/8'),
    route(101, 'default', { type: '9' }),
    route(102),
    route(102, '128.0.0.0/1'),
    route(100, '9.9.9.9', { type: '7' }),
  ]);
  const many: Packets = {
    family: 4,
    iif: 'br-lan',
    mark: 0x96,
    sources: [spanOf({ address: '192.168.1.0', length: 24 })],
  };
  const points = ['192.168.1.10', '192.168.1.77'].flatMap((source) =>
    ['10.1.1.1', '9.9.9.9', '198.51.100.7'].flatMap((destination) =>
      [0, 0x10].flatMap((tos) =>
        [443, 80].map((destinationPort) => ({
          ...many,
          sources: [{ first: addressNumber(source), last: addressNumber(source) }],
          destination: addressNumber(destination),
          tos,
          sourcePort: 5000,
          destinationPort,
        })),
      ),
    ),
  );

  it('holds for each of them', () => {
    fc.assert(
      fc.property(rules, routes, (made, there) => {
        const observed = host(made, there);
        const all = takersBefore(8, observed, many);
        const names = new Set(all.map(({ rule: taker }) => taker));
        const certain = all.find(({ share }) => share === 'all');
        for (const point of points) {
          const [taker] = takersBefore(8, observed, point);
          // Whoever takes one packet may take some of all; and what takes all takes each.
          if (taker) expect(names).toContain(taker.rule);
          if (certain) expect(taker).toBeDefined();
          if (all.length === 0)
            expect(routeOfPacketsRule(observed, point, taker?.rule)).toBe(undefined);
        }
      }),
      { numRuns: 500 },
    );
  });

  const routeOfPacketsRule = (
    observed: ObservedHost,
    point: Packets & { destination: bigint },
    taker: ObservedIpRule | undefined,
  ) => taker && routeOfPacket(taker, observed, point);
});
