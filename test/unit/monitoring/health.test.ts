import { describe, expect, it } from 'vitest';
import { health, type Judged } from '../../../monitoring/health.js';
import type { RelayState, RouterState, UpstreamState } from '../../../monitoring/state.js';

const NOW = Date.parse('2026-05-01T12:00:00Z') / 1000;
const none = { upload: 0, download: 0 };

const upstream = (more: Partial<UpstreamState> = {}): UpstreamState => ({
  name: 'vps',
  up: true,
  since: NOW - 60,
  resolved: true,
  silent: false,
  lacking: [],
  connections: 9,
  active: 1,
  bytes: none,
  errors: {},
  probes: { succeeded: 0, failed: 0, skipped: 0 },
  ...more,
});

function relay({ connections, ...more }: Partial<RelayState> = {}): RelayState {
  return {
    pid: 1,
    release: '1',
    port: 12345,
    capture: 'redirect',
    since: NOW - 3600,
    threads: { count: 2 },
    connections: connections ?? accepted(9),
    bytes: none,
    modes: {},
    stalls: 0,
    listening: ['ipv4', 'ipv6'],
    refused: [],
    upstreams: [upstream()],
    routes: [],
    quantiles: {},
    headroom: {},
    reloads: {
      success: 0,
      failure: 0,
      lastSucceeded: true,
      lastSuccess: NOW - 3600,
      generations: 1,
    },
    ...more,
  };
}

const accepted = (
  count: number,
  more: Partial<RelayState['connections']> = {},
): RelayState['connections'] => ({
  active: 0,
  limit: 100,
  accepted: { ipv4: count, ipv6: 0 },
  finished: count,
  errors: {},
  ...(count > 0 && { lastAccepted: NOW - 5 }),
  ...more,
});

function router(more: Partial<RouterState> = {}): RouterState {
  return {
    classifier: { kind: 'nftables', forwarding: 'mark', attached: [] },
    rules: [],
    steered: { packets: 7 },
    onFailure: { full: 0, overShare: 0, noRoute: 0 },
    guards: {},
    flows: { limit: 100, parts: {} },
    sets: [],
    nextHops: [],
    interfaces: [],
    ...more,
  };
}

const lines = (relay: RelayState, more: Partial<Judged> = {}) =>
  health({ at: NOW, relay, ...more }).map(
    ({ level, host, what, next }) => `${level} ${host}: ${what} | ${next}`,
  );

const FINE = ['ok relay: no problem found | '];
const LOG = 'journalctl -u sidetrack-relay -n 30';

describe('health', () => {
  it('has one line when all is well', () => {
    expect(lines(relay())).toEqual(FINE);
  });

  it.each<[string, Partial<RelayState>, string]>([
    [
      'the only upstream',
      { upstreams: [upstream({ up: false, reason: 'refused' })] },
      `critical relay: upstream "vps" is down since 2026-05-01 11:59:00 UTC: it refuses connections | ${LOG}`,
    ],
    [
      'one of two',
      { upstreams: [upstream(), upstream({ name: 'b', up: false, reason: 'upstream_auth' })] },
      'warning relay: upstream "b" is down since 2026-05-01 11:59:00 UTC: it wants other credentials | sudo systemctl restart sidetrack-relay',
    ],
    [
      'a name without an address',
      { upstreams: [upstream(), upstream({ name: 'b', up: false, resolved: false })] },
      'warning relay: upstream "b" is down since 2026-05-01 11:59:00 UTC: its name has no address | resolvectl status',
    ],
    [
      'a family that is not carried',
      { upstreams: [upstream({ lacking: ['ipv6'] })] },
      `warning relay: upstream "vps" does not carry IPv6 (probe) | ${LOG}`,
    ],
    [
      'a refused family',
      { refused: ['ipv4'] },
      `warning relay: IPv4 is refused: no upstream carries it (probe) | ${LOG}`,
    ],
    [
      'nobody yet',
      { connections: accepted(0) },
      'warning relay: no connection was handed over yet | sidetrack status',
    ],
    [
      'nobody for long',
      { connections: accepted(3, { lastAccepted: NOW - 901 }) },
      'warning relay: no connection was handed over since 2026-05-01 11:44:59 UTC | sidetrack status',
    ],
    [
      'connections that fail',
      {
        connections: accepted(30, {
          minute: { accepted: 30, errors: { timeout: 5, refused: 4, loop: 0 } },
        }),
      },
      `warning relay: 30 % of the connections of the last minute came to nothing, most of them: timeout | ${LOG}`,
    ],
    [
      'a loop',
      { connections: accepted(30, { minute: { accepted: 30, errors: { loop: 2 } } }) },
      "critical relay: the relay's own connections come back to it (2 in the last minute) | sidetrack status",
    ],
    [
      'a resource that is nearly used up',
      { headroom: { conntrack: { used: 80, limit: 100 } } },
      'warning relay: conntrack: 80 of 100 | sudo sysctl -w net.netfilter.nf_conntrack_max=262144',
    ],
    [
      'one that is used up',
      { headroom: { pipe_pages: { used: 100, limit: 100 } } },
      'critical relay: pipe pages: 100 of 100 | sudo sysctl -w fs.pipe-user-pages-soft=0',
    ],
    [
      'half-open handshakes',
      { halfOpen: 20 },
      'warning relay: 20 handshakes of clients stay half open: answers do not reach them, or it is a scan | sidetrack status',
    ],
    [
      'a failed reload',
      {
        reloads: {
          success: 0,
          failure: 1,
          lastSucceeded: false,
          lastSuccess: NOW - 60,
          generations: 1,
        },
      },
      'warning relay: the last reload failed: the configuration in force is of 2026-05-01 11:59:00 UTC | sidetrack check',
    ],
  ])('tells of %s', (_, more, expected) => {
    expect(lines(relay(more))).toEqual([expected]);
  });

  it.each<[string, Partial<RelayState>]>([
    ['a start a minute ago', { since: NOW - 60, connections: accepted(0) }],
    [
      'a silence with open connections',
      { connections: accepted(3, { active: 1, lastAccepted: NOW - 9999 }) },
    ],
    [
      'a few failures',
      { connections: accepted(3, { minute: { accepted: 3, errors: { timeout: 3 } } }) },
    ],
    ['pipes in use', { headroom: { pipes: { used: 128, limit: 128 } } }],
    ['no limit', { headroom: { descriptors: { used: 1e6 } } }],
    ['handshakes of now', { halfOpen: 19 }],
  ])('says nothing of %s', (_, more) => {
    expect(lines(relay(more))).toEqual(FINE);
  });

  it('knows from the router that what it hands over does not arrive', () => {
    expect(lines(relay({ connections: accepted(0) }), { router: router() })).toEqual([
      'critical relay: the router hands over, and nothing arrives | sidetrack status',
    ]);
  });

  it('tells of an old list once, for both families', () => {
    const set = (family: 'ipv4' | 'ipv6', days: number) =>
      ({ set: 'china', family, fileTime: NOW - 86_400 * days }) as const;
    expect(lines(relay(), { router: router({ sets: [set('ipv4', 9), set('ipv6', 9)] }) })).toEqual([
      'warning router: the list behind the set "china" is 9 days old | fetch it again, then: sidetrack apply',
    ]);
    expect(lines(relay(), { router: router({ sets: [set('ipv4', 7)] }) })).toEqual(FINE);
  });

  it('puts the worst first, with what others found', () => {
    const warning = { level: 'warning', host: 'router', what: 'w', next: 'n' } as const;
    const critical = { level: 'critical', host: 'router', what: 'c', next: 'n' } as const;
    const fine = { level: 'ok', host: 'router', what: 'all is well', next: '' } as const;
    const hint = { level: 'ok', host: 'router', what: 'h', next: 'sidetrack exporter' } as const;
    const now = { at: NOW, relay: relay() };
    expect(health(now, [hint, warning, fine, critical])).toEqual([critical, warning, hint]);
    expect(health(now, [fine])).toHaveLength(1);
    expect(health(now, [hint]).map(({ what }) => what)).toEqual(['no problem found', 'h']);
  });
});
