/** Old and new elements of a set of addresses, and what has to go and to come between them. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readIntervals } from '../../../control/nft/address-intervals.js';
import { addressSet } from '../../../control/nft/elements.js';
import type { Expression, NftSet } from '../../../control/nft/json.js';
import { inverse, setDelta } from '../../../control/nft/set-delta.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';

const text = (elements: readonly unknown[]) => elements.map((one) => JSON.stringify(one));

/** As the kernel does it: what goes must be there, what comes must meet nothing that is. */
function changed(before: readonly Expression[], { added, removed }: ReturnType<typeof inverse>) {
  const left = text(before);
  for (const one of text(removed)) {
    const index = left.indexOf(one);
    if (index < 0) throw new Error(`${one} does not exist`);
    left.splice(index, 1);
  }
  const after = [...left.map((one) => JSON.parse(one) as Expression), ...added];
  if (readIntervals(after) === undefined) throw new Error('intervals overlap');
  return after;
}

const sorted = (elements: readonly unknown[]) => text(elements).sort();
const NONE: NftSet = { name: 'list', type: 'ipv4_addr', flags: ['interval'], elements: [] };

const v4 = fc
  .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 24, max: 32 }))
  .map(([low, length]) => `203.0.113.${(low >> (32 - length)) << (32 - length)}/${length}`);
const v6 = fc
  .tuple(fc.integer({ min: 0, max: 65535 }), fc.integer({ min: 112, max: 128 }))
  .map(([low, length]) => {
    const first = (low >> (128 - length)) << (128 - length);
    return `2001:db8::${first.toString(16)}/${length}`;
  });
const lists = (prefix: fc.Arbitrary<string>) => fc.array(prefix, { maxLength: 40 });

it.each([
  ['IPv4', 4, v4],
  ['IPv6', 6, v6],
] as const)('leads from any set of %s to any other, and back', (_, family, prefix) => {
  const setOf = (list: readonly string[]) =>
    addressSet('list', family, PrefixSet.parseAll(list)) ?? {
      ...NONE,
      type: family === 4 ? 'ipv4_addr' : 'ipv6_addr',
    };
  fc.assert(
    fc.property(lists(prefix), lists(prefix), lists(prefix), (kept, gone, come) => {
      const before = setOf([...kept, ...gone]).elements!;
      const after = setOf([...kept, ...come]);
      const delta = setDelta(after, before)!;
      const there = changed(before, delta);
      expect(sorted(there)).toEqual(sorted(after.elements!));
      expect(sorted(changed(there, inverse(delta)))).toEqual(sorted(before));
      // What is in both is never sent.
      const both = text(before).filter((one) => text(after.elements!).includes(one));
      expect(text([...delta.added, ...delta.removed]).filter((one) => both.includes(one))).toEqual(
        [],
      );
    }),
    { numRuns: 300 },
  );
});

it('takes neighbours, which another program added, for what they mean', () => {
  const desired = addressSet('list', 4, PrefixSet.parse('203.0.113.0/24'))!;
  const listed = ['0', '128'].map((low) => ({ prefix: { addr: `203.0.113.${low}`, len: 25 } }));
  expect(setDelta(desired, listed)).toEqual({ added: desired.elements, removed: listed });
});

it.each([
  ['a time-out', { elem: { val: '203.0.113.9', timeout: 60, expires: 9 } }],
  ['a comment', { elem: { val: '203.0.113.9', comment: 'mine' } }],
  ['what is no address', 'somewhere'],
  ['a prefix that is none', { prefix: { addr: '203.0.113.0', len: 33 } }],
  ['a range of two families', { range: ['203.0.113.0', '2001:db8::1'] }],
  ['a range that ends before it begins', { range: ['203.0.113.9', '203.0.113.0'] }],
])('has none where an element has %s', (_, odd) => {
  const desired = addressSet('list', 4, PrefixSet.parse('192.0.2.0/24'))!;
  expect(setDelta(desired, [odd])).toBeUndefined();
});

it('has none where more differs than fits, nor of a set that is none of intervals', () => {
  const many = Array.from({ length: 9 }, (_, i) => `192.0.2.${2 * i}`);
  const desired = addressSet('list', 4, PrefixSet.parseAll(many))!;
  expect(setDelta(desired, [], 8)).toBeUndefined();
  expect(setDelta(desired, [], 9)?.added).toEqual(many);
  expect(setDelta({ name: 'list', type: 'ipv4_addr', elements: [] }, [])).toBeUndefined();
});
