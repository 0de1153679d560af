/** Random desired states of one host, and hosts on which others have been at work. */
import fc from 'fast-check';
import { type Chain, NFT_RUN, type NftSet, type Table } from '../../../control/nft/json.js';
import { tableNameFile } from '../../../control/plan/own-files.js';
import {
  type DesiredClassifier,
  type Family,
  type HostState,
  type IpRule,
  LAST_METRIC,
  type ObservedHost,
  type Route,
} from '../../../control/plan/state.js';
import type { ClassifierSpec } from '../../../control/policy/classifier-spec.js';
import { bareRouter } from '../plan/fixtures.js';

const FAMILIES: readonly Family[] = [4, 6];
const TABLES = [250, 251];
const HOPS: readonly (Pick<Route, 'nextHop' | 'local'> | undefined)[] = [
  undefined,
  { nextHop: { via: '192.168.1.2', dev: 'br-lan' } },
  { nextHop: { via: '192.168.1.3', dev: 'lan2' } },
  { local: true },
];

/** Of each family and table at most one that leads somewhere, and one that refuses. */
const routes: fc.Arbitrary<Route[]> = fc
  .tuple(
    ...FAMILIES.flatMap((family) =>
      TABLES.map((table) =>
        fc
          .tuple(fc.constantFrom(...HOPS), fc.boolean())
          .map(([hop, refuses]): Route[] => [
            ...(hop ? [{ family, table, ...hop }] : []),
            ...(refuses ? [{ family, table, metric: LAST_METRIC }] : []),
          ]),
      ),
    ),
  )
  .map((lists) => lists.flat());

const rules: fc.Arbitrary<IpRule[]> = fc.subarray(
  FAMILIES.flatMap((family): IpRule[] => [
    { family, priority: 1500, iif: 'br-lan', mark: 0x96, mask: 0xff, table: 250 },
    { family, priority: 1500, iif: 'lan2', mark: 0x96, mask: 0xff, table: 251 },
    { family, priority: 1501, iif: 'lo', mark: 0x69, mask: 0xff },
    { family, priority: 1600, iif: 'br-lan', table: 254, suppressPrefixLength: 0 },
    { family, priority: 1601, iif: 'br-lan' },
  ]),
);

const SYSCTLS = ['net/ipv4/conf/all/send_redirects', 'net/ipv4/conf/all/rp_filter', 'net/absent'];
const digit = fc.constantFrom('0', '1', '2');
const sysctls = fc
  .subarray(SYSCTLS)
  .chain((keys) =>
    fc
      .array(digit, { minLength: keys.length, maxLength: keys.length })
      .map((values) => keys.map((key, i) => ({ key, value: values[i]! }))),
  );

const files = fc
  .subarray([250, 251])
  .map((ids) => ids.slice(0, 1).map((id) => tableNameFile({ id, name: 'server1' })));

const elements = fc.subarray(['192.0.2.1', '192.0.2.2', '192.0.2.3']);
const staticSets: fc.Arbitrary<NftSet[]> = fc
  .tuple(
    fc.subarray(['own', 'list']),
    elements,
    fc.constantFrom('interval', 'ipv4_addr', 'ether_addr'),
  )
  .map(([names, members, type]) =>
    names.map((name) =>
      type === 'interval'
        ? { name: `long_${name}`, type: 'ipv4_addr', flags: [type], elements: members }
        : { name, type, elements: members },
    ),
  );

const flowSets: fc.Arbitrary<NftSet[]> = fc
  .tuple(fc.subarray(['flows4', 'closing4']), fc.constantFrom(1000, 2000))
  .map(([names, size]) =>
    names.map((name) => ({ name, type: 'ipv4_addr', size, flags: ['timeout'], timeout: 60 })),
  );

const hook = (prio: number) => ({ type: 'filter', hook: 'prerouting', prio }) as const;
const chains: fc.Arbitrary<(sets: readonly NftSet[]) => Chain[]> = fc
  .tuple(fc.constantFrom(-300, -290), fc.boolean(), fc.constantFrom('rule a', 'rule b'))
  .map(([prio, second, comment]) => (sets) => [
    ...(second ? [{ name: 'steer', rules: [{ comment, expr: [{ accept: null }] }] }] : []),
    {
      name: 'prerouting',
      hook: hook(prio),
      rules: [
        ...sets.map(({ name }) => ({
          comment: name,
          expr: [
            { match: { op: '==' as const, left: { meta: { key: 'mark' } }, right: `@${name}` } },
          ],
        })),
        ...(second ? [{ expr: [{ goto: { target: 'steer' } }] }] : []),
      ],
    },
  ]);

const classifiers: fc.Arbitrary<DesiredClassifier | undefined> = fc.constantFrom(
  undefined,
  ...['one', 'two'].map((digest) => ({
    spec: {
      interfaces: ['br-lan'],
      forwarding: 'mark',
      targets: [],
    } as unknown as ClassifierSpec,
    digest,
  })),
);

/** Where the eBPF classifier judges, the table holds no flows. */
export const desiredState: fc.Arbitrary<HostState> = fc
  .tuple(routes, rules, sysctls, files, staticSets, flowSets, chains, classifiers)
  .map(([routed, ruled, set, named, fixed, dynamic, chained, classifier]) => {
    const sets = classifier ? fixed : [...fixed, ...dynamic];
    const table: Table = { family: 'inet', name: 'sidetrack', sets, chains: chained(sets) };
    const state = { name: 'router', table, routes: routed, ipRules: ruled };
    return { ...state, sysctls: set, files: named, ...(classifier && { classifier }) };
  });

/** Before sidetrack was there. */
export const bareHost: fc.Arbitrary<ObservedHost> = fc
  .tuple(digit, digit)
  .map(([redirects, filter]) =>
    bareRouter({
      ownsEtc: true,
      sysctls: { [SYSCTLS[0]!]: redirects, [SYSCTLS[1]!]: filter },
    }),
  );

/** What others do to a host that sidetrack has set up. */
export const disturbances = fc.subarray([
  {
    argv: NFT_RUN,
    stdin: JSON.stringify({
      nftables: [{ delete: { table: { family: 'inet', name: 'sidetrack' } } }],
    }),
  },
  { argv: ['rm', '-f', '/etc/iproute2/rt_tables.d/sidetrack.conf'] },
  { argv: ['tee', `/proc/sys/${SYSCTLS[0]}`], stdin: '1\n' },
  { argv: 'ip -4 route del default via 192.168.1.2 dev br-lan table 250 protocol 150'.split(' ') },
  {
    argv: 'ip -4 rule del priority 1500 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150'.split(
      ' ',
    ),
  },
  { argv: 'ip -6 route replace default via fd00::9 dev lan2 table 250 protocol 150'.split(' ') },
]);
