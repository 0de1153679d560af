/** What the relay's guard hears of the machine's addresses. */
import { expect, it } from 'vitest';
import { attached, watchAttached } from '../../../control/cli/relay/attached.js';
import { parseConfig } from '../../../control/config/load.js';
import { relayGuard } from '../../../control/policy/relay-guard.js';
import type { DestinationTable } from '../../../proxy/routes.js';

it('hears of what has come since the configuration was read', async () => {
  const config = await parseConfig(
    'test.yaml',
    `router: { host: local, interfaces: [br-lan] }
servers: [{ host: local, interface: eth0, address: 192.168.1.2 }]`,
  );
  const guards: DestinationTable[] = [];
  const end = watchAttached({ setGuard: (guard) => guards.push(guard) }, () => config);
  end();
  expect(guards).toEqual([relayGuard(config, attached())]);
});
