import { expect, it } from 'vitest';
import { parseConfig } from '../../../control/config/load.js';
import { routerState } from '../../../control/plan/router.js';
import { compilePolicy } from '../../../control/policy/compile.js';
import { bareRouter } from './fixtures.js';

const parsed = (classifier: string, takesOver: boolean) =>
  parseConfig(
    'a.yaml',
    `router: { host: local, interfaces: [br-lan], classifier: ${classifier}, takes_over: ${takesOver} }
servers: [{ host: local, interface: eth0, address: 192.168.1.2 }]`,
  );

it('takes_over is for nftables', async () => {
  await expect(parsed('ebpf', true)).rejects.toThrow(/takes in no flows that began elsewhere/);
  await parsed('ebpf', false);
});

it('takes_over leaves the chains there that take in live flows', async () => {
  const chainsOf = async (takesOver: boolean) => {
    const config = await parsed('nftables', takesOver);
    const serverMacs = new Map([['server1', '02:00:00:00:00:09']]);
    const state = routerState({
      ...{ config, policy: compilePolicy(config), router: bareRouter(), serverMacs },
    });
    return state.table?.chains.map(({ name }) => name);
  };
  expect(await chainsOf(true)).toEqual(expect.arrayContaining(['adopt', 'adopted']));
  expect(await chainsOf(false)).not.toContain('adopt');
});
