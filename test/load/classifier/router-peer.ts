/**
 * `router-peer.js WAY POLICY…`, on the router: attaches the classifier with the first policy, then
 * with the next one for each line `swap` that comes in, and says after each line what is counted.
 */
import { createInterface } from 'node:readline';
import { attachClassifier } from '../../../bpf/classifier.js';
import { readStats } from '../../../bpf/stats.js';
import { parseAddress } from '../../../control/config/address.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import { guardedPolicy } from '../../../control/policy/guard-rules.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import { CLASSIFIER_OBJECT, CLASSIFIER_PINS } from './paths.js';
import { FLOW_TABLE_SIZE, MARK, POLICIES, type PolicyName, SERVER_MAC } from './router.js';

const [way, ...names] = process.argv.slice(2) as [string, ...PolicyName[]];

const guards = {
  serverMacs: [SERVER_MAC],
  serverAddresses: PrefixSet.parse(ADDRESS.server1.v4, ADDRESS.server1.v6),
  localAddresses: PrefixSet.parse(ADDRESS.router.v4, ADDRESS.router.v6, ADDRESS.wan.v4),
};
const policies = names.map((name) => guardedPolicy(POLICIES[name](), guards));

async function attach(turn: number): Promise<void> {
  await attachClassifier({
    directory: CLASSIFIER_PINS,
    object: CLASSIFIER_OBJECT,
    interfaces: ['br-lan'],
    flowTableSize: FLOW_TABLE_SIZE,
    policy: policies[turn % policies.length]!,
    steering: {
      targets: [
        {
          mark: MARK,
          nextHop: { v4: parseAddress(ADDRESS.server1.v4) as number },
          macs: [SERVER_MAC],
          routeInterface: { v4: 'br-lan' },
          ...(way === 'mark' ? {} : { redirectInterface: 'br-lan' }),
        },
      ],
      serverAddresses: Object.values(ADDRESS.server1).map((text) => parseAddress(text)!),
      onFailure: 'direct',
      maxFlowsPerClient: FLOW_TABLE_SIZE,
    },
    xdp: way === 'xdp',
  });
}

const sayStats = () => console.log(JSON.stringify(readStats(CLASSIFIER_PINS)));

let turn = 0;
await attach(turn++);
if (policies.length > 1) {
  sayStats();
  for await (const line of createInterface(process.stdin)) {
    if (line === 'swap') await attach(turn++);
    sayStats();
  }
}
