/** Tables of routers that hear heartbeats, for golden files, nft itself and the transactions. */
import type { BeatingTarget } from '../../../control/nft/flow-target.js';
import { type RouterTableInput, routerTable } from '../../../control/nft/router-table.js';
import { ROUTER, TARGET } from './tables.js';

export const TAG = '00112233445566778899aabbccddeeff';
export const SECOND_TAG = 'ffeeddccbbaa99887766554433221100';
export const HEALTH = { rise: 3, resetAfterSeconds: 10, port: 9155 };

/** Its MAC is followed. */
export const FIRST: BeatingTarget = {
  ...TARGET,
  probe: { mark: 0x69, devices: { 4: 'br-lan', 6: 'br-lan' } },
  heartbeat: { tag: TAG, addresses: { 4: '192.168.1.2', 6: 'fd00::2' } },
};

/** A backup without IPv6, with a MAC that is fixed. */
export const SECOND: BeatingTarget = {
  number: 1,
  name: 'server2',
  families: [4],
  mark: { value: 151, mask: 0xff },
  backup: true,
  heartbeat: {
    tag: SECOND_TAG,
    addresses: { 4: '192.168.9.3' },
    mac: '02:00:00:00:01:03',
  },
};

export const HEALTHY: RouterTableInput = {
  ...ROUTER,
  targets: [FIRST, SECOND],
  health: HEALTH,
  serverInterfaces: ['br-lan', 'dmz'],
  onFailure: 'block',
};

export const healthy = (changes: Partial<RouterTableInput> = {}) =>
  routerTable({ ...HEALTHY, ...changes });

/** Three that share: two levels of slots, IPv4 alone. */
export const THREE = [FIRST, { ...SECOND, backup: false }].concat({
  ...SECOND,
  backup: false,
  number: 2,
  name: 'server3',
});
