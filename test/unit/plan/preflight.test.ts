/** What is told of hosts whose networks are not what the file takes them for. */
import { describe, expect, it } from 'vitest';
import { familyNotes } from '../../../control/config/family-note.js';
import { parseConfig } from '../../../control/config/load.js';
import { checkRouter, checkServer } from '../../../control/plan/preflight.js';
import type { ObservedHost, ObservedRoute } from '../../../control/plan/state.js';
import { interfaceOf, routeOf } from '../../../control/resources/ip-json.js';
import type { LinkJson } from '../../../control/resources/ip-shapes.js';
import { bareRouter } from './fixtures.js';

interface Changes {
  interfaces?: string;
  address?: string;
  rest?: string;
  mac?: string;
}

const BOTH = '[192.168.1.2, "fd00:1::2"]';

const config = ({
  interfaces = '[br-lan]',
  address = BOTH,
  rest = '',
  mac = 'auto',
}: Changes = {}) =>
  parseConfig(
    'a.yaml',
    `router: { host: local, interfaces: ${interfaces} }
servers:
  - { name: server1, host: local, interface: eth0, address: ${address}, mac: "${mac}", program: relay, port: 12345 }
${rest}`,
  );

/** As `ip -d -j address show` prints it. */
function link(ifname: string, addresses: readonly string[], more: Partial<LinkJson> = {}) {
  const addr_info = addresses.map((text) => {
    const [local = '', length] = text.split('/');
    return { family: local.includes(':') ? 'inet6' : 'inet', local, prefixlen: Number(length) };
  });
  return interfaceOf({ ifname, address: '02:00:00:00:00:01', flags: ['UP'], addr_info, ...more });
}

const LAN = link('br-lan', ['192.168.1.1/24', 'fd00:1::1/64', 'fe80::1/64']);
const WAN = link('wan', ['203.0.113.1/24', '2001:db8:1::1/64']);
const told = (diagnostics: readonly { message: string; hint?: string }[]) =>
  diagnostics.map(({ message, hint }) => `${message}; ${hint}`);

describe('a server that the router knows by another MAC', () => {
  const neighbour = (mac: string) =>
    bareRouter({
      interfaces: [LAN, WAN],
      neighbours: [{ address: '192.168.1.2', dev: 'br-lan', mac }],
    });
  const server = bareRouter({ interfaces: [link('eth0', ['192.168.1.2/24', 'fd00:1::2/64'])] });
  const warnings = async (found: string, host?: ObservedHost, mac = 'auto') =>
    checkRouter(
      await config({ mac }),
      neighbour(found),
      new Map(host && [['server1', host]]),
    ).warnings.map(({ message }) => message);

  it('is warned of, as seen there or as configured', async () => {
    const told = [
      expect.stringContaining("at MAC 02:00:00:00:00:99, which is not that of server1's"),
    ];
    expect(await warnings('02:00:00:00:00:99', server)).toEqual(told);
    expect(await warnings('02:00:00:00:00:99', undefined, '02:00:00:00:00:01')).toEqual(told);
  });

  it('is not, where it is the right one or nothing is known', async () => {
    expect(await warnings('02:00:00:00:00:01', server)).toEqual([]);
    expect(await warnings('02:00:00:00:00:99')).toEqual([]);
  });
});

describe('a server of one family', () => {
  it.each([
    ['[192.168.1.2]', '', 6, 'goes out directly', 'or write on_failure: block'],
    ['[192.168.1.2]', 'on_failure: block', 6, 'is dropped', undefined],
    ['["fd00:1::2"]', '', 4, 'goes out directly', 'or write on_failure: block'],
  ])(
    '%s %s: the router says what becomes of the other',
    async (address, rest, family, fate, cure) => {
      const made = await config({ address, rest });
      const { errors, warnings } = checkRouter(made, bareRouter({ interfaces: [LAN, WAN] }));
      expect(errors).toEqual([]);
      const [first] = told(warnings);
      expect(first).toContain(`clients on br-lan (`);
      expect(first).toContain(`have IPv${family}, and server1 has no IPv${family} address`);
      expect(first).toContain(fate);
      expect(first?.includes('or write on_failure: block')).toBe(cure !== undefined);
      expect(told(familyNotes(made))[0]).toContain(`nothing of IPv${family} is handed over`);
    },
  );

  it.each<[string, Changes, string[]]>([
    ['the server has both', {}, ['192.168.1.1/24', 'fd00:1::1/64']],
    ['clients have one', { address: '[192.168.1.2]' }, ['192.168.1.1/24', 'fe80::1/64']],
    [
      'rules proxy one',
      { address: '[192.168.1.2]', rest: 'rules: [{ to: 0.0.0.0/0, action: proxy }]' },
      ['192.168.1.1/24', 'fd00:1::1/64'],
    ],
  ])('is all right where %s', async (_what, changes, addresses) => {
    const host = bareRouter({ interfaces: [link('br-lan', addresses), WAN] });
    expect(checkRouter(await config(changes), host).warnings).toEqual([]);
  });

  it('is all right where the router has no IPv6 but its own prefix, and not with a way out', async () => {
    const made = await config({ address: '[192.168.1.2]' });
    const bare = bareRouter({ interfaces: [link('lo', ['127.0.0.1/8', '::1/128']), LAN] });
    expect(checkRouter(made, bare).warnings).toEqual([]);
    const way = { type: 'unicast', dst: 'default', dev: 'wan', gateway: 'fe80::2', protocol: 'ra' };
    const online = { ...bare, routes: [routeOf(6, { ...way, table: 'main' })] };
    expect(checkRouter(made, online).warnings).toHaveLength(1);
  });

  it.each([
    ['', 'goes out directly', true],
    ['on_failure: block', 'is dropped', false],
  ])('by its upstreams is told so by the file alone %s', async (rest, fate, cure) => {
    const relay =
      'relay: { upstreams: [{ name: a, url: "socks5://192.0.2.1:1080", families: ipv4 }] }';
    const made = await config({ rest: `${relay}\n${rest}` });
    expect(checkRouter(made, bareRouter({ interfaces: [LAN, WAN] })).warnings).toEqual([]);
    expect(familyNotes(made)).toEqual([]);
    const [first] = told(made.warnings);
    expect(first).toContain(`no upstream carries IPv6, so none is captured: IPv6 that rules proxy`);
    expect(first).toContain(fate);
    expect(first).toContain('add ipv6 to its `families`');
    expect(first?.includes('on_failure: block or reset keeps')).toBe(cure);
  });
});

describe('interfaces above and below a listed one', () => {
  const warnings = async (interfaces: string, ...links: ReturnType<typeof link>[]) =>
    told(checkRouter(await config({ interfaces }), bareRouter({ interfaces: links })).warnings);

  it.each([
    [
      'a VRRP macvlan',
      link('vrrp.51', ['192.168.1.254/32'], { link: 'br-lan', linkinfo: { info_kind: 'macvlan' } }),
      'vrrp.51 (macvlan over br-lan)',
    ],
    [
      'a VLAN of the same subnet',
      link('br-lan.5', ['192.168.1.9/24'], { link: 'br-lan', linkinfo: { info_kind: 'vlan' } }),
      'br-lan.5 (vlan over br-lan)',
    ],
  ])('%s with an address of the clients', async (_what, other, said) => {
    const [first, ...more] = await warnings('[br-lan]', LAN, other);
    expect(first).toContain(`${said} on netns://router has 192.168.1.`);
    expect(first).toContain(`add ${other.name} to router.interfaces`);
    expect(more).toEqual([]);
    expect(await warnings(`[br-lan, ${other.name}]`, LAN, other)).toEqual([]);
  });

  it('what a listed macvlan lies on', async () => {
    const eth0 = link('eth0', ['192.168.1.7/24']);
    const own = { ...LAN, link: 'eth0', kind: 'macvlan' };
    expect((await warnings('[br-lan]', own, eth0))[0]).toContain('eth0 (interface below br-lan)');
  });

  it('the bridge or bond of a listed port', async () => {
    const port = { ...link('lan0', []), master: 'br-lan' };
    const [first] = await warnings(
      '[lan0, dmz]',
      { ...LAN, kind: 'bridge' },
      port,
      link('dmz', ['192.168.1.3/24', 'fd00:1::3/64']),
    );
    expect(first).toContain('lan0 is a port of the bridge br-lan on netns://router');
    expect(first).toContain('write br-lan instead');
  });

  it.each([
    [
      'a VLAN of its own subnet',
      link('br-lan.5', ['10.5.0.1/24'], { link: 'br-lan', linkinfo: { info_kind: 'vlan' } }),
    ],
    [
      'the other end of a veth pair',
      link('peer', ['192.168.1.8/24'], { link: 'br-lan', linkinfo: { info_kind: 'veth' } }),
    ],
    ['an unrelated interface', link('other', ['192.168.1.8/24'])],
    [
      'a macvlan with a link-local address',
      link('m0', ['fe80::5/64'], { link: 'br-lan', linkinfo: { info_kind: 'macvlan' } }),
    ],
    ['a port of its own', link('lan0', ['192.168.1.8/24'], { master: 'br-lan' })],
  ])('but not %s', async (_what, other) => {
    expect(await warnings('[br-lan]', { ...LAN, kind: 'bridge' }, other)).toEqual([]);
  });
});

describe('a listed interface with a default route', () => {
  const wan = link('wan', ['203.0.113.1/24']);
  const towards = (dev: string) => [routeOf(4, { dst: 'default', gateway: '203.0.113.9', dev })];

  it('is told, unless the server is on it: then it is a router with one interface', async () => {
    const both = await config({ interfaces: '[br-lan, wan]' });
    const host = bareRouter({ interfaces: [LAN, wan], routes: towards('wan') });
    expect(told(checkRouter(both, host).warnings)).toEqual([
      expect.stringMatching(
        /^wan carries a default route .*leave it out, unless clients are on it$/,
      ),
    ]);
    const oneArmed = bareRouter({ interfaces: [LAN], routes: towards('br-lan') });
    expect(checkRouter(await config(), oneArmed).warnings).toEqual([]);
  });
});

describe("a server's own way out", () => {
  const eth0 = link('eth0', ['192.168.1.2/24', 'fd00:1::2/64'], { address: '02:00:00:00:00:0a' });
  const eth1 = (...addresses: string[]) =>
    link('eth1', addresses, { address: '02:00:00:00:00:0b' });
  const main = { family: 4, priority: 32766, table: 254, protocol: 2 } as const;
  const ways = async (
    routes: ObservedRoute[],
    links: ReturnType<typeof link>[],
    changes: Changes = {},
  ) => {
    const made = await config(changes);
    const host = bareRouter({
      interfaces: [eth0, ...links],
      routes,
      ipRules: [main, { ...main, family: 6 }],
      listeningPorts: [12345],
      sysctls: {},
    });
    return told(checkServer(made, made.servers[0]!, host).warnings);
  };
  const by = (dev: string, more = {}) =>
    routeOf(4, { dst: 'default', gateway: '192.168.1.1', dev, ...more });

  it.each<[string, ObservedRoute, string[]]>([
    ['another interface', by('eth1'), ['192.168.1.77/24']],
    [
      'another interface among several',
      routeOf(4, {
        dst: 'default',
        nexthops: [
          { gateway: '192.168.1.1', dev: 'eth0' },
          { gateway: '192.168.1.1', dev: 'eth1' },
        ],
      }),
      ['192.168.1.77/24'],
    ],
    [
      'another interface, over IPv6',
      routeOf(6, { dst: 'default', gateway: 'fd00:1::1', dev: 'eth1' }),
      ['fd00:1::77/64'],
    ],
    [
      'another interface with a source of its own',
      by('eth1', { prefsrc: '192.168.1.77' }),
      ['192.168.1.2/24'],
    ],
  ])('by %s is told', async (_what, route, addresses) => {
    const [first, ...more] = await ways([route], [eth1(...addresses)]);
    expect(first).toMatch(
      /own IPv[46] connections leave netns:\/\/router by eth1 with MAC 02:00:00:00:00:0b and source \S+77, .* in a circle; let the default route leave by eth0/,
    );
    expect(more).toEqual([]);
  });

  it('with another MAC than the file says is told', async () => {
    const changes = { mac: '02:00:00:00:00:99', address: '[192.168.1.2]' };
    const way = routeOf(6, { dst: 'default', gateway: 'fd00:1::1', dev: 'eth0' });
    expect((await ways([way], [], changes))[0]).toContain('write mac: auto');
  });

  it.each<[string, ObservedRoute[], ReturnType<typeof link>[]]>([
    ['its interface', [by('eth0')], [eth1('192.168.1.77/24')]],
    ['another source with its MAC', [by('eth0', { prefsrc: '192.168.1.3' })], []],
    ['a tunnel', [by('wg0')], [link('wg0', ['10.9.0.2/32'], { address: '' })]],
    [
      'a VLAN with its MAC',
      [by('eth0.5')],
      [link('eth0.5', ['10.5.0.2/24'], { address: '02:00:00:00:00:0a' })],
    ],
    [
      'another interface with its address',
      [by('eth1', { prefsrc: '192.168.1.2' })],
      [eth1('192.168.1.77/24')],
    ],
    [
      'its interface first',
      [by('eth0', { metric: 100 }), by('eth1', { metric: 200 })],
      [eth1('192.168.1.77/24')],
    ],
  ])('by %s is all right', async (_what, routes, links) => {
    expect(await ways(routes, links)).toEqual([]);
  });
});
