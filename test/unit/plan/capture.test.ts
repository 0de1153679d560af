import { describe, expect, it } from 'vitest';
import { routerMacs } from '../../../control/apply/macs.js';
import type { Config, ServerConfig } from '../../../control/config/config.js';
import { checkServer } from '../../../control/plan/preflight.js';
import { gatewaysOf, macsOfGateways } from '../../../control/plan/router-mac.js';
import { serverState } from '../../../control/plan/server.js';
import type { ObservedHost, ObservedRoute } from '../../../control/plan/state.js';
import { load } from '../config/temporary.js';
import { bareRouter } from './fixtures.js';

const YAML = `router:
  host: netns://router
  interfaces: [br-lan]
servers:
  - host: netns://server1
    interface: eth0
    address: [192.168.1.2, "fd00:1::2"]
    health: route
`;

const ETH0 = {
  name: 'eth0',
  mac: '02:00:00:00:01:02',
  up: true,
  addresses: [
    { family: 4 as const, address: '192.168.1.2', prefixLength: 24 },
    { family: 6 as const, address: 'fd00:1::2', prefixLength: 64 },
  ],
};

const defaultBy = (family: 4 | 6, dev: string, via: string): ObservedRoute => ({
  family,
  table: 254,
  destination: 'default',
  type: 'unicast',
  via,
  dev,
});

const host = (overrides: Partial<ObservedHost> = {}) =>
  bareRouter({
    interfaces: [ETH0],
    listeningPorts: [12345],
    routes: [defaultBy(4, 'eth0', '192.168.1.1'), defaultBy(6, 'eth0', 'fe80::1')],
    ...overrides,
  });

async function config(more = ''): Promise<[Config, ServerConfig]> {
  const loaded = await load(`${YAML}${more}`);
  return [loaded, loaded.servers[0]!];
}

const state = async (found: ObservedHost, more?: string) => {
  const [loaded, server] = await config(more);
  return serverState({
    ...{ config: loaded, server, host: found, routerMacs: ['02:00:00:00:00:01'] },
    freshKey: '00'.repeat(32),
  });
};

const warnings = async (found: ObservedHost, more?: string) => {
  const [loaded, server] = await config(more);
  const { errors, warnings } = checkServer(loaded, server, found);
  return [...errors, ...warnings].map(({ message }) => message);
};

describe("the router's MACs on the server", () => {
  const neighbour = (address: string, mac: string, dev = 'eth0') => ({ address, dev, mac });

  it('are those of the default gateways of both families on its interface, several ways included', async () => {
    const [, server] = await config();
    const { via, dev, ...rest } = defaultBy(4, 'eth0', '');
    const hops = [
      { via: '192.168.1.1', dev: 'eth0' },
      { via: '10.0.0.1', dev: 'wg0' },
    ];
    const routes = [{ ...rest, nextHops: hops }, defaultBy(6, 'eth0', 'fe80::1')];
    expect(gatewaysOf(server, host({ routes })).map(({ address }) => address)).toEqual([
      '192.168.1.1',
      'fe80::1',
    ]);
    const neighbours = [
      neighbour('192.168.1.1', '02:00:00:00:00:01'),
      neighbour('fe80::1', '02:00:00:00:00:99', 'wlan0'),
      neighbour('fe80::1', '02:00:00:00:00:02'),
    ];
    expect(macsOfGateways(server, host({ routes, neighbours }))).toEqual([
      '02:00:00:00:00:01',
      '02:00:00:00:00:02',
    ]);
  });

  it('keep what was applied while a gateway is silent', async () => {
    const [, server] = await config();
    const applied = { name: 'routers', type: 'ether_addr', dynamic: false };
    const listing = {
      sets: [{ ...applied, elements: ['02:00:00:00:00:02'] }],
      chains: [],
      raw: [],
    };
    const neighbours = [neighbour('192.168.1.1', '02:00:00:00:00:01')];
    expect(macsOfGateways(server, host({ neighbours, listing }))).toEqual([
      '02:00:00:00:00:01',
      '02:00:00:00:00:02',
    ]);
    expect(macsOfGateways(server, host({ listing }))).toEqual(['02:00:00:00:00:02']);
  });
});

describe('an interface without Ethernet', () => {
  const found = host({ interfaces: [{ ...ETH0, linkType: 'none' }] });

  it('captures everything, and says so', async () => {
    expect((await state(found)).table.sets).toEqual([]);
    expect(JSON.stringify((await state(found)).table)).not.toContain('ether');
    expect(await warnings(found)).toEqual([expect.stringContaining('carries no Ethernet (none)')]);
    expect(await warnings(host())).toEqual([]);
  });
});

describe('frames from MACs that nobody knows', () => {
  const listing = (captured: number, others: number) => {
    const rule = (comment: string, packets: number) => ({ comment, packets, bytes: 0, expr: [] });
    const rules = [rule('redirected', captured), rule('not from the router', others)];
    return { sets: [], chains: [{ name: 'prerouting', rules }], raw: [] };
  };

  it('are told while nothing else came', async () => {
    expect(await warnings(host({ listing: listing(0, 7) }))).toEqual([
      expect.stringContaining('left 7 packets alone'),
    ]);
    expect(await warnings(host({ listing: listing(1, 7) }))).toEqual([]);
    expect(await warnings(host({ listing: listing(0, 0) }))).toEqual([]);
  });
});

describe('tcp_mtu_probing', () => {
  const wanted = async (value: string) =>
    (await state(host({ sysctls: { 'net/ipv4/tcp_mtu_probing': value } }))).sysctls;

  it('is switched on, and never down', async () => {
    const key = 'net/ipv4/tcp_mtu_probing';
    expect(await wanted('0')).toEqual([{ key, value: '1' }]);
    expect(await wanted('2')).toEqual([{ key, value: '2' }]);
  });
});

describe('what holds after a flush', () => {
  const BLOCK = 'on_failure: block\n';

  it('is there for on_failure: block alone', async () => {
    expect((await state(host())).ipRules).toEqual([]);
    const { ipRules } = await state(host(), BLOCK);
    expect(ipRules.map(({ family, priority, table }) => [family, priority, table])).toEqual([
      [4, 32764, 254],
      [4, 32765, undefined],
      [6, 32764, 254],
      [6, 32765, undefined],
    ]);
  });

  it('spares a family whose default route lets others out elsewhere, with a warning', async () => {
    const routes = [defaultBy(4, 'wan0', '203.0.113.1'), defaultBy(6, 'eth0', 'fe80::1')];
    const { ipRules } = await state(host({ routes }), BLOCK);
    expect(ipRules.map(({ family }) => family)).toEqual([6, 6]);
    expect(await warnings(host({ routes }), BLOCK)).toEqual([
      expect.stringContaining('has an IPv4 default route by wan0'),
    ]);
    const still = { ...bareRouter().sysctls, 'net/ipv4/ip_forward': '0' };
    expect(await warnings(host({ routes, sysctls: still }), BLOCK)).toEqual([]);
  });
});

describe('a MAC of the router that cannot be learned', () => {
  const asked = async (found: ObservedHost, router?: ObservedHost) => {
    const [loaded, server] = await config();
    const seen = new Map([['server1', found], ...(router ? [['router', router] as const] : [])]);
    return () => routerMacs(loaded, server, seen);
  };

  it('is no matter of router.mac where the router has no interface towards the server', async () => {
    const router = bareRouter({ interfaces: [{ ...ETH0, name: 'lan7' }] });
    expect(await asked(host(), router)).toThrow(
      /of its br-lan none is on the subnet of server1; correct `router.interfaces` or the `address`/,
    );
  });

  it('is to be written down where the server has no gateway to ask', async () => {
    expect(await asked(host({ routes: [] }))).toThrow(/no default gateway on eth0; write it down/);
  });
});
