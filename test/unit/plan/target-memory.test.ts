import { describe, expect, it } from 'vitest';
import { familyNotes } from '../../../control/config/family-note.js';
import { parseConfig } from '../../../control/config/load.js';
import { checkRouter } from '../../../control/plan/preflight.js';
import type { SavedTarget } from '../../../control/plan/saved-state.js';
import { type ObservedHost, ROUTE_PROTOCOL } from '../../../control/plan/state.js';
import { targetNumbers } from '../../../control/plan/target-memory.js';
import { numberedPolicy, rememberedTargets, targetsOf } from '../../../control/plan/targets.js';
import { compilePolicy } from '../../../control/policy/compile.js';
import { bareRouter } from './fixtures.js';

/** Names with the last byte of the address. */
async function file(...servers: [name: string, address: number][]) {
  const [first, ...others] = servers.map(
    ([name, address]) =>
      `  - { name: ${name}, host: local, interface: eth0, address: 192.168.1.${address} }`,
  );
  // One server passes every check; the others are those of the same file.
  const alone = (line: string) =>
    parseConfig(
      'sidetrack.yaml',
      `router: { host: local, interfaces: [br-lan] }\nservers:\n${line}\n`,
    );
  const config = await alone(first!);
  const more = await Promise.all(others.map(alone));
  return { ...config, servers: [config, ...more].flatMap((one) => one.servers) };
}

const saved = (name: string, number: number, address: number, more = {}): SavedTarget => ({
  name,
  number,
  via: { v4: `192.168.1.${address}` },
  addresses: { v4: [`192.168.1.${address}`], v6: [] },
  ...more,
});

function routerWith(targets: SavedTarget[] | undefined, more: Partial<ObservedHost> = {}) {
  const state = { version: 1 as const, sysctls: {}, objects: {} };
  return { ...bareRouter(), saved: { ...state, ...(targets && { targets }) }, ...more };
}

const numbersOf = (...[config, router]: Parameters<typeof targetNumbers>) =>
  Object.fromEntries(targetNumbers(config, router).numbers);

describe('numbers', () => {
  it('are the places in the file where nothing is remembered', async () => {
    const config = await file(['a', 2], ['b', 3], ['c', 4]);
    expect(numbersOf(config, bareRouter())).toEqual({ a: 0, b: 1, c: 2 });
  });

  it('stay with the names, whatever the order, and new servers get free ones', async () => {
    const config = await file(['new', 9], ['b', 3], ['a', 2]);
    const router = routerWith([saved('a', 0, 2), saved('b', 1, 3)]);
    expect(numbersOf(config, router)).toEqual({ a: 0, b: 1, new: 2 });
    const targets = targetsOf(config, router);
    expect(targets.map(({ name, mark, table }) => [name, mark.value, table.id])).toEqual([
      ['a', 150, 250],
      ['b', 151, 251],
      ['new', 152, 252],
    ]);
    expect(targets.toSorted((a, b) => a.number - b.number).map(({ name }) => name)).toEqual([
      'a',
      'b',
      'new',
    ]);
  });

  it('stay with the address of a server that has another name', async () => {
    const config = await file(['first', 9], ['box', 3]);
    expect(numbersOf(config, routerWith([saved('old', 4, 3)]))).toEqual({ box: 4, first: 0 });
  });

  it('are known by the route where an earlier version wrote none', async () => {
    const config = await file(['first', 9], ['second', 2]);
    const route = { family: 4 as const, table: 250, destination: 'default', type: 'unicast' };
    const routes = [{ ...route, via: '192.168.1.2', dev: 'br-lan', protocol: ROUTE_PROTOCOL }];
    expect(numbersOf(config, routerWith(undefined, { routes }))).toEqual({ second: 0, first: 1 });
    expect(numbersOf(config, { ...bareRouter(), routes })).toEqual({ first: 0, second: 1 });
  });

  it('are those of the groups of rules', async () => {
    const config = await file(['b', 3], ['a', 2]);
    const router = routerWith([saved('a', 0, 2), saved('b', 1, 3)]);
    const rules = [{ ...config.rules[1]!, servers: ['b'] }];
    const policy = numberedPolicy(compilePolicy({ ...config, rules }), config, router);
    expect([policy.groups, policy.rules[0]?.group]).toEqual([
      [{ targets: [1, 0] }, { targets: [1] }],
      1,
    ]);
  });
});

describe('a server that the file has no more', () => {
  const gone = saved('b', 1, 3, { mac: '02:00:00:00:00:03' });

  it('is a drained target while its flows live, and is remembered as long', async () => {
    const config = await file(['a', 2]);
    const router = routerWith([saved('a', 0, 2), gone]);
    const targets = targetsOf(config, router);
    expect(
      targets.map(({ name, number, drained, leaves }) => [name, number, drained, leaves]),
    ).toEqual([
      ['a', 0, false, undefined],
      ['b', 1, true, true],
    ]);
    expect(targets.map(({ mark }) => mark.value)).toEqual([150, 151]);
    expect(rememberedTargets(targets)).toEqual([saved('a', 0, 2), gone]);
    expect(numberedPolicy(compilePolicy(config), config, router).groups).toEqual([
      { targets: [0] },
    ]);
  });

  it('is none when no flow of it is left', async () => {
    const config = await file(['a', 2]);
    const router = routerWith([saved('a', 0, 2), gone], { idleTargets: [1] });
    expect(targetsOf(config, router).map(({ name }) => name)).toEqual(['a']);
  });

  it('keeps its number from a new one', async () => {
    const config = await file(['a', 2], ['c', 4]);
    const router = routerWith([saved('a', 0, 2), gone]);
    expect(numbersOf(config, router)).toEqual({ a: 0, c: 2 });
  });

  it('is told', async () => {
    const config = await file(['a', 2]);
    const { warnings } = checkRouter(config, routerWith([saved('a', 0, 2), gone]));
    expect(warnings).toContainEqual(
      expect.objectContaining({
        message: 'b is in the file no more: it gets no new flows, and its live ones go on',
      }),
    );
  });
});

describe('draining', () => {
  it('is remembered, and taken back', async () => {
    const config = await file(['a', 2], ['b', 3]);
    const drained = (router: ObservedHost) =>
      rememberedTargets(targetsOf(config, router)).map((one) => one.drained ?? false);
    const request = (server: string, isDrained: boolean) => ({
      drain: { server, drained: isDrained },
    });
    expect(drained(bareRouter())).toEqual([false, false]);
    expect(drained({ ...bareRouter(), ...request('b', true) })).toEqual([false, true]);
    const before = [saved('a', 0, 2), saved('b', 1, 3, { drained: true })];
    expect(drained(routerWith(before))).toEqual([false, true]);
    expect(drained(routerWith(before, request('b', false)))).toEqual([false, false]);
    expect(drained(routerWith(before, request('a', true)))).toEqual([true, true]);
  });

  it('is told, and what it leaves without a server', async () => {
    const config = await file(['a', 2], ['b', 3]);
    const rules = [{ ...config.rules[1]!, servers: ['b'] }];
    const told = (targets: SavedTarget[], of = config) =>
      checkRouter(of, routerWith(targets)).warnings.map(({ message }) => message);
    const one = [saved('a', 0, 2), saved('b', 1, 3, { drained: true })];
    expect(told(one, { ...config, rules })).toEqual(
      expect.arrayContaining([
        'b is drained: it gets no new flows',
        'every server of rule "rest" is drained: what it proxies goes out directly (on_failure: direct)',
      ]),
    );
    const both = [saved('a', 0, 2, { drained: true }), saved('b', 1, 3, { drained: true })];
    expect(told(both)).toContain(
      'every server is drained: what rules proxy goes out directly (on_failure: direct)',
    );
  });
});

it('secrets of heartbeats are known of a server that is not seen', async () => {
  const config = await file(['a', 2]);
  const servers = config.servers.map((one) => ({ ...one, health: 'heartbeat' as const }));
  const heartbeat = { tag: '0'.repeat(32), siphashKey: '1'.repeat(32) };
  const router = routerWith([saved('a', 0, 2, { heartbeat })]);
  expect(targetsOf({ ...config, servers }, router)).toMatchObject([{ heartbeat }]);
  const fresh = { tag: '2'.repeat(32), siphashKey: '3'.repeat(32) };
  const heartbeats = new Map([['a', fresh]]);
  expect(targetsOf({ ...config, servers }, router, { heartbeats })).toMatchObject([
    { heartbeat: fresh },
  ]);
});

it('says which server has no address of a family that another one takes', async () => {
  const config = await file(['a', 2], ['b', 3]);
  const servers = config.servers.map((one) =>
    one.name === 'a' ? { ...one, address: { ...one.address, v6: 'fd00:1::2' } } : one,
  );
  const made = { ...config, servers };
  const expected = 'b has no IPv6 address: IPv6 goes to a alone';
  expect(familyNotes(made).map(({ message }) => message)).toEqual([expected]);
  expect(familyNotes(config).map(({ message }) => message)).toHaveLength(2);
  const router = bareRouter();
  const addresses = [{ family: 6 as const, address: '2001:db8::1', prefixLength: 64 }];
  const interfaces = router.interfaces.map((one) => ({
    ...one,
    addresses: [...one.addresses, ...addresses],
  }));
  const told = checkRouter(made, { ...router, interfaces }).warnings.map(({ message }) => message);
  expect(told.filter((message) => message.includes('alone'))).toEqual([
    expect.stringContaining('and b has no IPv6 address: their IPv6 goes to a alone'),
  ]);
});
