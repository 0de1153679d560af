import { describe, expect, it } from 'vitest';
import { shellWord } from '../../../control/command/shell.js';
import { shellScript } from '../../../control/plan/render.js';
import type { ObservedHost } from '../../../control/plan/state.js';
import { diffHost, isEmpty } from '../../../control/resources/diff.js';
import { applySteps, downSteps } from '../../../control/resources/steps.js';
import { bareRouter, routerWish } from '../plan/fixtures.js';

const plan = (observed: ObservedHost, wish = routerWish()) =>
  applySteps(wish, observed, diffHost(wish, observed));
const lines = (observed: ObservedHost, wish = routerWish()) =>
  plan(observed, wish).map(({ argv }) => argv.join(' '));

describe('steps', () => {
  it('on a bare router: remember, sysctls, route, rule, and the marks last', () => {
    expect(lines(bareRouter())).toEqual([
      expect.stringContaining('/run/sidetrack/netns/router/state.json'),
      'tee /proc/sys/net/ipv4/conf/all/send_redirects',
      'ip -4 route replace default via 192.168.1.2 dev br-lan table 250 protocol 150',
      'ip -4 rule add priority 1500 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150',
      'nft -j -f -',
    ]);
  });

  it('make and remove a local route, and find it again', () => {
    const wish = routerWish({ routes: [{ family: 6, table: 251, local: true }], sysctls: [] });
    expect(lines(bareRouter(), wish)).toContain(
      'ip -6 route replace local default dev lo table 251 protocol 150',
    );
    const found = {
      family: 6,
      table: 251,
      destination: 'default',
      dev: 'lo',
      protocol: 150,
    } as const;
    const there = bareRouter({ routes: [{ ...found, type: '2', metric: 1024 }] });
    expect(diffHost(wish, there).addedRoutes).toEqual([]);
    expect(lines(there, routerWish({ routes: [], sysctls: [] }))).toContain(
      'ip -6 route del local default dev lo table 251 protocol 150',
    );
    const elsewhere = bareRouter({ routes: [{ ...found, type: '7' }] });
    expect(diffHost(wish, elsewhere).addedRoutes).toHaveLength(1);
  });

  it('are a script that a person can read and run', async () => {
    const script = shellScript(plan(bareRouter()), '/run/sidetrack/netns/router');
    await expect(script).toMatchFileSnapshot('./golden/router.sh');
  });

  it('undo what they do', () => {
    const undone = plan(bareRouter()).flatMap(({ undo }) => undo.map(({ argv }) => argv.join(' ')));
    expect(undone).toEqual([
      'rm -f /run/sidetrack/netns/router/state.json',
      'tee /proc/sys/net/ipv4/conf/all/send_redirects',
      'ip -4 route del default via 192.168.1.2 dev br-lan table 250 protocol 150',
      'ip -4 rule del priority 1500 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150',
      'nft -j -f -',
    ]);
  });

  it('a moved server replaces its route and keeps the rest', () => {
    const old = {
      family: 4,
      table: 250,
      destination: 'default',
      type: 'unicast',
      via: '192.168.1.3',
      dev: 'br-lan',
      protocol: 150,
    } as const;
    const diff = diffHost(routerWish(), bareRouter({ routes: [old] }));
    expect(diff.addedRoutes[0]?.replaces?.nextHop?.via).toBe('192.168.1.3');
    expect(diff.removedRoutes).toEqual([]);
  });

  it('remove only what carries our protocol number', () => {
    const foreign = {
      family: 4,
      priority: 1400,
      iif: 'br-lan',
      mark: 150,
      mask: 255,
      table: 250,
    } as const;
    const ours = { ...foreign, protocol: 150 };
    expect(diffHost(routerWish(), bareRouter({ ipRules: [foreign] })).removedRules).toEqual([]);
    expect(diffHost(routerWish(), bareRouter({ ipRules: [ours] })).removedRules).toEqual([foreign]);
  });

  it('never lose an original sysctl: a value of ours is not taken for one', () => {
    const observed = bareRouter({
      sysctls: {
        'net/ipv4/conf/all/send_redirects': '0',
        'net/ipv4/conf/br-lan/send_redirects': '1',
      },
      saved: { version: 1, sysctls: { 'net/ipv4/conf/all/send_redirects': '1' }, objects: {} },
    });
    const remember = plan(observed)[0]!;
    expect(JSON.parse(remember.stdin!)).toMatchObject({
      sysctls: {
        'net/ipv4/conf/all/send_redirects': '1',
        'net/ipv4/conf/br-lan/send_redirects': '1',
      },
    });
  });

  it('a sysctl that is no longer wanted goes back to its original', () => {
    const key = 'net/ipv4/conf/br-lan/rp_filter';
    const observed = bareRouter({
      sysctls: { ...bareRouter().sysctls, [key]: '2' },
      saved: { version: 1, sysctls: { [key]: '1' }, objects: {} },
    });
    expect(diffHost(routerWish(), observed).restoredSysctls).toEqual([
      { key, value: '1', from: '2' },
    ]);
  });

  it('down on a host without us does nothing', () => {
    const observed = bareRouter();
    const nothing = { ...diffHost(routerWish(), observed), removedRules: [], removedRoutes: [] };
    expect(downSteps('router', observed, nothing)).toEqual([]);
    expect(
      isEmpty(diffHost({ ...routerWish(), ipRules: [], routes: [], sysctls: [] }, observed)),
    ).toBe(false);
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
