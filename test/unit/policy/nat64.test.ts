import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatV6, parseAddress } from '../../../control/config/address.js';
import { parseNat64 } from '../../../control/config/nat64-prefix.js';
import { embeddedV4, expandNat64, hasReservedBits } from '../../../control/policy/nat64.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import type { Policy } from '../../../control/policy/rule.js';
import { ALL_LENGTHS, embed, embedding, nat64 } from '../nat64.js';

const v6 = (text: string) => parseAddress(text) as bigint;

describe('addresses of NAT64', () => {
  // The table of RFC 6052, 2.4.
  it.each([
    ['2001:db8::/32', '2001:db8:c000:221::'],
    ['2001:db8:100::/40', '2001:db8:1c0:2:21::'],
    ['2001:db8:122::/48', '2001:db8:122:c000:2:2100::'],
    ['2001:db8:122:300::/56', '2001:db8:122:3c0:0:221::'],
    ['2001:db8:122:344::/64', '2001:db8:122:344:c0:2:2100::'],
    ['2001:db8:122:344::/96', '2001:db8:122:344::192.0.2.33'],
    ['64:ff9b::/96', '64:ff9b::192.0.2.33'],
  ])('below %s hold 192.0.2.33 in %s', (prefix, address) => {
    const prefixes = nat64(prefix);
    expect(embeddedV4(prefixes, v6(address))).toBe(0xc0000221);
    expect(formatV6(embed(prefixes[0]!, 0xc0000221))).toBe(formatV6(v6(address)));
    expect(embeddedV4(nat64('2001:db8:ffff::/96'), v6(address))).toBeUndefined();
  });

  it('have bits 64 to 71 that are zero', () => {
    const prefixes = nat64('2001:db8:122::/48', '64:ff9b::/96');
    expect(hasReservedBits(prefixes, v6('2001:db8:122:c000:102:2100::'))).toBe(true);
    expect(hasReservedBits(prefixes, v6('2001:db8:122:c000:2:2100::'))).toBe(false);
    expect(hasReservedBits(prefixes, v6('2001:db8:123:c000:102:2100::'))).toBe(false);
  });

  it.each([
    ['10.0.0.0/8', 'is not an IPv6 prefix'],
    ['64:ff9b::', 'the length of a NAT64 prefix is 32, 40, 48, 56, 64 or 96'],
    ['64:ff9b::/95', 'the length'],
    ['64:ff9b::1/96', 'bits set beyond its prefix length'],
    ['2001:db8:0:0:100::/96', 'bits 64 to 71 of a NAT64 prefix are zero'],
    ['::/96', 'always dropped'],
    ['nonsense', 'is not'],
  ])('below %s do not exist', (text, message) => {
    expect(parseNat64(text)).toMatchObject({ message: expect.stringContaining(message) });
  });
});

describe('larger sets', () => {
  const ends = fc.tuple(fc.nat(0xffffffff), fc.nat(0x3ff));
  const set = fc.array(ends, { minLength: 1, maxLength: 4 }).map((parts) =>
    PrefixSet.of(
      parts.map(([first, size]) => ({
        family: 4 as const,
        first,
        last: Math.min(first + size, 0xffffffff),
      })),
    ),
  );

  it('hold an address exactly where the original holds the one in it', () => {
    const near = set.chain((to) => {
      const { starts, ends: lasts } = to.v4Intervals();
      const edges = [...starts, ...lasts].flatMap((edge) => [edge - 1, edge, edge + 1, edge + 256]);
      const inside = edges.filter((edge) => edge >= 0 && edge <= 0xffffffff);
      return fc.tuple(fc.constant(to), embedding(fc.constantFrom(...inside)));
    });
    fc.assert(
      fc.property(near, ([to, address]) => {
        const policy: Policy = {
          rules: [{ name: 'r', to, action: 'block' }],
          default: 'direct',
          nat64: ALL_LENGTHS,
        };
        if (hasReservedBits(ALL_LENGTHS, address)) return;
        const larger = expandNat64(policy).rules[0]!.to!;
        expect(larger.contains(address)).toBe(to.contains(embeddedV4(ALL_LENGTHS, address)!));
      }),
      { numRuns: 1000 },
    );
  });

  it('are as few as the sets, and none without a prefix', () => {
    const to = PrefixSet.parse('10.0.0.0/8', '2001:db8::/32');
    const rule = { name: 'r', to, action: 'direct' as const };
    const policy: Policy = { rules: [rule, rule], default: 'proxy', nat64: nat64('64:ff9b::/96') };
    const [one, other] = expandNat64(policy).rules;
    expect(one!.to).toBe(other!.to);
    expect(one!.to!.cidrs()).toEqual(['10.0.0.0/8', '64:ff9b::a00:0/104', '2001:db8::/32']);
    expect(expandNat64({ ...policy, nat64: [] }).rules[0]!.to).toBe(to);
  });
});
