/** Random addresses that lie near the interesting edges more often than chance would have it. */
import fc from 'fast-check';
import { formatV4, formatV6 } from '../../control/config/address.js';

const edge32 = [0, 1, 0x0a000000, 0x7fffffff, 0x80000000, 0xe0000000, 0xfffffffe, 0xffffffff];
const edge128 = [0n, 1n, 0xfc00n << 112n, 0xfe80n << 112n, (1n << 127n) - 1n, (1n << 128n) - 1n];

export const v4: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(...edge32),
);

/** Groups are zero half the time, so that `::` turns up in every place. */
export const v6: fc.Arbitrary<bigint> = fc.oneof(
  fc
    .array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
      minLength: 8,
      maxLength: 8,
    })
    .map((groups) => groups.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n)),
  fc.constantFrom(...edge128),
);

/** No IPv4-mapped addresses, which entries refuse. */
export const plainV6: fc.Arbitrary<bigint> = v6.filter((address) => address >> 32n !== 0xffffn);

const v4Cidr = fc
  .tuple(v4, fc.integer({ min: 0, max: 32 }))
  .map(
    ([address, length]) =>
      `${formatV4((address - (address % 2 ** (32 - length))) >>> 0)}/${length}`,
  );

const v6Cidr = fc
  .tuple(plainV6, fc.integer({ min: 0, max: 128 }))
  .map(([address, length]) => {
    const bits = BigInt(128 - length);
    return { network: (address >> bits) << bits, length };
  })
  .filter(({ network }) => network >> 32n !== 0xffffn)
  .map(({ network, length }) => `${formatV6(network)}/${length}`);

/** CIDRs of either family, as text, without host bits. */
export const cidr: fc.Arbitrary<string> = fc.oneof(v4Cidr, v6Cidr);
export const v4CidrText: fc.Arbitrary<string> = v4Cidr;
