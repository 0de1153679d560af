import { ADDRESS } from '../../../control/lab/topology.js';
import type { RouterTableInput } from '../../../control/nft/router-table.js';
import { SERVER_MAC } from './world.js';

/** The lab's router, without a policy. */
export const ROUTER: Omit<RouterTableInput, 'policy'> = {
  interfaces: ['br-lan', 'lan2'],
  routerMacs: [],
  serverMacs: [SERVER_MAC],
  serverAddresses: { v4: [ADDRESS.server1.v4], v6: [ADDRESS.server1.v6] },
  targets: [{ number: 0, name: 'server1', families: [4, 6], mark: { value: 150, mask: 0xff } }],
  flowTableSize: 4096,
  maxFlowsPerClient: 4096,
  onFailure: 'direct',
};
