/** What the classifier must reach: data only. */
import { BEFORE } from '../contestants.js';
import { BEATING } from './beats.js';
import type { RowPlan } from './rows.js';

const TRIE = 'LPM trie';
const NS = 'ns per lookup';

const SHORT = { 10000: '10 k', 100000: '100 k', 1000000: '1 M' } as const;

const lookups = (
  [
    ['v4', 10_000, 8],
    ['v4', 100_000, 20],
    ['v4', 1_000_000, 40],
    ['v6', 100_000, 5],
  ] as const
).map(
  ([family, prefixes, times]): RowPlan => ({
    case: `IP${family} lookup, ${SHORT[prefixes]} prefixes`,
    unit: NS,
    ours: `${family} ${prefixes} ours`,
    rivals: { [TRIE]: `${family} ${prefixes} trie` },
    atMost: { [TRIE]: 1 / times },
  }),
);

const NFTABLES = 'nftables classifier';
const PER_CORE = 'thousand per CPU second of the router';

const SIZES = [
  ['', '10 rules'],
  [' 1 M', '10 rules, 1 M prefixes'],
] as const;
const FLOODS = [
  ['SYN', 'flood of first packets'],
  ['ACK', 'flood of 65536 established flows'],
] as const;
const WAYS = [
  ['mark', 'mark', undefined],
  ['redirect', 'redirect', 1.5],
  ['xdp', 'redirect in XDP', 3],
] as const;

const flood = (
  [kind, text]: (typeof FLOODS)[number],
  [size, rules]: (typeof SIZES)[number],
  [way, label, bound]: (typeof WAYS)[number],
): RowPlan => ({
  case: `${label}, ${text}, ${rules}`,
  unit: PER_CORE,
  ours: `${kind}${size} ${way}`,
  rivals: { [NFTABLES]: `${kind}${size} nftables` },
  ...(bound !== undefined && size === '' && { atLeast: { [NFTABLES]: bound } }),
});

/**
 * "At 1 M prefixes the ratio is larger": nftables against itself says so, since our ways of forwarding do not
 * ask how large the policy is. Only first packets are judged.
 */
const floods = FLOODS.flatMap((kind) =>
  SIZES.flatMap((size) => WAYS.map((way) => flood(kind, size, way))),
);

const bulk = (['upload', 'download'] as const).flatMap((direction) =>
  (['mark', 'redirect'] as const).flatMap((way): RowPlan[] => [
    {
      case: `${way}, TCP bulk ${direction} by way of server1`,
      unit: 'Gbit per CPU second of the router',
      ours: `${direction} ${way}`,
      rivals: { [NFTABLES]: `${direction} nftables` },
      atLeast: { [NFTABLES]: 1 },
    },
    {
      case: `${way}, TCP bulk ${direction} by way of server1`,
      unit: 'Gbit/s',
      ours: `${direction} ${way} through`,
      rivals: { [NFTABLES]: `${direction} nftables through` },
    },
  ]),
);

/** "No measurable throughput": what is less than a fiftieth is not told from chance here. */
const NOTHING = 0.98;
const WITHOUT = BEFORE === undefined ? 'without heartbeats' : 'the state before';

const beats = BEATING.flatMap((how): RowPlan[] => {
  const row = (what: string, text: string, unit: string, suffix = ''): RowPlan => ({
    case: `${how}, heartbeats, ${text}`,
    unit,
    ours: `${what} ${how} beats${suffix}`,
    rivals: { [WITHOUT]: `${what} ${how} without${suffix}` },
    ...(suffix === '' && { atLeast: { [WITHOUT]: NOTHING } }),
  });
  const bulkRows = (['upload', 'download'] as const).flatMap((direction) => [
    row(direction, `TCP bulk ${direction}`, 'Gbit per CPU second of the router'),
    row(direction, `TCP bulk ${direction}`, 'Gbit/s', ' through'),
  ]);
  return [...FLOODS.map(([kind, text]) => row(kind, text, PER_CORE)), ...bulkRows];
});

const PACKETS = 'packets';
const swaps = WAYS.flatMap(([way, label]): RowPlan[] => {
  const swapped = `${label}, 3 swaps of 1 M prefixes under a flood`;
  return [
    { case: `${swapped}: sent`, unit: PACKETS, ours: `sent ${way}`, rivals: {} },
    {
      case: `${swapped}: lost`,
      unit: PACKETS,
      ours: `lost ${way}`,
      rivals: { 'no swaps': `lost ${way} without` },
      limit: 0,
    },
    {
      case: `${swapped}: misjudged`,
      unit: PACKETS,
      ours: `misjudged ${way}`,
      rivals: { 'no swaps': `misjudged ${way} without` },
      limit: 0,
    },
    {
      case: `${swapped}: miscounted`,
      unit: PACKETS,
      ours: `miscounted ${way}`,
      rivals: { 'no swaps': `miscounted ${way} without` },
      limit: 0,
    },
  ];
});

export const ROWS: readonly RowPlan[] = [
  ...lookups,
  {
    case: 'IPv4 lookup, 1 M prefixes beside 10 k',
    unit: NS,
    ours: 'v4 1000000 ours',
    rivals: { '10 k prefixes': 'v4 10000 ours' },
    atMost: { '10 k prefixes': 1.5 },
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
    case: 'read, compile and load 1 M prefixes',
    unit: 'ms',
    ours: 'load ours',
    rivals: { 'nft -f': 'load nft' },
    atMost: { 'nft -f': 1 / 4 },
  },
  {
    case: 'maps of 1 M prefixes in the kernel',
    unit: 'MiB',
    ours: 'tables',
    rivals: {},
    limit: 64,
  },
  {
    case: 'most memory of the program that loads 1 M prefixes',
    unit: 'MiB',
    ours: 'load ours peak',
    rivals: { 'nft -f': 'load nft peak' },
  },
  ...floods,
  ...bulk,
  ...beats,
  ...swaps,
];
