/** What a router is to have: rules, routes, sysctls and files. */
import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../../control/config/load.js';
import { routerState } from '../../../control/plan/router.js';
import type { ObservedHost } from '../../../control/plan/state.js';
import { resetMark, targetsOf } from '../../../control/plan/targets.js';
import { compilePolicy } from '../../../control/policy/compile.js';
import { bareRouter } from './fixtures.js';

interface Changes {
  interfaces?: string;
  classifier?: string;
  address?: string;
  rest?: string;
}

async function wanted(changes: Changes = {}, observed: Partial<ObservedHost> = {}) {
  const { interfaces = '[br-lan]', classifier = 'nftables', rest = '' } = changes;
  const { address = '[192.168.1.2, "fd00:1::2"]' } = changes;
  const config = await parseConfig(
    'a.yaml',
    `router: { host: local, interfaces: ${interfaces}, classifier: ${classifier} }
servers: [{ host: local, interface: eth0, address: ${address} }]
${rest}`,
  );
  const router = bareRouter(observed);
  const serverMacs = new Map([['server1', '02:00:00:00:00:09']]);
  return routerState({ config, policy: compilePolicy(config), router, serverMacs });
}

describe('policy rules', () => {
  it('are there for each interface, and two more for the question whether the route is there', async () => {
    const { ipRules } = await wanted({ interfaces: '[br-lan, lan2]' });
    const ofIpv4 = ipRules.filter(({ family }) => family === 4);
    expect(ofIpv4.map(({ priority, iif, mark, table }) => [priority, iif, mark, table])).toEqual([
      [1500, 'br-lan', 0x96, 250],
      [1500, 'lan2', 0x96, 250],
      [1500, 'lo', 0x69, 250],
      // What the table does not answer is answered by nothing else.
      [1501, 'lo', 0x69, undefined],
    ]);
    expect(ipRules.filter(({ family }) => family === 6)).toHaveLength(ofIpv4.length);
  });

  it('are without those two beside the eBPF classifier, which asks as the interface', async () => {
    const { ipRules, classifier } = await wanted({ classifier: 'ebpf' });
    expect(ipRules.map(({ family, iif }) => [family, iif])).toEqual([
      [4, 'br-lan'],
      [6, 'br-lan'],
    ]);
    expect(classifier).toBeDefined();
  });

  it('and routes are of the families that the server has', async () => {
    const { ipRules, routes } = await wanted({ address: '192.168.1.2' });
    expect(new Set([...ipRules, ...routes].map(({ family }) => family))).toEqual(new Set([4]));
  });
});

it('on_failure: block has a last route in each family, behind the one to the server', async () => {
  const direct = await wanted();
  const blocking = await wanted({ rest: 'on_failure: block' });
  const added = blocking.routes.filter(({ nextHop }) => nextHop === undefined);
  expect(added.map(({ family }) => family)).toEqual([4, 6]);
  expect(blocking.routes.filter(({ nextHop }) => nextHop)).toEqual(direct.routes);
});

describe('on_failure: reset beside the eBPF classifier', () => {
  const RESET = { classifier: 'ebpf', rest: 'on_failure: reset' };

  it('has a mark by which nftables answers, and which no route takes when its table is gone', async () => {
    const { ipRules, classifier, table } = await wanted(RESET);
    const mark = { value: 0xff, mask: 0xff };
    expect(classifier?.spec).toMatchObject({ onFailure: 'reset', resetMark: mark });
    expect(JSON.stringify(table)).toContain('tcp reset');
    const refusing = ipRules.filter(({ table: id }) => id === undefined);
    expect(refusing.map(({ family, iif, mark: value }) => [family, iif, value])).toEqual([
      [4, 'br-lan', 0xff],
      [6, 'br-lan', 0xff],
    ]);
  });

  it.each([
    ['a server has the highest mark', 0x3, 0x3, 0x2],
    ['no bit is left', 0x8, 0x8, undefined],
  ])('where %s', async (_, value, mask, expected) => {
    const config = await parseConfig(
      'a.yaml',
      `router: { host: local, interfaces: [br-lan], classifier: ebpf, mark: { value: ${value}, mask: ${mask} } }
servers: [{ host: local, interface: eth0, address: 192.168.1.2 }]
on_failure: reset`,
    );
    expect(resetMark(config, targetsOf(config, bareRouter()))?.value).toBe(expected);
  });
});

describe('reverse-path filtering', () => {
  const KEY = 'net/ipv4/conf/br-lan/rp_filter';
  const loosened = async (interfaces: string, observed: Partial<ObservedHost>) =>
    (await wanted({ interfaces }, observed)).sysctls.filter(({ key }) => key.endsWith('rp_filter'));
  const strict = (key = KEY) => ({ sysctls: { ...bareRouter().sysctls, [key]: '1' } });

  it('is loosened towards the server where clients of another subnet can be', async () => {
    const loose = [{ key: KEY, value: '2' }];
    expect(await loosened('[br-lan, lan2]', strict())).toEqual(loose);
    expect(await loosened('[br-lan, lan2]', strict('net/ipv4/conf/all/rp_filter'))).toEqual(loose);
    expect(await loosened('[br-lan]', strict())).toEqual([]);
  });

  it('is left alone where it is not strict, and stays as we have loosened it', async () => {
    expect(await loosened('[br-lan, lan2]', {})).toEqual([]);
    const sysctls = { ...bareRouter().sysctls, [KEY]: '2' };
    expect(await loosened('[br-lan, lan2]', { sysctls })).toEqual([]);
  });
});

it('ICMP redirects are off for all, for interfaces to come and for each of the clients', async () => {
  const { sysctls } = await wanted({ interfaces: '[br-lan, lan2]' });
  expect(sysctls).toEqual(
    ['all', 'default', 'br-lan', 'lan2'].map((name) => ({
      key: `net/ipv4/conf/${name}/send_redirects`,
      value: '0',
    })),
  );
});

it('the table has a name only on a host whose /etc is its own', async () => {
  expect((await wanted()).files).toEqual([]);
  expect((await wanted({}, { ownsEtc: true })).files).toHaveLength(1);
});
