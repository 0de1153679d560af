/** What a relay may say, for `sidetrack top`. */
import { nextPicture, type Picture } from '../../../../control/cli/top/picture.js';
import type { ListedConnection } from '../../../../monitoring/control-pages.js';
import type { State } from '../../../../monitoring/state.js';

const way = (bytes: number) => ({ bytes, mode: 'copy', stalled: false, ended: false });

export function connection(id: number, more: Partial<ListedConnection> = {}): ListedConnection {
  return {
    id,
    acceptedAt: new Date(0).toISOString(),
    age: 10,
    idle: 0,
    client: `192.168.1.${10 + (id % 3)}:${40_000 + id}`,
    clientFrom: 'conntrack',
    originalDestination: '198.51.100.7:443',
    upstream: id % 2 === 0 ? 'vps' : 'direct',
    state: 'relaying',
    upload: way(1000),
    download: way(2000),
    rtt: { client: 0.001 },
    ...more,
  };
}

const upstream = (name: string): NonNullable<State['relay']>['upstreams'][number] => ({
  ...{ name, up: true, since: 50, resolved: true, silent: false, lacking: [] },
  ...{ connections: 9, active: 3, bytes: { upload: 1000, download: 2000 }, errors: {} },
  probes: { succeeded: 1, failed: 0, skipped: 0 },
});

/** @param moved bytes of each way, connections and packets since the start. */
export function state(at: number, moved: number, more: Partial<State> = {}): State {
  const bytes = { upload: moved, download: 2 * moved };
  return {
    version: 1,
    at,
    relay: {
      ...{ pid: 1, release: '1', port: 12345, capture: 'redirect', since: 40 },
      threads: { count: 1 },
      connections: {
        ...{ active: 60, limit: 100, accepted: { ipv4: moved, ipv6: 0 } },
        ...{ finished: 0, errors: {} },
      },
      ...{ bytes, modes: {}, stalls: 0, listening: ['ipv4'], refused: [], quantiles: {} },
      upstreams: [
        upstream('vps'),
        { ...upstream('backup'), up: false, reason: 'refused', errors: { refused: 3, timeout: 2 } },
      ],
      routes: [{ name: 'default', connections: moved, bytes }],
      headroom: {},
      reloads: { success: 0, failure: 0, lastSucceeded: true, lastSuccess: 40, generations: 1 },
    },
    clients: [
      { address: '192.168.1.10', name: 'tv', active: 1, connections: 70, bytes },
      { address: '192.168.1.99', active: 0, connections: 5, bytes: { upload: 1, download: 2 } },
      { address: 'other', active: 2, connections: 9, bytes: { upload: 0, download: 0 } },
    ],
    hosts: [
      {
        ...{ name: 'router', address: 'ssh://root@router', up: true, state: 'drifted' },
        ...{ differences: ['replace chain steer'], problems: [], lastRead: at - 3 },
      },
      {
        ...{ name: 'server1', address: 'local', up: false, error: 'timed out' },
        ...{ differences: [], problems: [] },
      },
    ],
    servers: [{ name: 'server1', captured: 4711 }],
    router: {
      classifier: { kind: 'nftables', forwarding: 'mark', attached: [] },
      rules: [
        { rule: 'lan', action: 'direct', packets: 5, bytes: 500 },
        { rule: 'rest', action: 'proxy', packets: moved, bytes: 100 * moved },
      ],
      steered: { packets: moved },
      onFailure: { full: 0, overShare: 0, noRoute: 0 },
      guards: {},
      flows: { entries: 12, limit: 65_536, parts: {}, clientsOverShare: 0 },
      ...{ sets: [], nextHops: [], interfaces: [] },
      servers: [
        {
          ...{ server: 'server1', health: 'heartbeat', drained: false, weight: 2 },
          families: { ipv4: { state: 'alive', since: at - 100 } },
          ...{ lastHeard: at, reason: 'ok', ignored: {}, flows: 7, steered: { packets: moved } },
        },
        {
          ...{ server: 'server2', health: 'heartbeat', drained: false, weight: 1, backup: true },
          families: { ipv4: { state: 'silent', since: at - 30 } },
          ...{ lastHeard: at - 30, reason: 'upstreams', ignored: { tag: 12 }, flows: 0 },
          ...{ resets: 40, returns: 3 },
        },
      ],
    },
    health: [
      {
        level: 'critical',
        host: 'relay',
        what: 'upstream backup is down',
        next: 'sidetrack status',
      },
      { level: 'warning', host: 'router', what: 'it has drifted', next: 'sidetrack apply' },
    ],
    ...more,
  };
}

/** Two looks, two seconds apart: 1000 and 3000 of everything. */
export function picture(
  connections: readonly ListedConnection[],
  more: Partial<State> = {},
): Picture {
  const list = (at: number) => ({ at, connections: [...connections] });
  const before = { state: state(100, 1000, more), list: list(100) };
  return nextPicture(12345, { state: state(102, 3000, more), list: list(102) }, before);
}
