/**
 * The addresses, ports and MACs that random policies and packets are drawn from. Few enough that
 * rules and packets meet, and chosen so that packets fall on both sides of every edge.
 */
import fc from 'fast-check';
import type { Address } from '../../../control/config/address.js';
import { type AddressEntry, isProblem, parseEntry } from '../../../control/config/entry.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import type { Guards } from '../../../control/policy/guard.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import { embedding } from '../../unit/nat64.js';

/** In the order of the nodes that send from them: `client` sits on br-lan, `client2` on lan2. */
export const MACS = ['02:00:00:00:01:10', '02:00:00:00:02:10', '02:00:00:00:0a:01'] as const;
export const SERVER_MAC = '02:00:00:00:01:02';

const PREFIXES_V4 = [
  '0.0.0.0/0',
  '0.0.0.0/8',
  '10.0.0.0/8',
  '10.1.0.0/16',
  '10.1.2.0/24',
  '10.1.2.3',
  '10.1.2.4-10.1.2.9',
  '127.0.0.0/8',
  '128.0.0.0/1',
  '169.254.0.0/16',
  '192.168.1.0/24',
  '192.168.1.40',
  '192.168.2.0/24',
  '198.51.100.0/24',
  '198.51.100.7',
  '224.0.0.0/3',
  '240.0.0.0/4',
  '255.255.255.255',
];

const PREFIXES_V6 = [
  '::/0',
  '::/1',
  '8000::/1',
  'fc00::/7',
  'fd00:1::/64',
  'fd00:1::10',
  'fd00:2::/64',
  'fe80::/10',
  'ff00::/8',
  '2001:db8:1::/48',
  '2001:db8:1::7',
  '2001:db8:1::8-2001:db8:1::ff',
];

function entryOf(text: string): AddressEntry {
  const entry = parseEntry(text);
  if (isProblem(entry)) throw new RangeError(entry.message);
  return entry;
}

const LAST_V6 = (1n << 128n) - 1n;

/** First and last address of each prefix, and their neighbours outside. */
function edges(texts: readonly string[]): Address[] {
  const found = texts
    .map(entryOf)
    .flatMap((entry): Address[] =>
      entry.family === 4
        ? [entry.first - 1, entry.first, entry.last, entry.last + 1].filter(
            (address) => address >= 0 && address <= 0xffffffff,
          )
        : [entry.first - 1n, entry.first, entry.last, entry.last + 1n].filter(
            (address) => address >= 0n && address <= LAST_V6,
          ),
    );
  return [...new Set(found)];
}

const texts = Object.values(ADDRESS);
const EDGES_V4 = edges([...PREFIXES_V4, ...texts.map(({ v4 }) => v4)]);
const EDGES_V6 = edges([...PREFIXES_V6, ...texts.map(({ v6 }) => v6)]);

/** Addresses that stand for an IPv4 one, and what lies beside them. */
export const EMBEDDED_V6 = [
  ...[1n, 2n, 0xcb007105n, 0xffffffffn, 0x1_00000000n],
  ...[0xfffe_ffffffffn, 0xffff_00000000n, 0xffff_cb007105n, 0xffff_ffffffffn, 0x1_0000_00000000n],
];

const randomV6 = fc
  .array(fc.integer({ min: 0, max: 0xffff }), { minLength: 8, maxLength: 8 })
  .map((groups) => groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n));

export const addressV4: fc.Arbitrary<Address> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...EDGES_V4) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffffffff }) },
);

const v4InV6 = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...EDGES_V4.map(Number)) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffffffff }) },
);

export const addressV6: fc.Arbitrary<Address> = fc.oneof(
  { weight: 2, arbitrary: embedding(v4InV6) },
  { weight: 4, arbitrary: fc.constantFrom(...EDGES_V6) },
  { weight: 1, arbitrary: fc.constantFrom(...EMBEDDED_V6) },
  { weight: 1, arbitrary: randomV6 },
);

/** Sometimes empty, sometimes of one family only. */
export const prefixSet: fc.Arbitrary<PrefixSet> = fc
  .array(fc.constantFrom(...PREFIXES_V4, ...PREFIXES_V6), { maxLength: 5 })
  .map((chosen) => PrefixSet.parse(...chosen));

export const mac = fc.constantFrom(...MACS);

export const PORTS = [0, 1, 22, 25, 53, 67, 68, 80, 443, 465, 546, 547, 587, 1024, 65534, 65535];

/**
 * What the guards know of the lab. A router's own broadcast and subnet-router anycast addresses
 * are its own, too; the routing table calls 127/8 local and 0.0.0.0 broadcast.
 */
export const GUARDS: Guards = {
  serverMacs: [SERVER_MAC],
  serverAddresses: PrefixSet.parse(ADDRESS.server1.v4, ADDRESS.server1.v6),
  localAddresses: PrefixSet.parse(
    ...[ADDRESS.router.v4, '192.168.2.1', ADDRESS.wan.v4, '127.0.0.0/8'],
    ...['192.168.1.255', '192.168.2.255', '203.0.113.255'],
    ...[ADDRESS.router.v6, 'fd00:2::1', ADDRESS.wan.v6, '::1'],
    ...['fd00:1::', 'fd00:2::', '2001:db8:ffff::'],
  ),
};
