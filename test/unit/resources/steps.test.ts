import { describe, expect, it } from 'vitest';
import { shellWord } from '../../../control/command/shell.js';
import { tableNameFile } from '../../../control/plan/own-files.js';
import type { HostState, ObservedHost } from '../../../control/plan/state.js';
import { stepData } from '../../../control/plan/step.js';
import { hostChanges, removalSteps } from '../../../control/resources/steps.js';
import { bareRouter, routerWish } from '../plan/fixtures.js';
import { attached, withClassifier, withFlows } from './examples.js';

const plan = (observed: ObservedHost, wish = routerWish()) => hostChanges(wish, observed).steps;
const lines = (observed: ObservedHost, wish = routerWish()) =>
  plan(observed, wish).map(({ argv }) => argv.join(' '));
const titles = (observed: ObservedHost, wish: HostState) =>
  plan(observed, wish).map(({ title }) => title);

/** As an earlier apply with other settings left it. */
function usedRouter(overrides: Partial<ObservedHost> = {}): ObservedHost {
  const key = 'net/ipv4/conf/br-lan/rp_filter';
  const bare = bareRouter();
  return {
    ...bare,
    ipRules: [
      ...bare.ipRules,
      { family: 4, priority: 1400, iif: 'lan9', mark: 1, mask: 1, table: 249, protocol: 150 },
      { family: 4, priority: 1401, iif: 'lan9', action: 'unreachable', protocol: 150 },
    ],
    routes: [
      ...bare.routes,
      { family: 6, table: 249, destination: 'default', type: '7', protocol: 150 },
    ],
    sysctls: { ...bare.sysctls, [key]: '2' },
    saved: { version: 1, sysctls: { [key]: '1' }, objects: {} },
    ownsEtc: true,
    ...overrides,
  };
}

describe('the order of an apply', () => {
  const wish = (overrides: Partial<HostState> = {}) =>
    routerWish({ files: [tableNameFile({ id: 250, name: 'server1' })], ...overrides });
  const MADE = [
    'remember what was there before',
    'set net.ipv4.conf.all.send_redirects to 0 (was 1)',
    'name table 250 "server1"',
    'IPv4 route: table 250, default via 192.168.1.2 dev br-lan',
    'IPv4 rule: from br-lan with mark 0x96/0xff use table 250',
  ];
  const CLEARED = [
    'remove: IPv4 rule: from lan9, refuse what no rule before it routes',
    'remove: IPv4 rule: from lan9 with mark 0x1/0x1 use table 249',
    'remove: IPv6 route: table 249, default unreachable',
    'put net.ipv4.conf.br-lan.rp_filter back to 1',
  ];

  it('is: what routes, what marks, then what is stale, backwards', () => {
    expect(titles(usedRouter(), wish())).toEqual([
      ...MADE,
      'create nft table inet sidetrack',
      ...CLEARED,
    ]);
  });

  it('has the table before the classifier, for that hides what it steers from conntrack', () => {
    expect(titles(usedRouter(), withClassifier(wish()))).toEqual([
      ...MADE,
      'create nft table inet sidetrack',
      'attach the eBPF classifier to br-lan (forwarding: mark)',
      ...CLEARED,
    ]);
  });

  it('moves flows to the classifier before the table lets them go', () => {
    expect(titles(withFlows(usedRouter()), withClassifier(wish()))).toEqual([
      ...MADE,
      'attach the eBPF classifier to br-lan (forwarding: mark); it takes over the live flows of nftables',
      'update nft table inet sidetrack (chain steer, - set flows4); live flows stay',
      ...CLEARED,
    ]);
  });

  it('moves flows to the table before the classifier lets them go', () => {
    const { listing } = withFlows(usedRouter());
    const table = {
      ...wish().table,
      sets: listing!.sets.map(({ name, type }) => ({ name, type, size: 9 })),
    };
    expect(titles(attached(usedRouter()), wish({ table }))).toEqual([
      ...MADE,
      'create nft table inet sidetrack',
      'detach the eBPF classifier; nftables takes over its live flows',
      ...CLEARED,
    ]);
  });
});

describe('the order of down', () => {
  it('is: what marks, what routes, and what was remembered last', () => {
    const file = { content: 'x', mode: 0o644 };
    const path = '/etc/iproute2/rt_tables.d/sidetrack.conf';
    const observed = attached(withFlows(usedRouter({ files: { [path]: file } })));
    expect(removalSteps('router', observed).map(({ title }) => title)).toEqual([
      'detach the eBPF classifier',
      'remove nft table inet sidetrack',
      'remove: IPv4 rule: from lan9, refuse what no rule before it routes',
      'remove: IPv4 rule: from lan9 with mark 0x1/0x1 use table 249',
      'remove: IPv6 route: table 249, default unreachable',
      `remove ${path}`,
      'put net.ipv4.conf.br-lan.rp_filter back to 1',
      'forget the saved state',
    ]);
  });

  it('on a host without us is nothing', () => {
    expect(removalSteps('router', bareRouter())).toEqual([]);
  });
});

describe('steps', () => {
  it('on a bare router: remember, sysctls, route, rule, and the marks last', () => {
    expect(lines(bareRouter())).toEqual([
      expect.stringContaining('/run/sidetrack/netns/router/state.json'),
      'tee /proc/sys/net/ipv4/conf/all/send_redirects',
      'ip -4 route replace default via 192.168.1.2 dev br-lan table 250 protocol 150',
      'ip -4 rule add priority 1500 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150',
      'nft -j -f /proc/self/fd/0',
    ]);
  });

  it('undo what they do', () => {
    const undone = plan(bareRouter()).flatMap(({ undo }) => undo.map(({ argv }) => argv.join(' ')));
    expect(undone).toEqual([
      'rm -f /run/sidetrack/netns/router/state.json',
      'tee /proc/sys/net/ipv4/conf/all/send_redirects',
      'ip -4 route del default via 192.168.1.2 dev br-lan table 250 protocol 150',
      'ip -4 rule del priority 1500 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150',
      'nft -j -f /proc/self/fd/0',
    ]);
  });

  it('are none where nothing differs, not even one that remembers', () => {
    const nothing = { ipRules: [], routes: [], sysctls: [] };
    const table = routerWish().table;
    const { listing } = withFlows(bareRouter());
    const empty = { ...listing!, sets: [], chains: [] };
    expect(
      plan(
        bareRouter({ listing: empty }),
        routerWish({ ...nothing, table: { ...table, chains: [] } }),
      ),
    ).toEqual([]);
  });

  it('tell other programs only that they are optional', () => {
    const wish = routerWish({ files: [tableNameFile({ id: 250, name: 'server1' })] });
    const found = plan(bareRouter(), wish).map(stepData);
    expect(found.filter(({ optional }) => optional === true)).toHaveLength(1);
    expect(found.filter((step) => 'optional' in step)).toHaveLength(1);
  });
});

describe('shell words', () => {
  it('are quoted exactly where the shell needs it', () => {
    expect(shellWord('fd00::2')).toBe('fd00::2');
    expect(shellWord('0x96/0xff')).toBe('0x96/0xff');
    expect(shellWord("it's $HOME")).toBe(`'it'\\''s $HOME'`);
    expect(shellWord('')).toBe("''");
  });
});
