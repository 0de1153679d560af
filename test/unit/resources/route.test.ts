import { describe, expect, it } from 'vitest';
import { LAST_METRIC, type ObservedRoute, type Route } from '../../../control/plan/state.js';
import { route } from '../../../control/resources/route.js';
import { bareRouter } from '../plan/fixtures.js';

const steered: Route = { family: 4, table: 250, nextHop: { via: '192.168.1.2', dev: 'br-lan' } };
const found = {
  family: 4,
  table: 250,
  destination: 'default',
  type: 'unicast',
  via: '192.168.1.2',
  dev: 'br-lan',
  protocol: 150,
} as const;
const host = (...routes: ObservedRoute[]) => bareRouter({ routes });
const words = (command: { argv: readonly string[] }) => command.argv.join(' ');

describe('a route', () => {
  it('that is there is left alone', () => {
    expect(route.diff([steered], host(found))).toEqual([]);
  });

  it('to a server that moved takes the place of the old one, which comes back with undo', () => {
    const observed = host({ ...found, via: '192.168.1.3' });
    const [change, ...others] = route.diff([steered], observed);
    expect(others).toEqual([]);
    expect(route.clears(change!)).toBe(false);
    expect(route.undo(change!, observed).map(words)).toEqual([
      'ip -4 route replace default via 192.168.1.3 dev br-lan table 250 protocol 150',
    ]);
  });

  it('of others in our table stays', () => {
    const { protocol: _ours, ...foreign } = { ...found, via: '192.168.1.9' };
    expect(route.diff([], host(foreign))).toEqual([]);
    expect(route.remove(host(foreign))).toEqual([]);
  });

  it('that nothing wants goes last, and comes back with undo', () => {
    const [change] = route.remove(host({ ...found, type: '7', metric: LAST_METRIC }));
    expect(route.clears(change!)).toBe(true);
    expect(route.title(change!)).toBe('remove: IPv4 route: table 250, default unreachable');
    expect(words(route.apply(change!, host()))).toBe(
      `ip -4 route del unreachable default metric ${LAST_METRIC} table 250 protocol 150`,
    );
    expect(route.undo(change!, host()).map(words)).toEqual([
      `ip -4 route replace unreachable default metric ${LAST_METRIC} table 250 protocol 150`,
    ]);
  });

  it('to this machine itself is made, found again and removed', () => {
    const local: Route = { family: 6, table: 251, local: true };
    const there = {
      family: 6,
      table: 251,
      destination: 'default',
      dev: 'lo',
      protocol: 150,
      metric: 1024,
    } as const;
    const commands = (routes: Route[], observed = host()) =>
      route.diff(routes, observed).map((change) => words(route.apply(change, observed)));
    expect(commands([local])).toEqual([
      'ip -6 route replace local default dev lo table 251 protocol 150',
    ]);
    expect(commands([local], host({ ...there, type: '2' }))).toEqual([]);
    expect(commands([], host({ ...there, type: '2' }))).toEqual([
      'ip -6 route del local default dev lo table 251 protocol 150',
    ]);
    expect(commands([local], host({ ...there, type: '7' }))).toHaveLength(1 + 1);
  });
});
