/** A lab whose router steers to server1 as `apply` would have it, by one classifier or another. */
import { FORWARDINGS, type Forwarding } from '../../../control/config/forwarding.js';
import { Lab } from '../../../control/lab/lab.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import { companionTable } from '../../../control/nft/companion-table.js';
import type { NftSet, Table } from '../../../control/nft/json.js';
import { routerTable } from '../../../control/nft/router-table.js';
import { probeMark } from '../../../control/nft/steering.js';
import { recreateTable } from '../../../control/nft/transaction.js';
import type { Policy } from '../../../control/policy/rule.js';
import { writeRanges } from './load.js';
import { PINS, peer } from './paths.js';
import { onlyList, tenRules, tenRulesAndList } from './policies.js';

export type Contestant = 'nftables' | Forwarding;
export const CONTESTANTS: readonly Contestant[] = ['nftables', ...FORWARDINGS];

/** Policies by name, since the router's program makes its own. */
export const POLICIES = {
  'ten rules': tenRules,
  'ten rules, 1 M prefixes': tenRulesAndList,
  'first list': () => onlyList('first'),
  'second list': () => onlyList('second'),
} as const satisfies Record<string, () => Policy>;
export type PolicyName = keyof typeof POLICIES;

export const MARK = { value: 0x96, mask: 0xff } as const;
export const SERVER_MAC = '02:00:00:00:01:02';
export const FLOW_TABLE_SIZE = 1 << 18;
const TABLE = 250;
/** nft takes longer for a million prefixes than for everything else together. */
const LOAD_MS = 120_000;
/** Sets with more elements go to nft as text: as JSON it wants gigabytes. */
const LARGE = 10_000;

const [routerMark, probe] = [`${MARK.value}/${MARK.mask}`, probeMark(MARK)!];
const ROUTER = `
for k in all default br-lan; do echo 0 > /proc/sys/net/ipv4/conf/$k/send_redirects; done
ip rule add iif br-lan fwmark ${routerMark} lookup ${TABLE}
ip rule add iif lo fwmark ${probe}/${MARK.mask} lookup ${TABLE}
ip route add default via ${ADDRESS.server1.v4} dev br-lan table ${TABLE}
ip neigh replace ${ADDRESS.server1.v4} lladdr ${SERVER_MAC} dev br-lan nud permanent`;

/** The bridge learns where server1 is, which XDP must know. */
const SERVER = `ping -c1 -W2 ${ADDRESS.router.v4}`;

const nft = (lab: Lab, argv: readonly string[], stdin: string) =>
  lab.check('router', ['nft', ...argv, '-f', '-'], { stdin, timeoutMs: LOAD_MS });

async function loadTable(lab: Lab, table: Table, policy: Policy): Promise<void> {
  const isLarge = ({ elements }: NftSet) => (elements?.length ?? 0) > LARGE;
  const sets = table.sets.map((set) => {
    if (!isLarge(set)) return set;
    const { elements: _elements, ...empty } = set;
    return empty;
  });
  await nft(lab, ['-j'], JSON.stringify(recreateTable({ ...table, sets })));
  const list = policy.rules.find(({ to }) => to !== undefined)?.to;
  for (const { name } of table.sets.filter(isLarge))
    await nft(lab, [], `add element inet ${table.name} ${name} {\n${writeRanges(list!)}\n}`);
}

const IDENTITY = {
  routerMacs: [],
  serverMacs: [SERVER_MAC],
  serverAddresses: { v4: [ADDRESS.server1.v4], v6: [] },
};

async function loadNftables(lab: Lab, policy: Policy): Promise<void> {
  const table = routerTable({
    policy,
    interfaces: ['br-lan'],
    ...IDENTITY,
    targets: [
      {
        number: 0,
        name: 'server1',
        families: [4],
        mark: MARK,
        probe: { mark: probe, devices: { 4: 'br-lan' } },
      },
    ],
    flowTableSize: FLOW_TABLE_SIZE,
    // One client opens them all.
    maxFlowsPerClient: FLOW_TABLE_SIZE,
    onFailure: 'direct',
  });
  await loadTable(lab, table, policy);
}

async function loadEbpf(lab: Lab, contestant: Contestant, policy: PolicyName): Promise<void> {
  const table = companionTable({
    interfaces: ['br-lan'],
    ...IDENTITY,
    targets: [{ number: 0, name: 'server1', families: [4], mark: MARK }],
  });
  await nft(lab, ['-j'], JSON.stringify(recreateTable(table)));
  await lab.check('router', peer('router-peer', contestant, policy), { timeoutMs: LOAD_MS });
}

export const mountPins = (lab: Lab) =>
  lab.check(undefined, ['sh', '-ec', `mkdir -p ${PINS} && mount -t bpf bpf ${PINS}`]);

/** Without XDP on the way yet: that wants the server in the bridge's table. */
export async function startRouter(
  contestant: Contestant,
  policy: PolicyName,
  prepare: (lab: Lab) => Promise<void>,
): Promise<Lab> {
  const lab = await Lab.start();
  try {
    await mountPins(lab);
    await lab.check('router', ['sh', '-ec', ROUTER]);
    await lab.check('server1', ['sh', '-ec', SERVER]);
    await prepare(lab);
    await (contestant === 'nftables'
      ? loadNftables(lab, POLICIES[policy]())
      : loadEbpf(lab, contestant, policy));
    return lab;
  } catch (error) {
    lab.stop();
    throw error;
  }
}
