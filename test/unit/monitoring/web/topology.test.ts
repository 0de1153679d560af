import { describe, expect, it } from 'vitest';
import type { State } from '../../../../monitoring/state.js';
import { sortDevices } from '../../../../monitoring/web/devices.js';
import type { Place } from '../../../../monitoring/web/place.js';
import { ratesOf } from '../../../../monitoring/web/rates.js';
import { resourcesOf } from '../../../../monitoring/web/resources.js';
import { topologyOf } from '../../../../monitoring/web/topology.js';
import { severalAt, stateAt } from '../../../netns/browser/states.js';

const now = stateAt(105);
const rates = ratesOf(now, stateAt(100));

const placesOf = (state: State): Place[] =>
  topologyOf(state, rates).groups.flatMap(({ places }) => [...places]);
const wordsOf = (state: State) =>
  Object.fromEntries(placesOf(state).map(({ title, level, word }) => [title, `${level}: ${word}`]));

const withUpstream = (change: object): State => {
  const [first, second] = now.relay!.upstreams;
  return { ...now, relay: { ...now.relay!, upstreams: [{ ...first!, ...change }, second!] } };
};
const withHost = (change: object): State => {
  const [router, server] = now.hosts!;
  return { ...now, hosts: [{ ...router!, ...change }, server!] };
};

describe('the way of the traffic', () => {
  it('goes from the clients to the Internet, and each place has a word', () => {
    expect(wordsOf(now)).toEqual({
      Clients: 'ok: 12 active',
      Router: 'ok: in sync',
      server1: 'ok: relaying',
      vps: 'ok: up',
      office: 'ok: up',
      Internet: 'ok: reached',
    });
  });

  it('has on each hop what is counted there, and nothing where nothing is', () => {
    const hops = topologyOf(now, rates).groups.map(({ hop }) => hop);
    const { upload, download } = rates.relay!;
    const steered = rates.router!.steeredBytes!;
    expect(hops).toEqual([
      { upload: steered, download },
      { upload: steered },
      { upload, download },
      { upload, download },
      undefined,
    ]);
    const { router: _, ...blind } = rates;
    expect(topologyOf(now, blind).groups[1]!.hop).toEqual({});
  });

  it.each([
    [{ up: false, reason: 'refused' }, 'critical: down', 'warning: by 1 of 2'],
    [{ up: false, resolved: false }, 'critical: no address', 'warning: by 1 of 2'],
    [{ silent: true }, 'warning: silent', 'ok: reached'],
    [{ lacking: ['ipv6'] }, 'warning: no IPv6', 'ok: reached'],
  ])('tells an upstream with %j', (change, upstream, internet) => {
    expect(wordsOf(withUpstream(change))).toMatchObject({ vps: upstream, Internet: internet });
  });

  it.each([
    [{ up: false }, 'critical: not answering'],
    [{ state: 'drifted' }, 'warning: drifted'],
    [{ state: 'absent' }, 'critical: not applied'],
  ])('tells a router with %j', (change, word) => {
    expect(wordsOf(withHost(change)).Router).toBe(word);
  });

  it('tells a router that cannot reach the server, though all is applied', () => {
    const nextHops = [
      { server: 'server1', family: 'ipv4' as const, reachable: false, route: true },
    ];
    expect(wordsOf({ ...now, router: { ...now.router!, nextHops } }).Router).toBe(
      'critical: cannot hand over',
    );
  });

  it('knows what it does not know', () => {
    const { hosts: _, router: __, clients: ___, ...alone } = now;
    expect(wordsOf(alone)).toMatchObject({
      Clients: 'ok: served',
      Router: 'unknown: not read',
      Server: 'ok: relaying',
    });
    const { relay: ____, ...exporter } = now;
    expect(wordsOf(exporter)).toMatchObject({ Internet: 'unknown: not known' });
  });

  it('has all servers, each as the router judges it', () => {
    expect(wordsOf(severalAt(105, false))).toMatchObject({
      Router: 'ok: in sync',
      server1: 'ok: alive',
      server2: 'ok: alive',
      server3: 'ok: alive',
    });
    const one = severalAt(105, true);
    expect(wordsOf(one)).toMatchObject({
      Router: 'ok: in sync',
      server2: 'critical: silent',
      server3: 'warning: IPv4 alive, IPv6 unfit',
    });
    const details = new Map(placesOf(one).map(({ title, details }) => [title, details]));
    // The relay is of the machine that the page is of.
    expect(details.get('server1')).toEqual([
      'for 1 min 45 s',
      '360 flows',
      '358 open',
      'redirect, port 12345',
    ]);
    expect(details.get('server2')).toEqual(['for 1 min', '0 flows']);
    expect(details.get('server3')).toEqual(['for 45 s', '120 flows', 'backup']);
  });

  it.each([
    [{ drained: true }, 'unknown: drained'],
    [{ reason: 'leaving', families: { ipv4: { state: 'unfit' } } }, 'warning: unfit'],
    [{ reason: 'threads', families: { ipv4: { state: 'unfit' } } }, 'critical: unfit'],
    [{ families: { ipv4: { state: 'held' }, ipv6: { state: 'held' } } }, 'warning: held'],
    [{ families: { ipv4: { state: 'unknown' } } }, 'unknown: unknown'],
    [{ health: 'route' }, 'ok: relaying'],
    [{ families: { ipv4: { state: 'a word of tomorrow' } } }, 'unknown: a word of tomorrow'],
  ])('tells a server with %j', (change, word) => {
    const state = severalAt(105, false);
    const [first, ...others] = state.router!.servers!;
    const servers = [{ ...first!, ...change }, ...others];
    expect(wordsOf({ ...state, router: { ...state.router!, servers } }).server1).toBe(word);
  });

  it('says that the router has no server, when none is alive or all are drained', () => {
    const state = severalAt(105, false);
    const all = (change: object) => {
      const servers = state.router!.servers!.map((one) => ({ ...one, ...change }));
      return wordsOf({ ...state, router: { ...state.router!, servers } }).Router;
    };
    expect(all({ families: { ipv4: { state: 'silent' } } })).toBe('critical: no server');
    expect(all({ drained: true })).toBe('critical: no server');
    expect(all({ families: { ipv4: { state: 'held' } } })).toBe('ok: in sync');
  });

  it('knows of a router that reaches one server of two', () => {
    const hop = (server: string, reachable: boolean) => ({
      ...{ server, family: 'ipv4' as const, reachable, route: true },
    });
    const nextHops = [hop('server1', true), hop('server2', false)];
    const state = severalAt(105, false);
    expect(wordsOf({ ...state, router: { ...state.router!, nextHops } }).Router).toBe(
      'warning: without 1 of 2 servers',
    );
  });

  it('counts upstreams that there is no room for, and shows those in trouble', () => {
    const [one] = now.relay!.upstreams;
    const upstreams = Array.from({ length: 20 }, (_, i) => ({
      ...one!,
      name: `vps${i}`,
      up: i !== 19,
    }));
    const words = wordsOf({ ...now, relay: { ...now.relay!, upstreams } });
    expect(words).toMatchObject({ vps19: 'critical: down' });
    expect(Object.keys(words)).toHaveLength(3 + 6 + 1 + 1);
  });
});

it('sorts devices as the reader chose; those without a name come last', () => {
  const first = (by: Parameters<typeof sortDevices>[2]) =>
    sortDevices(now.clients!, rates, by).map(({ client }) => client.name ?? client.address);
  expect(first('name').slice(0, 2)).toEqual(["anna's phone", "anna's phone-10"]);
  expect(first('name').at(-1)).toBe('192.168.1.19');
  expect(first('open')[0]).toBe('nas-11');
  expect(first('total')[0]).toBe('kitchen-tv');
});

it('says of the flow table how full its fullest part is', () => {
  expect(resourcesOf(now)).toContainEqual({
    name: 'flow table, router: flows4',
    used: 700,
    limit: 65_536,
  });
});
