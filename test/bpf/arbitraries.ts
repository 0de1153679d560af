/** Random rule sets, and random packets that fall near their edges. */
import fc from 'fast-check';
import { mergePorts } from '../../control/policy/compile.js';
import type { Packet } from '../../control/policy/evaluate.js';
import type { Guards } from '../../control/policy/guard.js';
import { PrefixSet } from '../../control/policy/prefix-set.js';
import type { Policy, PortRange, Rule } from '../../control/policy/rule.js';
import { embedding, LISTS } from '../unit/nat64.js';

export const SERVER_MAC = '02:00:00:00:00:02';
const MACS = [
  SERVER_MAC,
  '02:00:00:00:00:40',
  '02:00:00:00:00:41',
  '02:00:00:00:00:42',
  'fe:ff:ff:ff:ff:ff',
];

export const GUARDS: Guards = {
  serverMacs: [SERVER_MAC],
  serverAddresses: PrefixSet.parse('192.168.1.2', 'fd00::2'),
  localAddresses: PrefixSet.parse('192.168.1.1', '203.0.113.1', 'fd00::1'),
};

/** Few bits of freedom, so that prefixes nest and packets hit them. */
const base4 = fc.constantFrom(
  0x00000000,
  0x0a000000,
  0xc0a80100,
  0xc6336400,
  0xcb007100,
  0xe0000000,
  0xffffff00,
);
const v4Address = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(base4, fc.nat(0x3ff)).map(([base, low]) => (base ^ low) >>> 0) },
  {
    weight: 2,
    arbitrary: fc.tuple(base4, fc.nat(0xfffff)).map(([base, low]) => (base ^ low) >>> 0),
  },
  { weight: 1, arbitrary: fc.nat(0xffffffff) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0, 0xffffffff, 0xe0000001, 0xa9fe0001, 0xc0a80101, 0xc0a80102),
  },
);

const group = (bits: number) => fc.nat(2 ** bits - 1).map(BigInt);
const v6Address = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(group(2), group(3), group(2), group(3))
      .map(([a, b, c, d]) => (0x20010db8n << 96n) | (a << 80n) | (b << 64n) | (c << 62n) | d),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(group(32), group(32), group(32), group(32))
      .map((parts) => parts.reduce((sum, part) => (sum << 32n) | part, 0n)),
  },
  { weight: 2, arbitrary: embedding(v4Address) },
  // What stands for an IPv4 address, and its neighbours.
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(0n, 1n, 0xfffen, 0xffffn, 0x10000n, 0xffff0000n), v4Address)
      .map(([high, low]) => (high << 32n) | BigInt(low)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      0n,
      1n,
      2n,
      (1n << 128n) - 1n,
      0xffn << 120n,
      (0xfe80n << 112n) | 5n,
      (0xfd00n << 112n) | 1n,
      (0xfd00n << 112n) | 2n,
      (0x20010db8n << 96n) | 0xffffffffffffffffn,
    ),
  },
);

const entry4 = fc
  .tuple(v4Address, fc.integer({ min: 0, max: 32 }), fc.boolean())
  .map(([address, length, exact]) => {
    const bits = exact ? 2 ** (32 - length) : 1 + (address % 1000);
    const first = exact ? address - (address % bits) : address;
    return { family: 4 as const, first, last: Math.min(first + bits - 1, 0xffffffff) };
  });
const entry6 = fc.tuple(v6Address, fc.integer({ min: 0, max: 128 })).map(([address, length]) => {
  const bits = BigInt(128 - length);
  const first = (address >> bits) << bits;
  return { family: 6 as const, first, last: first + (1n << bits) - 1n };
});
/** Long prefixes more often: short ones swallow the whole space. */
const entry = fc.oneof(entry4, entry6);
const prefixSet = fc
  .array(entry, { minLength: 1, maxLength: 8 })
  .map((entries) => PrefixSet.of(entries));

const port = fc.oneof(fc.constantFrom(0, 25, 67, 80, 443, 546, 65535), fc.nat(65535));
const portRange = fc
  .tuple(port, port)
  .map(([a, b]): PortRange => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const ports = fc.array(portRange, { minLength: 1, maxLength: 4 }).map(mergePorts);
const macs = fc.subarray(MACS, { minLength: 1 });

type Condition = Omit<Rule, 'name'>;

function ruleFrom(sets: readonly PrefixSet[]): fc.Arbitrary<Condition> {
  const set = fc.constantFrom(...sets);
  const source = fc.oneof(
    set.map((addresses) => ({ addresses, macs: [] as string[] })),
    fc.record({ addresses: set, macs }),
    macs.map((only) => ({ addresses: PrefixSet.empty, macs: only })),
  );
  const conditions = fc.record(
    { proto: fc.constantFrom('tcp' as const, 'udp' as const), from: source, macs, to: set, ports },
    { requiredKeys: [] },
  );
  // Only TCP can be proxied; the configuration refuses anything else.
  return fc
    .tuple(conditions, fc.constantFrom('proxy', 'direct', 'block'))
    .map(
      ([condition, action]): Condition =>
        action === 'proxy' ? { ...condition, proto: 'tcp', action } : { ...condition, action },
    );
}

export const policy: fc.Arbitrary<Policy> = fc
  .array(prefixSet, { minLength: 1, maxLength: 6 })
  .chain((sets) =>
    fc.record({
      rules: fc
        .array(ruleFrom(sets), { maxLength: 80, size: 'max' })
        .map((rules) => rules.map((rule, i): Rule => ({ ...rule, name: `rule${i}` }))),
      default: fc.constantFrom('proxy', 'direct', 'block'),
      nat64: fc.constantFrom(...LISTS),
    }),
  );

const protocol = fc.oneof(
  { weight: 5, arbitrary: fc.constant('tcp' as const) },
  { weight: 3, arbitrary: fc.constant('udp' as const) },
  { weight: 1, arbitrary: fc.constantFrom(1, 47, 58, 132) },
);

const addresses = fc.oneof(
  fc.record({ family: fc.constant(4 as const), source: v4Address, destination: v4Address }),
  fc.record({ family: fc.constant(6 as const), source: v6Address, destination: v6Address }),
);

export const packet: fc.Arbitrary<Packet> = fc
  .tuple(addresses, protocol, fc.constantFrom(...MACS, '02:00:00:00:00:99'), port, port)
  .map(([ends, kind, sourceMac, sourcePort, destinationPort]) => ({
    ...ends,
    sourceMac,
    protocol: kind,
    ...(typeof kind === 'number' ? {} : { sourcePort, destinationPort }),
  }));
