import type { HostState, ObservedHost } from '../../../control/plan/state.js';

/** A router as found before sidetrack. */
export function bareRouter(overrides: Partial<ObservedHost> = {}): ObservedHost {
  return {
    address: 'netns://router',
    stateDir: '/run/sidetrack/netns/router',
    ownsEtc: false,
    sidetrack: ['sidetrack'],
    bpfDirectory: '/sys/fs/bpf/sidetrack-netns-router',
    interfaces: [
      {
        name: 'br-lan',
        mac: '02:00:00:00:00:01',
        up: true,
        addresses: [
          { family: 4, address: '192.168.1.1', prefixLength: 24 },
          { family: 6, address: 'fd00:1::1', prefixLength: 64 },
        ],
      },
      { name: 'wan', mac: '02:00:00:00:00:02', up: true, addresses: [] },
    ],
    ipRules: [{ family: 4, priority: 0, table: 255, protocol: 2 }],
    routes: [
      {
        family: 4,
        table: 254,
        destination: 'default',
        type: 'unicast',
        via: '203.0.113.10',
        dev: 'wan',
      },
    ],
    sysctls: {
      'net/ipv4/ip_forward': '1',
      'net/ipv6/conf/all/forwarding': '1',
      'net/ipv4/conf/all/send_redirects': '1',
      'net/ipv4/conf/br-lan/send_redirects': '0',
    },
    files: {},
    listeningPorts: [],
    neighbours: [],
    ...overrides,
  };
}

export function routerWish(overrides: Partial<HostState> = {}): HostState {
  return {
    name: 'router',
    table: { family: 'inet', name: 'sidetrack', sets: [], chains: [{ name: 'steer', rules: [] }] },
    ipRules: [{ family: 4, priority: 1500, iif: 'br-lan', mark: 150, mask: 255, table: 250 }],
    routes: [{ family: 4, table: 250, nextHop: { via: '192.168.1.2', dev: 'br-lan' } }],
    sysctls: [
      { key: 'net/ipv4/conf/all/send_redirects', value: '0' },
      { key: 'net/ipv4/conf/br-lan/send_redirects', value: '0' },
    ],
    files: [],
    ...overrides,
  };
}
