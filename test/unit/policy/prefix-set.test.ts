import { expandCidr, mergeCidr } from 'cidr-tools';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress, parseV4 } from '../../../control/config/address.js';
import type { AddressEntry } from '../../../control/config/entry.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import { PRIVATE } from '../../../control/policy/private.js';
import { cidr, v4 } from '../arbitraries.js';

/** Small numbers, so that intervals overlap, touch and repeat. */
const crowded = fc
  .array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 6 })), {
    maxLength: 25,
  })
  .map((tuples) =>
    tuples.map(
      ([six, first, size]): AddressEntry =>
        six
          ? { family: 6, first: BigInt(first), last: BigInt(first + size) }
          : { family: 4, first, last: first + size },
    ),
  );

function inAny(entries: readonly AddressEntry[], address: number | bigint): boolean {
  return entries.some(
    (e) => typeof e.first === typeof address && e.first <= address && address <= e.last,
  );
}

function expectCanonical(starts: ArrayLike<number | bigint>, ends: ArrayLike<number | bigint>) {
  expect(ends.length).toBe(starts.length);
  for (let i = 0; i < starts.length; i++) {
    expect(starts[i]! <= ends[i]!).toBe(true);
    if (i > 0) expect(BigInt(starts[i]!) - BigInt(ends[i - 1]!) > 1n).toBe(true);
  }
}

describe('PrefixSet', () => {
  it('less another contains what that one does not', () => {
    fc.assert(
      fc.property(crowded, crowded, (whole, part) => {
        const set = PrefixSet.of(whole).minus(PrefixSet.of(part));
        for (let n = 0; n < 70; n++) {
          expect(set.contains(n)).toBe(inAny(whole, n) && !inAny(part, n));
          expect(set.contains(BigInt(n))).toBe(inAny(whole, BigInt(n)) && !inAny(part, BigInt(n)));
        }
        expectCanonical(set.v4Intervals().starts, set.v4Intervals().ends);
      }),
    );
  });

  it('contains an address exactly when one of its entries does', () => {
    fc.assert(
      fc.property(crowded, (entries) => {
        const set = PrefixSet.of(entries);
        for (let n = 0; n < 70; n++) {
          expect(set.contains(n)).toBe(inAny(entries, n));
          expect(set.contains(BigInt(n))).toBe(inAny(entries, BigInt(n)));
        }
      }),
    );
  });

  it('keeps its intervals sorted, disjoint and apart', () => {
    fc.assert(
      fc.property(crowded, (entries) => {
        const set = PrefixSet.of(entries);
        expectCanonical(set.v4Intervals().starts, set.v4Intervals().ends);
        expectCanonical(set.v6Intervals().starts, set.v6Intervals().ends);
        expect(set.isEmpty).toBe(entries.length === 0);
      }),
    );
  });

  it('writes the same minimal CIDRs as cidr-tools', () => {
    fc.assert(
      fc.property(fc.array(cidr, { maxLength: 12 }), (texts) => {
        expect(
          PrefixSet.parse(...texts)
            .cidrs()
            .toSorted(),
        ).toEqual(mergeCidr(texts).toSorted());
      }),
    );
  });

  it('covers a range with CIDRs that hold it and nothing else', () => {
    const near = fc.tuple(v4, fc.integer({ min: 0, max: 40 }));
    fc.assert(
      fc.property(near, ([first, size]) => {
        const last = Math.min(first + size, 0xffffffff);
        const cidrs = PrefixSet.of([{ family: 4, first, last }]).cidrs();
        const addresses = cidrs
          .flatMap((text) => [...expandCidr(text)])
          .map((text) => parseV4(text));
        expect(addresses).toEqual(Array.from({ length: last - first + 1 }, (_, i) => first + i));
      }),
    );
  });

  it('is the union of what it was joined from', () => {
    fc.assert(
      fc.property(crowded, crowded, crowded, (a, b, c) => {
        const joined = PrefixSet.of(a).union(PrefixSet.of(b), PrefixSet.of(c));
        expect(joined.cidrs()).toEqual(PrefixSet.of([...a, ...b, ...c]).cidrs());
      }),
    );
  });

  it('reaches both ends of the address space', () => {
    const all = PrefixSet.parse('0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1');
    expect(all.cidrs()).toEqual(['0.0.0.0/0', '::/0']);
    expect(all.contains(0) && all.contains(0xffffffff)).toBe(true);
    expect(all.contains(0n) && all.contains((1n << 128n) - 1n)).toBe(true);
  });

  it('never takes an IPv4 address for an IPv6 one', () => {
    expect(PrefixSet.parse('0.0.0.0/0').contains(1n)).toBe(false);
    expect(PrefixSet.parse('::/0').contains(1)).toBe(false);
  });

  it('throws on built-in text that is wrong', () => {
    expect(() => PrefixSet.parse('10.0.0.0/33')).toThrow('at most 32');
  });

  it('takes in a million entries', () => {
    // 2^32 divided by the golden ratio is odd, so the walk visits distinct, scattered addresses.
    const entries = Array.from({ length: 1_000_000 }, (_, i): AddressEntry => {
      const first = ((i * 2654435769) % 2 ** 32) & ~1;
      return { family: 4, first: first >>> 0, last: first >>> 0 };
    });
    const set = PrefixSet.of(entries);
    expect(entries.every((entry) => set.contains(entry.first))).toBe(true);
    expectCanonicalQuickly(set);
  });
});

/** One assertion for a million intervals; a million assertions take seconds. */
function expectCanonicalQuickly(set: PrefixSet): void {
  const { starts, ends } = set.v4Intervals();
  expect(starts.every((start, i) => i === 0 || start > ends[i - 1]! + 1)).toBe(true);
}

describe('the built-in set `private`', () => {
  it.each(['10.1.2.3', '100.64.0.1', '127.0.0.1', '239.1.1.1', '255.255.255.255', '0.1.2.3'])(
    'holds %s',
    (text) => expect(PRIVATE.contains(parseAddress(text)!)).toBe(true),
  );

  it.each(['::', '::1', 'fd00::1', 'fe80::1', 'ff02::1'])('holds %s', (text) =>
    expect(PRIVATE.contains(parseAddress(text)!)).toBe(true),
  );

  it.each(['198.18.0.1', '192.0.2.1', '198.51.100.7', '203.0.113.1', '2001:db8::1', '8.8.8.8'])(
    'leaves out %s',
    (text) => expect(PRIVATE.contains(parseAddress(text)!)).toBe(false),
  );

  it('ends where it should', () => {
    const neighbours = ['9.255.255.255', '11.0.0.0', '172.32.0.0', '223.255.255.255', 'fec0::'];
    expect(neighbours.filter((text) => PRIVATE.contains(parseAddress(text)!))).toEqual([]);
    expect(formatAddress(PRIVATE.v4Intervals().ends.at(-1)!)).toBe('255.255.255.255');
  });
});

it('sets differ in a deep comparison when their addresses do', () => {
  expect(PrefixSet.parse('10.0.0.0/8')).not.toEqual(PrefixSet.parse('10.0.0.0/9'));
  expect(PrefixSet.parse('fd00::/8')).not.toEqual(PrefixSet.empty);
  expect(PrefixSet.parse('10.0.0.0/9', '10.128.0.0/9')).toEqual(PrefixSet.parse('10.0.0.0/8'));
});
