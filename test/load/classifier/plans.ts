/** What the classifier must reach: data only. */
import type { RowPlan } from './rows.js';

const TRIE = 'LPM trie';
const NS = 'ns per lookup';

const lookups = (
  [
    ['v4', 10_000, 8],
    ['v4', 100_000, 20],
    ['v4', 1_000_000, 40],
    ['v6', 100_000, 5],
  ] as const
).map(
  ([family, prefixes, times]): RowPlan => ({
    case: `IP${family} lookup, ${prefixes} prefixes`,
    unit: NS,
    ours: `${family} ${prefixes} ours`,
    rivals: { [TRIE]: `${family} ${prefixes} trie` },
    atMost: { [TRIE]: 1 / times },
  }),
);

const FLOODS = [
  ['SYN', 'flood of first packets, 10 rules'],
  ['ACK', 'flood of packets of 65536 established flows, 10 rules'],
] as const;
const WAYS = [
  ['mark', 'mark', undefined],
  ['redirect', 'redirect', 1.5],
  ['xdp', 'redirect in XDP', 3],
] as const;

const floods = FLOODS.flatMap(([kind, text]) =>
  WAYS.map(
    ([way, label, bound]): RowPlan => ({
      case: `${label}, ${text}`,
      unit: "thousand per busy second of the router's core",
      ours: `${kind} ${way}`,
      rivals: { 'nftables classifier': `${kind} nftables` },
      ...(bound !== undefined && { atLeast: { 'nftables classifier': bound } }),
    }),
  ),
);

export const ROWS: readonly RowPlan[] = [
  ...lookups,
  {
    case: 'IPv4 lookup, 1000000 prefixes beside 10000',
    unit: NS,
    ours: 'v4 1000000 ours',
    rivals: { '10000 prefixes': 'v4 10000 ours' },
    atMost: { '10000 prefixes': 1.5 },
  },
  {
    case: 'whole program, first packet of 65536 flows',
    unit: 'ns per packet',
    ours: 'first',
    rivals: { 'empty program': 'empty' },
  },
  {
    case: 'whole program, 65536 established flows',
    unit: 'ns per packet',
    ours: 'established',
    rivals: { 'empty program': 'empty', 'empty program and a hash lookup': 'hash' },
    atMost: { 'empty program and a hash lookup': 3 },
  },
  {
    case: 'read, compile and load 1000000 prefixes',
    unit: 'ms',
    ours: 'load ours',
    rivals: { 'nft -f': 'load nft' },
    atMost: { 'nft -f': 1 / 4 },
  },
  {
    case: 'tables of 1000000 prefixes',
    unit: 'MiB',
    ours: 'tables',
    rivals: {},
    limit: 64,
  },
  ...floods,
];
