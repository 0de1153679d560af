import { describe, expect, it } from 'vitest';
import { pppoeDevicesOf } from '../../../control/apply/observe.js';
import { parseConfig } from '../../../control/config/load.js';
import {
  detectStarter,
  isInLanOf,
  isSameMachine,
  looksLikeRouter,
} from '../../../control/plan/detect.js';
import { starterYaml } from '../../../control/plan/starter-yaml.js';
import type { InterfaceFacts, ObservedHost } from '../../../control/plan/state.js';
import { routeOf } from '../../../control/resources/ip-json.js';
import type { RouteJson } from '../../../control/resources/ip-shapes.js';
import { bareRouter } from './fixtures.js';
import { hostOf, ROUTERS } from './recorded-routers.js';

function nic(name: string, ...addresses: string[]): InterfaceFacts {
  return {
    name,
    mac: '02:00:00:00:00:09',
    up: true,
    addresses: addresses.map((text) => {
      const [address = '', length] = text.split('/');
      return { family: address.includes(':') ? 6 : 4, address, prefixLength: Number(length) };
    }),
  };
}

const router = (...interfaces: InterfaceFacts[]): ObservedHost =>
  bareRouter({
    interfaces: [nic('lo', '127.0.0.1/8'), nic('wan', '203.0.113.1/24'), ...interfaces],
  });

const server = (...interfaces: InterfaceFacts[]): ObservedHost => ({
  ...bareRouter({ interfaces: [nic('lo', '127.0.0.1/8'), ...interfaces] }),
  address: 'netns://server1',
  routes: [{ family: 4, table: 254, destination: 'default', type: 'unicast', dev: 'eth0' }],
  sysctls: { 'net/ipv4/ip_forward': '0' },
});

const SCHEMA = '/opt/sidetrack/sidetrack.schema.json';

describe('the starter configuration', () => {
  it('names every LAN of the router, the server’s own first, and no virtual interface', () => {
    const starter = detectStarter(
      router(
        nic('guest', '10.0.0.1/24', 'fe80::9/64'),
        nic('docker0', '172.17.0.1/16'),
        nic('br-lan', '192.168.1.1/24'),
      ),
      server(nic('eth0', '192.168.1.2/24', 'fe80::2/64', 'fd00::2/64')),
    );
    expect(starter.interfaces.value).toEqual(['br-lan', 'guest']);
    expect(starter.serverAddresses.value).toEqual(['192.168.1.2', 'fd00::2']);
    expect(starter.serverInterface.value).toBe('eth0');
  });

  const lan = nic('br-lan', '192.168.1.1/24');
  const uplinks = [nic('eth1', '198.51.100.2/24'), nic('eth2', '10.0.0.5/24')];
  const seen = (routes: Partial<RouteJson>[], ...interfaces: InterfaceFacts[]) => ({
    ...bareRouter({ interfaces: [nic('lo', '127.0.0.1/8'), ...interfaces] }),
    routes: routes.map((route) => routeOf(4, { dst: 'default', ...route })),
  });

  it.each<[string, Partial<RouteJson>[]]>([
    [
      'share a multi-path default route',
      // As ip 6.1 prints `default nexthop via … dev eth1 nexthop via … dev eth2`.
      [
        {
          flags: [],
          nexthops: [
            { gateway: '198.51.100.1', dev: 'eth1', flags: [] },
            { gateway: '10.0.0.1', dev: 'eth2', flags: [] },
          ],
        },
      ],
    ],
    [
      'have their default routes in other tables',
      [
        { dev: 'eth1', gateway: '198.51.100.1', table: '1' },
        { dev: 'eth2', gateway: '10.0.0.1', table: '2' },
      ],
    ],
    [
      'have halves of everything',
      [
        { dst: '0.0.0.0/1', dev: 'eth1' },
        { dst: '128.0.0.0/1', dev: 'eth2' },
      ],
    ],
  ])('takes no uplinks for clients that %s', (_what, routes) => {
    const { interfaces } = detectStarter(seen(routes, ...uplinks, lan), undefined);
    expect(interfaces).toEqual({ value: ['br-lan'] });
  });

  it('takes neither a PPPoE session nor what it runs over for clients', () => {
    // As /proc/net/pppoe has it.
    const text =
      'Id       Address              Device\n00000001 02:1a:c5:00:00:01   eth1.7\n  sl  local_address\n';
    const ppp = { ...nic('ppp0', '198.51.100.9/32'), mac: '' };
    const modem = nic('eth1.7', '192.168.100.2/24');
    const host = seen([{ dev: 'ppp0' }], ppp, modem, lan);
    const pppoeDevices = pppoeDevicesOf(text);
    const { interfaces } = detectStarter({ ...host, pppoeDevices }, undefined);
    expect(interfaces).toEqual({ value: ['br-lan'] });
  });

  it('without a default route names private networks, and says that it cannot know', () => {
    const { interfaces } = detectStarter(seen([], ...uplinks, lan), undefined);
    expect(interfaces.value).toEqual(['eth2', 'br-lan']);
    expect(interfaces.check).toContain('no default route');
  });

  it('names the one interface of a router that has only one', () => {
    const { interfaces } = detectStarter(seen([{ dev: 'br-lan' }], lan), undefined);
    expect(interfaces.value).toEqual(['br-lan']);
    expect(interfaces.check).toContain('share one network');
  });

  it('does not take its own policy route for an uplink', () => {
    const own = { dev: 'br-lan', table: '250', protocol: '150' };
    const { interfaces } = detectStarter(seen([own, { dev: 'eth1' }], uplinks[0]!, lan), undefined);
    expect(interfaces).toEqual({ value: ['br-lan'] });
  });

  it('marks what it could not see', () => {
    const text = starterYaml(
      detectStarter(undefined, server(nic('eth0', '192.168.1.2/24'))),
      SCHEMA,
    );
    expect(text).toMatch(/interfaces: \[br-lan\].*CHECK/);
    expect(text).not.toMatch(/address: .*CHECK/);
  });

  it('is a configuration that passes the check', async () => {
    const both = detectStarter(
      router(nic('br-lan', '192.168.1.1/24')),
      server(nic('eth0', '192.168.1.2/24', 'fd00::2/64')),
    );
    for (const starter of [both, detectStarter(undefined, undefined)]) {
      const config = await parseConfig('starter.yaml', starterYaml(starter, SCHEMA));
      expect(config.warnings).toEqual([]);
      expect(config.rules.map(({ name }) => name)).toEqual(['lan', 'mail', 'rest']);
    }
  });

  it('has no line that a host has slipped in', () => {
    const odd = { ...nic('eth0', '192.168.1.2/24'), mac: 'auto\nrelay: {}' };
    const starter = detectStarter(router(nic('br-lan', '192.168.1.1/24')), server(odd));
    const check = 'x is a bridge\nrules: []';
    const text = starterYaml({ ...starter, interfaces: { ...starter.interfaces, check } }, SCHEMA);
    expect(text).not.toMatch(/^(relay|rules): [{[]/m);
  });

  it('takes a machine for a router when it forwards between networks', () => {
    expect(looksLikeRouter(router(nic('br-lan', '192.168.1.1/24')))).toBe(true);
    expect(looksLikeRouter(server(nic('eth0', '192.168.1.2/24')))).toBe(false);
  });
});

describe('client interfaces of', () => {
  it.each(Object.entries(ROUTERS))('%s', async (_name, recorded) => {
    const starter = detectStarter(hostOf(recorded), undefined);
    expect(starter.interfaces.value).toEqual(recorded.interfaces);
    expect(starter.interfaces.check ?? '').toMatch(recorded.check ?? /^$/);
    expect(starter.routerMacs).toEqual(recorded.macs);
    const config = await parseConfig('starter.yaml', starterYaml(starter, SCHEMA));
    expect(config.warnings).toEqual([]);
    expect(config.router.interfaces).toEqual(recorded.interfaces);
  });
});

describe('the server in the router’s LAN', () => {
  const stick = ROUTERS['another program sends marked packets to a machine of the LAN']!;
  const host = hostOf(stick);
  const card = (name: string, mac: string, ...addresses: string[]) => ({
    ...nic(name, ...addresses),
    mac,
  });

  it('is recognised, and with it what a default route to it is', () => {
    const here = server(card('eth0', '02:00:00:00:00:55', '192.168.1.5/24'));
    expect(isInLanOf(host, here)).toBe(true);
    const starter = detectStarter(host, here);
    expect(starter.interfaces).toEqual({ value: ['br-lan'] });
    expect(starter.serverMac).toBe('02:00:00:00:00:55');
    expect(starter.serverInterface).toEqual({ value: 'eth0' });
  });

  it('has its interface there, whatever else it has', () => {
    const here = server(
      card('eth0', '02:00:00:00:00:56', '10.77.0.2/24'),
      card('enp3s0', '02:00:00:00:00:57', '192.168.1.5/24'),
    );
    const starter = detectStarter(host, here);
    expect(starter.serverInterface).toEqual({ value: 'enp3s0' });
    expect(starter.serverAddresses.value).toEqual(['192.168.1.5']);
  });

  it('has addresses that stay', () => {
    const here = server(card('eth0', '02:00:00:00:00:58', '192.168.1.5/24'));
    const [lo, eth0] = here.interfaces;
    const more = ['2001:db8:7::9', 'fd00:1::abcd', 'fd00:1::5'].map((address) => ({
      ...{ family: 6 as const, address, prefixLength: 64 },
      ...(address === 'fd00:1::abcd' && { temporary: true }),
    }));
    const with6 = { ...eth0!, addresses: [...eth0!.addresses, ...more] };
    const starter = detectStarter(host, { ...here, interfaces: [lo!, with6] });
    expect(starter.serverAddresses.value).toEqual(['192.168.1.5', 'fd00:1::5']);
  });

  it('is no machine of another network, and not the router by another way', () => {
    const far = server(card('eth0', '02:00:00:00:00:59', '10.77.0.2/24'));
    expect(isInLanOf(host, far)).toBe(false);
    expect(detectStarter(host, far).serverInterface.check).toContain('shares no network');
    expect(isSameMachine(host, { ...host, address: 'local' })).toBe(true);
    expect(isInLanOf(host, { ...host, address: 'local' })).toBe(false);
  });

  it('a router that forwards nothing is told', () => {
    const idle = { ...host, sysctls: { 'net/ipv4/ip_forward': '0' } };
    expect(detectStarter(idle, undefined).routerHost.check).toContain('forwards no packets');
  });
});
