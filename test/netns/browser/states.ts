/** States as a busy deployment has them, for pages that need more of it than a lab can bring about. */
import type { ConnectionItem } from '../../../monitoring/connection-page.js';
import type { ClientState, History, State } from '../../../monitoring/state.js';

export const START = 1_790_000_000;

const MBIT = 125_000;

/** Smooth and busy, and the same each time. */
const wave = (at: number, period: number) => 1 + 0.5 * Math.sin((2 * Math.PI * at) / period);

/** What a rate that goes up and down like `wave` has added up to. */
const waveSum = (at: number, period: number) =>
  at + (0.25 * period * (1 - Math.cos((2 * Math.PI * at) / period))) / Math.PI;

const NAMES = ['kitchen-tv', 'work-laptop', undefined, "anna's phone", 'nas', 'printer', 'console'];

/** @param at seconds since the start. */
export function clientsAt(at: number, count: number): ClientState[] {
  return Array.from({ length: count }, (_, i) => {
    const name = NAMES[i % NAMES.length];
    return {
      address: `192.168.${1 + Math.floor(i / 200)}.${10 + (i % 200)}`,
      ...(name !== undefined && { name: i < NAMES.length ? name : `${name}-${i}` }),
      active: 3 + (i % 17),
      connections: 50 * (i + 1) + at * (1 + (i % 3)),
      bytes: {
        upload: Math.round((MBIT / (i + 1)) * waveSum(at, 40 + i)),
        download: Math.round(((40 * MBIT) / (i + 1)) * waveSum(at, 30 + i)),
      },
    };
  });
}

export function stateAt(at: number, clients = 12): State {
  const upload = Math.round(20 * MBIT * waveSum(at, 240));
  const download = Math.round(300 * MBIT * waveSum(at, 170));
  const upstream = (name: string, part: number) => ({
    name,
    up: true,
    since: START,
    resolved: true,
    silent: false,
    lacking: [],
    connections: Math.round(at * 9 * part),
    active: Math.round(180 * part),
    bytes: { upload: upload * part, download: download * part },
    errors: { refused: Math.floor(at / 300), timeout: Math.floor(at / 500) },
    probes: { succeeded: at, failed: 0, skipped: 0 },
    probeSeconds: 0.0123 / part,
  });
  return {
    version: 1,
    at: START + at,
    relay: {
      pid: 4711,
      release: '0.1.0',
      port: 12345,
      capture: 'redirect',
      since: START,
      threads: { count: 2, busy: [at * 0.4, at * 0.3] },
      connections: {
        active: Math.round(250 * wave(at, 90)),
        limit: 20_000,
        accepted: { ipv4: at * 7, ipv6: at * 2 },
        finished: at * 9,
        errors: { refused: Math.floor(at / 300), client_reset: Math.floor(at / 60) },
      },
      bytes: { upload, download },
      modes: { copy: { bytes: upload }, splice: { bytes: download } },
      stalls: at,
      listening: ['ipv4', 'ipv6'],
      refused: [],
      upstreams: [upstream('vps', 0.7), upstream('office', 0.3)],
      routes: [{ name: 'default', connections: at * 9, bytes: { upload, download } }],
      quantiles: {
        connect: { p50: 0.012, p90: 0.03, p99: 0.14 * wave(at, 200), count: 540 },
        residencyUpload: { p50: 0.00004, p90: 0.0001, p99: 0.0006, count: 5000 },
        residencyDownload: { p50: 0.00005, p90: 0.0002, p99: 0.0009 * wave(at, 70), count: 9000 },
      },
      headroom: {
        connections: { used: 250, limit: 20_000 },
        descriptors: { used: 640, limit: 524_288 },
        pipes: { used: 120, limit: 1024 },
        pipe_pages: { used: 14_100, limit: 16_384 },
      },
      reloads: { success: 1, failure: 0, lastSucceeded: true, lastSuccess: START, generations: 1 },
    },
    hosts: [host('router', 'ssh://root@192.168.1.1', at), host('server1', 'local', at)],
    router: routerAt(at, upload),
    servers: [{ name: 'server1', captured: (at - (at % 5)) * 90 }],
    clients: clientsAt(at, clients),
    health: [{ level: 'ok', host: 'relay', what: 'no problem found', next: '' }],
  };
}

const host = (name: string, address: string, at: number) => ({
  name,
  address,
  up: true,
  state: 'in-sync' as const,
  differences: [],
  problems: [],
  readSeconds: 0.08,
  // Read less often than the relay.
  lastRead: START + at - (at % 5),
});

function routerAt(now: number, upload: number): NonNullable<State['router']> {
  const at = now - (now % 5);
  return {
    classifier: { kind: 'nftables', forwarding: 'mark', attached: [] },
    rules: [
      { rule: 'lan', action: 'direct', packets: at * 4 },
      { rule: 'mail', action: 'direct', packets: Math.floor(at / 9) },
      { rule: 'ads', action: 'block', packets: at },
      { rule: 'rest', action: 'proxy', packets: at * 9 },
    ],
    steered: { packets: at * 2100, bytes: upload + at * 2100 * 52 },
    onFailure: { full: 0, overShare: 0, noRoute: 0 },
    guards: { from_server: at },
    flows: {
      entries: 820,
      limit: 65_536,
      parts: { flows4: 700, closing4: 120 },
      clientsOverShare: 0,
    },
    sets: [{ set: 'private', family: 'ipv4', elements: 17 }],
    nextHops: [
      { server: 'server1', family: 'ipv4', reachable: true, route: true },
      { server: 'server1', family: 'ipv6', reachable: true, route: true },
    ],
    interfaces: [{ name: 'br-lan', receive: at * 400 * MBIT, transmit: at * 420 * MBIT }],
    conntrack: { entries: 5300, limit: 262_144 },
  };
}

type Server = NonNullable<NonNullable<State['router']>['servers']>[number];

/** Two servers and a backup: all of them well, or the second one dead for a minute. */
export function severalAt(at: number, isOneDead: boolean): State {
  const state = stateAt(at);
  const read = START + at - (at % 5);
  const fine = { state: 'alive', since: START };
  const known = (server: string, weight: number, more: Partial<Server> = {}): Server => ({
    ...{ server, health: 'heartbeat', drained: false, weight, reason: 'ok', lastHeard: read },
    families: { ipv4: fine, ipv6: fine },
    ignored: { tag: 0, address: 0, mac: 0, replay: 0, malformed: 0 },
    ...{ flows: 120 * weight, steered: { packets: read * 30 * weight }, resets: 0, returns: 1 },
    ...more,
  });
  const gone = { state: 'silent', since: read - 60 };
  const dead = {
    families: { ipv4: gone, ipv6: gone },
    lastHeard: read - 62,
    flows: 0,
    resets: 210,
  };
  const limited = { families: { ipv4: fine, ipv6: { state: 'unfit', since: read - 45 } } };
  const servers = [
    known('server1', 3),
    known('server2', 2, isOneDead ? dead : {}),
    known('server3', 1, { backup: true, ...(isOneDead && limited) }),
  ];
  const host = state.hosts!.find(({ name }) => name === 'server1')!;
  const others = ['server2', 'server3'].map((name) => ({
    ...host,
    name,
    address: `ssh://${name}`,
  }));
  const rules = state.router!.rules.map((rule) =>
    rule.action === 'proxy' ? { ...rule, servers: ['server1', 'server2'] } : rule,
  );
  return {
    ...state,
    hosts: [...state.hosts!, ...others],
    router: { ...state.router!, rules, servers },
    ...(isOneDead && {
      health: [
        {
          level: 'warning',
          host: 'server2',
          what: 'no heartbeat since 14:03:12 UTC; its flows go to other servers',
          next: 'ssh server2 systemctl status sidetrack-relay',
        },
      ],
    }),
  };
}

export function connectionsAt(at: number, count: number): ConnectionItem[] {
  return Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    open: true,
    acceptedAt: START + at - i,
    age: 1 + i,
    idle: 0,
    client: `192.168.${1 + (i % 3)}.${10 + (i % 200)}:${20_000 + (i % 40_000)}`,
    originalDestination:
      i % 4 === 0 ? `[2001:db8:1::${(i % 4096).toString(16)}]:443` : `203.0.113.${i % 256}:443`,
    upstream: i % 3 === 0 ? 'office' : 'vps',
    route: 'default',
    state: 'relaying',
    upload: {
      bytes: i * 900 + at,
      rate: (i * 37) % 9000,
      mode: 'copy',
      stalled: false,
      ended: false,
    },
    download: {
      bytes: i * 90_000 + at,
      rate: (i * 3700) % 900_000,
      mode: 'splice',
      stalled: i % 50 === 0,
      ended: false,
    },
    rtt: { client: 0.002, upstream: 0.03 },
  }));
}

/** What a server remembers of the seconds before `at`. */
export function historyUntil(at: number, length = 900): History {
  const times = Array.from({ length }, (_, i) => at - length + i);
  const rate = (time: number, way: 'upload' | 'download') =>
    Math.max(stateAt(time + 1, 0).relay!.bytes[way] - stateAt(time, 0).relay!.bytes[way], 0);
  const relay = (time: number) => stateAt(time, 0).relay!;
  return {
    version: 1,
    at: times.map((time) => START + time),
    upload: times.map((time) => rate(time, 'upload')),
    download: times.map((time) => rate(time, 'download')),
    active: times.map((time) => relay(time).connections.active),
    opened: times.map((time) => 9 * wave(time, 33)),
    errors: times.map((time) => (time % 60 === 0 ? 1 : 0)),
    connectP50: times.map(() => 0.012),
    connectP99: times.map((time) => relay(time).quantiles.connect!.p99),
    residencyP50: times.map(() => 0.00005),
    residencyP99: times.map((time) => relay(time).quantiles.residencyDownload!.p99),
  };
}

/** With something to see to. */
export function troubledAt(at: number): State {
  const state = stateAt(at);
  const office = { ...state.relay!.upstreams[1]!, up: false, reason: 'refused', active: 0 };
  const relay = { ...state.relay!, upstreams: [state.relay!.upstreams[0]!, office] };
  const health = [
    {
      level: 'warning' as const,
      host: 'relay',
      what: 'upstream "office" is down since 14:03:12Z: refused',
      next: 'journalctl -u sidetrack-relay',
    },
    {
      level: 'warning' as const,
      host: 'router',
      what: '2 differences from what was applied',
      next: 'sidetrack plan',
    },
  ];
  const hosts = state.hosts!.map((host) =>
    host.name === 'router'
      ? {
          ...host,
          state: 'drifted' as const,
          differences: ['add rule 32764 iif br-lan', 'replace chain steer'],
        }
      : host,
  );
  return { ...state, relay, hosts, health };
}
