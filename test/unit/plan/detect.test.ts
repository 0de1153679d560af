import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../control/config/load.js';
import { detectStarter, looksLikeRouter, starterYaml } from '../../../control/plan/detect.js';
import type { InterfaceFacts, ObservedHost } from '../../../control/plan/state.js';
import { bareRouter } from './fixtures.js';

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

  it('takes a machine for a router when it forwards between networks', () => {
    expect(looksLikeRouter(router(nic('br-lan', '192.168.1.1/24')))).toBe(true);
    expect(looksLikeRouter(server(nic('eth0', '192.168.1.2/24')))).toBe(false);
  });
});
