/** Routers as `ip -j -d address`, `ip -j -N route` and `ip -j -N -d rule` print them, without the keys that nothing reads. */
import type { Family, ObservedHost } from '../../../control/plan/state.js';
import { interfaceOf, routeOf, ruleOf } from '../../../control/resources/ip-json.js';
import type { LinkJson, RouteJson, RuleJson } from '../../../control/resources/ip-shapes.js';
import { bareRouter } from './fixtures.js';

const ETHER = { link_type: 'ether', flags: ['BROADCAST', 'MULTICAST', 'UP', 'LOWER_UP'] };
const TUNNEL = { link_type: 'none', flags: ['POINTOPOINT', 'NOARP', 'UP', 'LOWER_UP'] };

let card = 0;
const nextMac = () => `02:00:00:00:01:${(++card).toString(16).padStart(2, '0')}`;

type More = Omit<Partial<LinkJson>, 'linkinfo'> & { kind?: string };

function link(ifname: string, addresses: string, { kind, ...more }: More = {}): LinkJson {
  return {
    ifname,
    ...ETHER,
    address: nextMac(),
    ...(kind && { linkinfo: { info_kind: kind } }),
    addr_info: addresses.split(' ').flatMap((text) => {
      const [local = '', prefixlen] = text.split('/');
      if (local === '') return [];
      return [{ family: local.includes(':') ? 'inet6' : 'inet', local, prefixlen: +prefixlen! }];
    }),
    ...more,
  };
}

const LO: LinkJson = {
  ...link('lo', '127.0.0.1/8 ::1/128'),
  ...{ link_type: 'loopback', address: '00:00:00:00:00:00' },
};
const bridge = (name: string, addresses: string) => link(name, addresses, { kind: 'bridge' });
const port = (name: string, master: string, more: More = {}) => link(name, '', { master, ...more });
const vlan = (name: string, below: string, addresses: string) =>
  link(name, addresses, { kind: 'vlan', link: below });

const via = (gateway: string, dev: string, more: Partial<RouteJson> = {}): RouteJson => ({
  ...{ dst: 'default', gateway, dev, protocol: '4', flags: [] },
  ...more,
});
const over = (dev: string, more: Partial<RouteJson> = {}): RouteJson => ({
  ...{ dst: 'default', dev, protocol: '4', flags: [] },
  ...more,
});

const KERNEL_RULES: RuleJson[] = [
  { priority: 0, src: 'all', table: '255', protocol: '2' },
  { priority: 32766, src: 'all', table: '254', protocol: '2' },
  { priority: 32767, src: 'all', table: '253', protocol: '2' },
];

const LAN = '192.168.1.1/24 fd00:1::1/64 fe80::1/64';

export interface Recorded {
  links: LinkJson[];
  routes?: RouteJson[];
  routes6?: RouteJson[];
  rules?: RuleJson[];
  pppoe?: string[];
  /** What is right. */
  interfaces: string[];
  /** Part of what the user is told to look at; absent where all is certain. */
  check?: RegExp;
  macs?: string[];
}

export function hostOf(recorded: Recorded): ObservedHost {
  const { links, routes = [], routes6 = [], rules = [], pppoe } = recorded;
  const list = [...rules, ...KERNEL_RULES].toSorted((a, b) => a.priority - b.priority);
  const families: readonly Family[] = [4, 6];
  return bareRouter({
    address: 'ssh://root@192.168.1.1',
    interfaces: [LO, ...links].map(interfaceOf),
    routes: families.flatMap((family) =>
      (family === 4 ? routes : routes6).map((route) => routeOf(family, route)),
    ),
    ipRules: families.flatMap((family) => list.map((rule) => ruleOf(family, rule))),
    ...(pppoe && { pppoeDevices: pppoe }),
  });
}

export const ROUTERS: Readonly<Record<string, Recorded>> = {
  'OpenWrt with DSA: ports on the conduit, a bridge, a guest network on a VLAN of it': {
    links: [
      link('eth0', '', { flags: [...ETHER.flags, 'ALLMULTI'] }),
      port('lan1', 'br-lan', { kind: 'dsa', link: 'eth0' }),
      port('lan2', 'br-lan', { kind: 'dsa', link: 'eth0' }),
      link('wan', '198.51.100.7/24', { kind: 'dsa', link: 'eth0' }),
      bridge('br-lan', LAN),
      vlan('br-lan.20', 'br-lan', '192.168.20.1/24'),
    ],
    routes: [via('198.51.100.1', 'wan', { prefsrc: '198.51.100.7' })],
    interfaces: ['br-lan', 'br-lan.20'],
  },
  'a guest bridge': {
    links: [bridge('br-lan', LAN), bridge('br-guest', '10.9.0.1/24'), link('wan', '100.64.3.2/10')],
    routes: [via('100.64.0.1', 'wan')],
    interfaces: ['br-lan', 'br-guest'],
    check: /leave guests out/,
  },
  'PPPoE over a VLAN, the modem reachable on the port itself': {
    links: [
      link('eth1', '192.168.100.2/24'),
      vlan('eth1.7', 'eth1', ''),
      link('pppoe-wan', '203.0.113.9/32', { ...TUNNEL, link_type: 'ppp' }),
      bridge('br-lan', LAN),
    ].map((one) => {
      if (one.ifname !== 'pppoe-wan') return one;
      const { address: _none, ...rest } = one;
      return rest;
    }),
    routes: [over('pppoe-wan')],
    routes6: [over('pppoe-wan')],
    pppoe: ['eth1.7'],
    interfaces: ['br-lan'],
    check: /eth1 is left out: the uplink eth1\.7 lies on it/,
  },
  'DHCP on a VLAN, the modem reachable on the port itself': {
    links: [
      link('eth1', '192.168.100.2/24'),
      vlan('eth1.7', 'eth1', '198.51.100.8/24'),
      bridge('br-lan', LAN),
    ],
    routes: [via('198.51.100.1', 'eth1.7', { protocol: '16' })],
    interfaces: ['br-lan'],
    check: /eth1 is left out/,
  },
  'mwan3: two WANs, one behind another router, each in a table of its own': {
    links: [
      link('eth1', '198.51.100.7/24'),
      link('eth2', '192.168.8.100/24'),
      bridge('br-lan', LAN),
    ],
    routes: [
      via('198.51.100.1', 'eth1', { metric: 10 }),
      via('192.168.8.1', 'eth2', { metric: 20 }),
      via('198.51.100.1', 'eth1', { table: '1' }),
      via('192.168.8.1', 'eth2', { table: '2' }),
    ],
    rules: [
      { priority: 1001, src: 'all', iif: 'eth1', table: '1', protocol: '0' },
      { priority: 1002, src: 'all', iif: 'eth2', table: '2', protocol: '0' },
      { priority: 2001, src: 'all', fwmark: '0x100', fwmask: '0x3f00', table: '1', protocol: '0' },
      { priority: 2002, src: 'all', fwmark: '0x200', fwmask: '0x3f00', table: '2', protocol: '0' },
    ],
    interfaces: ['br-lan'],
  },
  'a second WAN that is away: an address of a provider, and no route': {
    links: [
      link('eth1', '198.51.100.7/24'),
      link('eth2', '100.72.1.2/10'),
      link('wwan0', '192.168.8.100/24'),
      bridge('br-lan', LAN),
    ],
    routes: [via('198.51.100.1', 'eth1')],
    interfaces: ['br-lan'],
    check: /eth2 is left out: its addresses are public; wwan0 is left out: its name/,
  },
  'multi-path over two providers, one by a next hop of the other family': {
    links: [link('eth1', '198.51.100.2/24'), link('eth2', '10.0.0.5/24'), bridge('br-lan', LAN)],
    routes: [
      {
        dst: 'default',
        flags: [],
        nexthops: [
          { gateway: '198.51.100.1', dev: 'eth1', flags: [] },
          { via: { host: 'fe80::5' }, dev: 'eth2', flags: [] },
        ],
      },
    ],
    interfaces: ['br-lan'],
  },
  'a default route only in a table that a rule leads to': {
    links: [link('eth1', '10.20.0.2/24'), bridge('br-lan', LAN)],
    routes: [
      via('10.20.0.1', 'eth1', { table: '100' }),
      { dst: '10.20.0.0/24', dev: 'eth1', protocol: '2', flags: [] },
    ],
    rules: [{ priority: 100, src: 'all', iif: 'br-lan', table: '100', protocol: '0' }],
    interfaces: ['br-lan'],
  },
  'another program sends marked packets to a machine of the LAN': {
    links: [link('eth1', '198.51.100.2/24'), bridge('br-lan', LAN)],
    routes: [via('198.51.100.1', 'eth1'), via('192.168.1.5', 'br-lan', { table: '100' })],
    rules: [{ priority: 100, src: 'all', fwmark: '0x1', table: '100', protocol: '0' }],
    interfaces: ['br-lan'],
    check: /a proxy of the LAN/,
  },
  'keepalived with macvlans on both sides': {
    links: [
      link('eth0', '198.51.100.2/24'),
      link('eth1', '192.168.1.3/24'),
      link('vrrp.51', '192.168.1.1/32', {
        ...{ kind: 'macvlan', link: 'eth1', address: '00:00:5e:00:01:33' },
      }),
      link('vrrp.52', '198.51.100.10/32', {
        ...{ kind: 'macvlan', link: 'eth0', address: '00:00:5e:00:01:34' },
      }),
    ],
    routes: [via('198.51.100.1', 'eth0')],
    interfaces: ['eth1', 'vrrp.51'],
    check: /vrrp\.51 is a virtual router/,
    macs: ['auto', '00:00:5e:00:01:33'],
  },
  'keepalived while the other router is the master': {
    links: [
      link('eth0', '198.51.100.2/24'),
      link('eth1', '192.168.1.3/24'),
      link('vrrp.51', '', { kind: 'macvlan', link: 'eth1', address: '00:00:5e:00:01:33' }),
    ],
    routes: [via('198.51.100.1', 'eth0')],
    interfaces: ['eth1', 'vrrp.51'],
    check: /VRRP/,
    macs: ['auto', '00:00:5e:00:01:33'],
  },
  'virtual addresses of VRRP on the interface itself': {
    links: [link('eth0', '198.51.100.2/24'), link('eth1', '192.168.1.3/24 192.168.1.1/32')],
    routes: [via('198.51.100.1', 'eth0')],
    interfaces: ['eth1'],
  },
  'WireGuard as the way out, by two halves and a mark': {
    links: [
      link('eth0', '198.51.100.2/24'),
      link('home', '10.66.0.2/32', { ...TUNNEL, kind: 'wireguard' }),
      bridge('br-lan', LAN),
    ],
    routes: [
      via('198.51.100.1', 'eth0'),
      { dst: '0.0.0.0/1', dev: 'home', flags: [] },
      { dst: '128.0.0.0/1', dev: 'home', flags: [] },
    ],
    interfaces: ['br-lan'],
  },
  'OpenVPN for guests from outside, with a tap that has an address': {
    links: [
      link('wan', '198.51.100.2/24'),
      link('vpn', '10.8.0.1/24', { kind: 'tun' }),
      bridge('br-lan', LAN),
    ],
    routes: [via('198.51.100.1', 'wan')],
    interfaces: ['br-lan'],
  },
  'containers beside clients': {
    links: [
      link('wan', '198.51.100.2/24'),
      bridge('docker0', '172.17.0.1/16'),
      bridge('br-0123456789ab', '172.18.0.1/16'),
      bridge('podman1', '10.89.0.1/24'),
      bridge('incusbr0', '10.10.10.1/24'),
      port('veth1a2b3c4', 'docker0', { kind: 'veth' }),
      bridge('br-lan', LAN),
    ],
    routes: [via('198.51.100.1', 'wan')],
    interfaces: ['br-lan'],
  },
  'IPv6 alone': {
    links: [link('wan', 'fe80::2/64'), bridge('br-lan', '2001:db8:1::1/64 fe80::1/64')],
    routes6: [via('fe80::ffff', 'wan', { protocol: '9', metric: 1024 })],
    interfaces: ['br-lan'],
  },
  'a router on a stick, with VLANs': {
    links: [
      link('eth0', ''),
      vlan('eth0.10', 'eth0', LAN),
      vlan('eth0.99', 'eth0', '198.51.100.2/24'),
    ],
    routes: [via('198.51.100.1', 'eth0.99')],
    interfaces: ['eth0.10'],
  },
  'a router on a stick, without': {
    links: [link('eth0', '192.168.1.1/24 203.0.113.1/24')],
    routes: [via('203.0.113.10', 'eth0')],
    interfaces: ['eth0'],
    check: /share one network/,
  },
  'a port that is down': {
    links: [
      link('wan', '198.51.100.2/24'),
      link('eth5', '192.168.5.1/24', { flags: ['BROADCAST', 'MULTICAST'] }),
      bridge('br-lan', LAN),
    ],
    routes: [via('198.51.100.1', 'wan')],
    interfaces: ['br-lan'],
  },
  'an uplink in a VRF': {
    links: [
      link('vrf-wan', '', { kind: 'vrf', flags: ['NOARP', 'MASTER', 'UP'] }),
      link('eth1', '10.1.1.2/24', { master: 'vrf-wan' }),
      link('eth2', '192.168.1.1/24'),
    ],
    routes: [via('10.1.1.1', 'eth1', { table: '10' })],
    rules: [{ priority: 1000, src: 'all', l3mdev: null, protocol: '2' }],
    interfaces: ['eth2'],
  },
};
