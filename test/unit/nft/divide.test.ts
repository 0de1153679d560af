import { expect, it } from 'vitest';
import { divide, MOST_ELEMENTS } from '../../../control/nft/divide.js';
import type { Table } from '../../../control/nft/json.js';
import { objectNames, replaceObjects } from '../../../control/nft/transaction.js';

const COUNT = 2 * MOST_ELEMENTS + 1;
const elements = Array.from({ length: COUNT }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
const table: Table = {
  family: 'inet',
  name: 'sidetrack',
  sets: [
    { name: 'old', type: 'ipv4_addr', flags: ['interval'], elements: ['192.0.2.1'] },
    { name: 'new', type: 'ipv4_addr', flags: ['interval'], elements },
    { name: 'flows', type: 'ipv4_addr', flags: ['timeout'], timeout: 60 },
  ],
  chains: [{ name: 'classify', rules: [{ expr: [{ drop: null }] }] }],
};

it('fills what nobody refers to in pieces, and does at once all that can be noticed', () => {
  const whole = replaceObjects(table, objectNames(table), { sets: [], chains: [] });
  const [first, ...others] = divide(whole, ['new', 'flows']);
  const last = others.pop()!;
  const named = (set: string) => expect.objectContaining({ name: set });
  expect(first!.nftables).toEqual([
    { add: { table: { family: 'inet', name: 'sidetrack' } } },
    { add: { set: named('new') } },
  ]);
  const pieces = others.map(({ nftables }) => nftables[0]!.add!.element as { elem: string[] });
  expect(pieces.map(({ elem }) => elem.length)).toEqual([MOST_ELEMENTS, MOST_ELEMENTS, 1]);
  expect(pieces.flatMap(({ elem }) => elem)).toEqual(elements);
  // What is in use is flushed and filled in one transaction with the rules.
  const text = JSON.stringify(last);
  expect(text).toContain('{"flush":{"set":{"family":"inet","table":"sidetrack","name":"old"}}}');
  expect(text).toContain('"elem":["192.0.2.1"]');
  expect(text).toContain('{"drop":null}');
  // A set is only `dynamic` when nft makes it beside the rule that fills it.
  expect(text).toContain('"name":"flows"');
  expect(text).not.toContain('"name":"new"');
});
