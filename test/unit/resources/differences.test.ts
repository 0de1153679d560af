/** What differs and what is kept is together all that there is. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Difference, resourceKey } from '../../../control/plan/difference.js';
import { tableNameFile } from '../../../control/plan/own-files.js';
import type { HostState, ObservedHost } from '../../../control/plan/state.js';
import { file } from '../../../control/resources/file.js';
import { RESOURCES } from '../../../control/resources/registry.js';
import { stateUpdate } from '../../../control/resources/saved-parts.js';
import { hostChanges } from '../../../control/resources/steps.js';
import { sysctl } from '../../../control/resources/sysctl.js';
import { bareRouter, routerWish } from '../plan/fixtures.js';
import { attached, withClassifier, withFlows } from './examples.js';
import { ModelHost } from './model-host.js';
import { bareHost, desiredState } from './random-state.js';

const differencesOf = (state: HostState, observed: ObservedHost): Difference[] =>
  hostChanges(state, observed)
    .differences()
    .flatMap((one) => one.differences);

function apply(host: ModelHost, state: HostState): void {
  for (const step of hostChanges(state, host.observe()).steps) host.run(step);
  const { added, state: write } = stateUpdate(state, host.observe());
  for (const { path, content } of added) host.files.set(path, { content, mode: 0o644 });
  host.run(write);
}

/** All that is wanted, and all that a `down` would find. */
function everything(state: HostState, observed: ObservedHost): Set<string> {
  const wanted = RESOURCES.flatMap((kind) => kind.resources(kind.desired(state), observed));
  const there = RESOURCES.flatMap((kind) =>
    kind.remove(observed).flatMap((change) => kind.differences(change, observed)),
  );
  return new Set([...wanted, ...there].map(resourceKey));
}

describe('differences', () => {
  it('and what is kept are all resources, each of them once', () => {
    fc.assert(
      fc.property(bareHost, desiredState, desiredState, (bare, first, second) => {
        const host = new ModelHost(bare);
        apply(host, first);
        const observed = host.observe();
        const changes = hostChanges(second, observed);
        const told = [
          ...changes.differences().flatMap((one) => one.differences),
          ...changes.kept(),
        ].map(resourceKey);
        expect(told.length).toBe(new Set(told).size);
        expect(new Set(told)).toEqual(everything(second, observed));
      }),
      { numRuns: 100 },
    );
  });

  it('are none behind an apply, and everything is kept', () => {
    fc.assert(
      fc.property(bareHost, desiredState, (bare, state) => {
        const host = new ModelHost(bare);
        apply(host, state);
        const observed = host.observe();
        expect(differencesOf(state, observed)).toEqual([]);
        const kept = hostChanges(state, observed).kept();
        expect(new Set(kept.map(resourceKey))).toEqual(everything(state, observed));
      }),
      { numRuns: 100 },
    );
  });

  it('say what is there and what will be there', () => {
    expect(differencesOf(routerWish(), bareRouter())).toEqual([
      {
        host: 'router',
        kind: 'sysctl',
        name: 'net.ipv4.conf.all.send_redirects',
        action: 'changed',
        before: '1',
        after: '0',
        destructive: false,
      },
      expect.objectContaining({
        kind: 'route',
        name: 'IPv4 table 250 default',
        after: '-4 default via 192.168.1.2 dev br-lan table 250 protocol 150',
      }),
      expect.objectContaining({
        kind: 'rule',
        after: '-4 priority 1500 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150',
      }),
      expect.objectContaining({ kind: 'table', name: 'inet sidetrack', action: 'added' }),
      expect.objectContaining({ kind: 'chain', name: 'steer', action: 'added', after: '' }),
    ]);
  });
});

it('a file of others that is overwritten is a loss, one of ours is not', () => {
  const wish = tableNameFile({ id: 250, name: 'server1' });
  const destructive = (content: string) =>
    file
      .diff([wish], bareRouter({ files: { [wish.path]: { content, mode: 0o644 } } }))
      .flatMap((change) => file.differences(change, bareRouter()))
      .map((one) => one.destructive);
  expect(destructive('250\tmine\n')).toEqual([true]);
  expect(destructive(tableNameFile({ id: 251, name: 'server1' }).content)).toEqual([false]);
});

it('a sysctl has the name that sysctl(8) prints, also of a VLAN', () => {
  const key = 'net/ipv4/conf/eth0.5/rp_filter';
  const observed = bareRouter({ sysctls: { [key]: '1' } });
  expect(sysctl.resources([{ key, value: '2' }], observed)).toEqual([
    { kind: 'sysctl', name: 'net.ipv4.conf.eth0/5.rp_filter' },
  ]);
});

describe('live flows', () => {
  const effects = (state: HostState, observed: ObservedHost) =>
    differencesOf(state, observed)
      .filter(({ flows }) => flows !== undefined)
      .map(({ kind, name, flows, destructive }) => [`${kind} ${name}`, flows, destructive]);
  const flowSet = { name: 'flows4', type: 'ipv4_addr', size: 10 };
  const wish = (sets: HostState['table']['sets']) =>
    routerWish({ table: { ...routerWish().table, sets } });

  it('break where their set gets another size', () => {
    expect(effects(wish([flowSet]), withFlows(bareRouter()))).toEqual([
      ['table inet sidetrack', 'break', true],
      ['set flows4', 'break', true],
    ]);
  });

  it('of a set that nothing fills any more break', () => {
    expect(effects(wish([{ ...flowSet, name: 'flows6' }]), withFlows(bareRouter()))).toEqual([
      ['set flows4', 'break', true],
    ]);
  });

  it('move to the classifier that takes over', () => {
    expect(effects(withClassifier(routerWish()), withFlows(bareRouter()))).toEqual([
      ['classifier eBPF', 'move', false],
      ['set flows4', 'move', false],
    ]);
  });

  it('stay where the classifier is updated', () => {
    expect(effects(withClassifier(routerWish()), attached(bareRouter()))).toEqual([
      ['classifier eBPF', 'stay', false],
    ]);
  });

  it('break where their next hop becomes another', () => {
    const observed = bareRouter({
      routes: [
        {
          family: 4,
          table: 250,
          destination: 'default',
          type: 'unicast',
          via: '192.168.1.9',
          dev: 'br-lan',
          protocol: 150,
        },
      ],
    });
    expect(effects(routerWish(), observed)).toEqual([
      ['route IPv4 table 250 default', 'break', true],
    ]);
  });
});
