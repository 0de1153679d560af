/** Tables with something of everything, which golden files and nft itself are asked about. */
import type { FlowTarget } from '../../../control/nft/flow-target.js';
import type { RouterTableInput } from '../../../control/nft/router-table.js';
import { type ServerTableInput, serverTable } from '../../../control/nft/server-table.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';

export const TARGET: FlowTarget = {
  number: 0,
  name: 'server1',
  families: [4, 6],
  mark: { value: 150, mask: 0xff },
};

export const ROUTER: RouterTableInput = {
  policy: {
    rules: [
      {
        name: 'lan',
        to: PrefixSet.parse('10.0.0.0/8', 'fc00::/7'),
        toName: 'lan',
        action: 'direct',
      },
      {
        name: 'mail',
        proto: 'tcp',
        ports: [
          { first: 25, last: 25 },
          { first: 465, last: 587 },
        ],
        action: 'direct',
      },
      {
        name: 'tv',
        from: { addresses: PrefixSet.parse('192.168.1.40'), macs: ['02:00:00:00:00:40'] },
        to: PrefixSet.parse('198.51.100.1-198.51.100.6', '2001:db8::1'),
        action: 'block',
      },
      { name: 'rest', proto: 'tcp', action: 'proxy' },
    ],
    default: 'direct',
  },
  interfaces: ['br-lan'],
  routerMacs: ['02:00:00:00:01:01'],
  serverMacs: ['02:00:00:00:01:02'],
  serverAddresses: { v4: ['192.168.1.2'], v6: ['fd00::2'] },
  targets: [TARGET],
  flowTableSize: 1000,
  maxFlowsPerClient: 250,
  onFailure: 'direct',
};

export const SERVER: ServerTableInput = {
  interface: 'eth0',
  routerMacs: ['02:00:00:00:00:01'],
  address: { v4: '192.168.1.2', v6: 'fd00::2' },
  port: 12345,
};

/** By TPROXY, for these families. */
export const diverting = (families: (4 | 6)[]) =>
  serverTable({ ...SERVER, tproxy: { mark: { value: 151, mask: 0xff }, families } });

/** Where server1's interface is a port of a bridge of its own. */
export const bridged = () =>
  serverTable({ ...SERVER, bridge: { mac: '02:00:00:00:00:02', zone: 151 } });
