import { expect, it } from 'vitest';
import { parseConfig } from '../../../control/config/load.js';
import { routerState } from '../../../control/plan/router.js';
import { routeProbe, targetsOf } from '../../../control/plan/targets.js';
import { compilePolicy } from '../../../control/policy/compile.js';
import { bareRouter } from './fixtures.js';

const parsed = (address: string, classifier = 'nftables', mark = '') =>
  parseConfig(
    'test.yaml',
    `router: { host: local, interfaces: [br-lan], classifier: ${classifier}${mark} }
servers: [{ host: local, interface: eth0, address: ${address} }]`,
  );
const BOTH = '[192.168.1.2, "fd00:1::2"]';
const MACS = new Map([
  ['server1', '02:00:00:00:00:09'],
  ['server2', '02:00:00:00:00:0a'],
]);

/** What the file may not say yet: a server for each family. */
async function divided(classifier?: string) {
  const config = await parsed(BOTH, classifier);
  const servers = config.servers.flatMap((server) => [
    { ...server, address: { v4: '192.168.1.2' } },
    { ...server, name: 'server2', address: { v6: 'fd00:1::2' } },
  ]);
  return { ...config, servers };
}

it('makes a target of a server', async () => {
  expect(targetsOf(await parsed(BOTH), bareRouter(), { macs: MACS })).toEqual([
    {
      number: 0,
      name: 'server1',
      hops: [
        { family: 4, via: '192.168.1.2', dev: 'br-lan' },
        { family: 6, via: 'fd00:1::2', dev: 'br-lan' },
      ],
      addresses: { v4: ['192.168.1.2'], v6: ['fd00:1::2'] },
      mac: '02:00:00:00:00:09',
      mark: { value: 150, mask: 0xff },
      table: { id: 250, name: 'server1' },
      weight: 1,
      backup: false,
      drained: false,
      // Its key is not known here.
      health: 'route',
      macFixed: false,
    },
  ]);
});

it('has a hop without a device where the router is not on the subnet', async () => {
  const targets = targetsOf(await parsed('10.9.9.9'), bareRouter());
  expect(targets.map(({ hops }) => hops)).toEqual([[{ family: 4, via: '10.9.9.9' }]]);
});

it('cannot ask for the route where the mask has no bit to spare', async () => {
  const full = await parsed(BOTH, 'nftables', ', mark: { value: 255, mask: 0xff }');
  expect(targetsOf(full, bareRouter()).map(routeProbe)).toEqual([undefined]);
});

it.each(['nftables', 'ebpf'])('gives each of two servers its family: %s', async (classifier) => {
  const config = await divided(classifier);
  const policy = compilePolicy(config);
  const state = routerState({ config, policy, router: bareRouter(), serverMacs: MACS });
  expect(state.routes.map(({ nextHop }) => nextHop?.via)).toEqual(['192.168.1.2', 'fd00:1::2']);
  const elements = (wanted: string) =>
    state.table.sets.find(({ name }) => name === wanted)?.elements;
  expect(elements('server_macs')).toEqual([...MACS.values()]);
  expect([elements('server4'), elements('server6')]).toEqual([['192.168.1.2'], ['fd00:1::2']]);
});
