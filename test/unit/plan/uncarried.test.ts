/** The server's address of a family that no upstream carries: nothing is handed to it, and it is the server's all the same. */
import { expect, it } from 'vitest';
import { parseConfig } from '../../../control/config/load.js';
import { routerState } from '../../../control/plan/router.js';
import { compilePolicy } from '../../../control/policy/compile.js';
import { bareRouter } from './fixtures.js';

async function stateWith(classifier: string) {
  const config = await parseConfig(
    'test.yaml',
    `router: { host: local, interfaces: [br-lan], classifier: ${classifier} }
servers: [{ host: local, interface: eth0, address: [192.168.1.2, "fd00:1::2"] }]
relay: { upstreams: [{ name: proxy, url: "socks5://192.0.2.1:1080", families: ipv4 }] }
on_failure: block`,
  );
  const policy = compilePolicy(config);
  const serverMacs = new Map([['server1', '02:00:00:00:00:09']]);
  return routerState({ config, policy, router: bareRouter(), serverMacs });
}

it.each(['nftables', 'ebpf'])('is guarded by %s', async (classifier) => {
  const { table, routes, classifier: attached } = await stateWith(classifier);
  const set = table.sets.find(({ name }) => name === 'server6');
  expect(set?.elements).toEqual(['fd00:1::2']);
  expect(routes.map(({ family }) => family)).not.toContain(6);
  const guard = attached?.spec.rules.find(({ to }) => to !== undefined);
  if (attached) expect(attached.spec.sets[guard!.to!]).toContain('fd00:1::2/128');
});
