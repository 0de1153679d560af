import { describe, expect, it } from 'vitest';
import { type Counts, knownServers, serverStates } from '../../../control/apply/server-health.js';
import { serverProblems } from '../../../control/exporter/server-problems.js';
import { HEARD_SECONDS } from '../../../control/nft/health-sets.js';
import type { ServerHealthState } from '../../../monitoring/state.js';
import { severalAt } from '../../netns/browser/states.js';

const router = severalAt(105, false).router!;
const [one, two] = router.servers!;

const lines = (...servers: ServerHealthState[]) =>
  serverProblems({ ...router, servers }, 9155).map(
    ({ level, host, what, next }) => `${level} ${host}: ${what} | ${next}`,
  );
const both = (state: string) => ({ families: { ipv4: { state }, ipv6: { state } } });
const onServer2 = (next: string) => `${next} # on server2`;

describe('what to look at', () => {
  it('is nothing while all are alive, or on the rise', () => {
    expect(lines(one!, two!)).toEqual([]);
    expect(lines(one!, { ...two!, ...both('rising') })).toEqual([]);
  });

  it.each<[string, Partial<ServerHealthState>, string]>([
    [
      'one that is silent',
      { ...both('silent'), lastHeard: Date.parse('2026-05-01T12:00:00Z') / 1000 },
      `warning server2: sends no heartbeat since 2026-05-01 12:00:00 UTC | ${onServer2('systemctl status sidetrack-relay')}`,
    ],
    [
      'one that was never heard',
      both('unknown'),
      `warning server2: has sent no heartbeat so far | ${onServer2('systemctl status sidetrack-relay')}`,
    ],
    [
      'one without an upstream',
      { ...both('unfit'), reason: 'upstreams' },
      `warning server2: gets no new IPv4 and IPv6 flows: none of its upstreams is up | ${onServer2('journalctl -u sidetrack-relay -g backoff -n 10')}`,
    ],
    [
      'one that hangs',
      { ...both('unfit'), reason: 'threads' },
      `warning server2: gets no new IPv4 and IPv6 flows: a thread of its relay does not turn | ${onServer2('sudo systemctl restart sidetrack-relay')}`,
    ],
    [
      'one whose upstreams have IPv4 alone',
      { families: { ipv4: { state: 'alive' }, ipv6: { state: 'unfit' } }, reason: 'ok' },
      `warning server2: gets no new IPv6 flows: its upstreams do not carry it | ${onServer2('journalctl -u sidetrack-relay -g backoff -n 10')}`,
    ],
    [
      'one that came back too often',
      both('held'),
      'warning server2: was lost and came back several times, so it is held for a while | sidetrack status',
    ],
    [
      'one that is drained, whatever else it is',
      { ...both('silent'), drained: true, flows: 3 },
      'ok server2: drained: new flows go elsewhere, 3 are left | sidetrack undrain server2',
    ],
    [
      'heartbeats of others',
      { ignoredLately: { tag: 20, mac: 100 } },
      'warning server2: heartbeats in its name were ignored: 120 in the last minute (mac, tag) | sudo tcpdump -eni any -c 4 udp port 9155 # on the router',
    ],
    [
      'a reason of tomorrow',
      { ...both('unfit'), reason: 'weather' },
      `warning server2: gets no new IPv4 and IPv6 flows: weather | ${onServer2('systemctl status sidetrack-relay')}`,
    ],
  ])('tells of %s', (_, change, line) => {
    expect(lines(one!, { ...two!, ...change })).toEqual([line]);
  });

  it('is critical when there is no other', () => {
    const lost = { ...one!, ...both('silent') };
    expect(lines(lost, { ...two!, drained: true }).map((line) => line.split(':')[0])).toEqual([
      'critical router',
      'critical server1',
      'ok server2',
    ]);
  });

  it('says nothing of servers that are judged by their route', () => {
    expect(lines({ ...one!, ...both('silent'), health: 'route' })).toEqual([]);
  });
});

describe('what the router says', () => {
  const target = (name: string, number: number, more: object = {}) => ({
    ...{ name, number, mark: { value: 0x96 + number, mask: 0xff }, weight: 1, backup: false },
    ...{ health: 'heartbeat' as const, drained: false, hops: [{ family: 4 as const }] },
    ...more,
  });
  const element = (val: unknown, expires: number) => ({ elem: { val, timeout: 1, expires } });
  const set = (name: string, ...elements: unknown[]) => ({
    ...{ name, type: 'mark', dynamic: true, elements },
  });
  const rule = (comment: string, packets: number) => ({ comment, packets, bytes: 0, expr: [] });
  const listing = {
    sets: [
      set('alive4', element(0x96, 1)),
      set('since4', element(0x96, HEARD_SECONDS - 300), element(0x97, HEARD_SECONDS - 900)),
      set('heard', element(0x96, HEARD_SECONDS), element(0x97, HEARD_SECONDS - 40)),
      set('reasons', element({ concat: [0x97, 9165] }, HEARD_SECONDS - 40)),
    ],
    chains: [{ name: 'heartbeat_1', rules: [rule('heartbeat s2: tag', 12)] }],
  };
  const told = (targets: ReturnType<typeof target>[], counts: Counts = {}) =>
    serverStates(targets, knownServers({ targets, listing }), {
      at: 10_000,
      hasRoute: (server) => server !== 's2',
      countsOf: () => counts,
    });

  it('is read from its sets and counters', () => {
    const [first, second] = told([target('s1', 0), target('s2', 1, { backup: true })], {
      flows: 4,
    });
    expect(first).toMatchObject({
      ...{ server: 's1', health: 'heartbeat', lastHeard: 10_000, flows: 4, weight: 1 },
      families: { ipv4: { state: 'alive', since: 9700 } },
    });
    expect(second).toMatchObject({
      ...{ server: 's2', backup: true, lastHeard: 9960, reason: 'upstreams' },
      families: { ipv4: { state: 'silent', since: 9960 } },
      ignored: { tag: 12 },
    });
  });

  it('is the route where it judges by that, and nothing where it judges by nothing', () => {
    const states = (health: 'route' | 'none') =>
      told([target('s1', 0, { health }), target('s2', 1, { health })]).map(
        ({ families }) => families.ipv4?.state,
      );
    expect(states('route')).toEqual(['alive', 'silent']);
    expect(states('none')).toEqual(['alive', 'alive']);
  });
});
