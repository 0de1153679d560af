/** Routes that another program installs, and what FRR is told for them. */
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../control/config/load.js';
import { type FrrOptions, frrFiles } from '../../../control/plan/frr.js';
import { checkRouter } from '../../../control/plan/preflight.js';
import { routerState } from '../../../control/plan/router.js';
import { LAST_METRIC, type ObservedRoute } from '../../../control/plan/state.js';
import { rememberedTargets, targetsOf } from '../../../control/plan/targets.js';
import { compilePolicy } from '../../../control/policy/compile.js';
import { bareRouter } from './fixtures.js';

const config = (route: string, address = '192.168.1.2', rest = '') =>
  parseConfig(
    'a.yaml',
    `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: ${address}, health: route${route} }]
${rest}`,
  );

const EXTERNAL = ', route: external';
const found = (via: string, protocol = 196): ObservedRoute => ({
  ...{ family: 4, table: 250, destination: 'default', type: 'unicast' },
  ...{ via, dev: 'br-lan', metric: 20, protocol },
});
const routerWith = (...routes: ObservedRoute[]) =>
  bareRouter({ routes: [...bareRouter().routes, ...routes] });

describe('route: external', () => {
  it('has no route of ours but the last one of an on_failure that refuses', async () => {
    const stateOf = async (rest: string) => {
      const made = await config(EXTERNAL, undefined, rest);
      return routerState({
        config: made,
        policy: compilePolicy(made),
        router: routerWith(found('192.168.1.2')),
        serverMacs: new Map([['server1', '02:00:00:00:00:09']]),
      });
    };
    expect((await stateOf('')).routes).toEqual([]);
    expect((await stateOf('on_failure: block')).routes).toEqual([
      { family: 4, table: 250, metric: LAST_METRIC },
    ]);
    expect((await stateOf('')).ipRules.map(({ table }) => table)).toContain(250);
  });

  it('lets another program have the default route there, and nothing else', async () => {
    const errors = async (route: string, ...routes: ObservedRoute[]) =>
      checkRouter(await config(route), routerWith(...routes)).errors.map(({ message }) => message);
    expect(await errors('', found('192.168.1.2'))).toEqual([
      expect.stringContaining('already holds routes that sidetrack did not make'),
    ]);
    expect(await errors(EXTERNAL, found('192.168.1.2'))).toEqual([]);
    const other = { ...found('192.168.1.2'), destination: '198.51.100.0/24' };
    expect(await errors(EXTERNAL, other)).toHaveLength(1);
  });

  it.each([
    ['no route', [], true],
    ['one of ours', [found('192.168.1.2', 150)], true],
    ['one elsewhere', [found('192.168.1.3')], true],
    ['its route', [found('192.168.1.2')], false],
  ])('warns where there is not its route: %s', async (_, routes, warned) => {
    const { warnings } = checkRouter(await config(EXTERNAL), routerWith(...routes));
    expect(warnings.some(({ message }) => /no IPv4 default route via/.test(message))).toBe(warned);
  });

  it('is on the link by what the other program has installed', async () => {
    const off = await config(EXTERNAL, '10.9.0.2');
    const problems = (...routes: ObservedRoute[]) =>
      checkRouter(off, routerWith(...routes)).errors.map(({ message }) => message);
    expect(problems()).toEqual([expect.stringContaining('10.9.0.2 is on no subnet')]);
    expect(problems(found('10.9.0.2'))).toEqual([]);
    expect(problems({ ...found('10.9.0.2'), dev: 'wan' })).toHaveLength(1);
    expect(targetsOf(off, routerWith(found('10.9.0.2')))[0]?.hops[0]?.dev).toBe('br-lan');
  });

  it('is remembered of a server that leaves the file', async () => {
    const saved = rememberedTargets(targetsOf(await config(EXTERNAL), bareRouter()));
    expect(saved[0]).toMatchObject({ external: true });
    const next = await config('', '192.168.1.7');
    const router = bareRouter({
      saved: { version: 1, sysctls: {}, objects: {}, targets: [{ ...saved[0]!, name: 'old' }] },
    });
    const leaving = targetsOf(next, router).find(({ leaves }) => leaves);
    expect(leaving).toMatchObject({ name: 'old', external: true });
  });
});

describe('export frr', () => {
  const OPTIONS: FrrOptions = { service: { 4: '10.9.0.0', 6: 'fd00:9::' }, asn: 65010 };
  const textsOf = async (address: string) =>
    new Map(
      frrFiles(await config('', address), bareRouter(), OPTIONS).map(({ host, text }) => [
        host,
        text,
      ]),
    );

  it('has a route by what is announced, and takes nothing else from a server', async () => {
    const texts = await textsOf('[192.168.1.2, "fd00:1::2"]');
    expect([...texts.keys()]).toEqual(['router', 'server1']);
    const router = texts.get('router')!;
    expect(router).toContain('\nip route 0.0.0.0/0 10.9.0.1 table 250\n');
    expect(router).toContain('\nipv6 route ::/0 fd00:9::1 table 250\n');
    expect(router).toContain(' neighbor 192.168.1.2 remote-as 65011\n');
    expect(router).toContain('  neighbor 192.168.1.2 route-map sidetrack-server1-4 in\n');
    expect(router).toContain('  neighbor 192.168.1.2 route-map sidetrack-none out\n');
    const server = texts.get('server1')!;
    expect(server).toContain(' ip address 10.9.0.1/32\n');
    expect(server).toContain(' neighbor fd00:1::1 bfd profile sidetrack\n');
    expect(server).toContain('  network fd00:9::1/128\n');
    expect(server).not.toContain(' table ');
  });

  it('gives routers without IPv4 numbers that differ', async () => {
    const texts = await textsOf('"fd00:1::2"');
    expect(texts.get('router')).toContain('bgp router-id 0.0.0.1\n');
    expect(texts.get('server1')).toContain('bgp router-id 0.0.0.2\n');
    expect(texts.get('router')).not.toContain('ipv4 unicast\n  neighbor');
  });

  it('refuses a server that is not on a link of the router', async () => {
    await expect(textsOf('10.9.9.2')).rejects.toMatchObject({ code: 'not-on-link' });
  });
});
