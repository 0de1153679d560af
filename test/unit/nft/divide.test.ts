import { describe, expect, it } from 'vitest';
import { divide, MOST_ELEMENTS } from '../../../control/nft/divide.js';
import type { Table } from '../../../control/nft/json.js';
import { objectNames, recreateTable, replaceObjects } from '../../../control/nft/transaction.js';

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

describe('a long set that is in use', () => {
  const rule = (set: string) => ({
    expr: [{ match: { op: '==' as const, left: 'x', right: set } }],
  });
  const inUse: Table = {
    ...table,
    sets: [
      { name: 'long', type: 'ipv4_addr', flags: ['interval'], elements },
      { name: 'few', type: 'ipv4_addr', flags: ['interval'], elements: ['192.0.2.1'] },
    ],
    chains: [
      { name: 'classify', rules: [rule('@long'), rule('@few')] },
      { name: 'other', rules: [rule('@few')] },
    ],
  };
  const transactions = divide(
    replaceObjects(inUse, objectNames(inUse), { sets: [], chains: [] }),
    [],
  );
  type Rules = Map<string, string>;

  /** What the rules look into behind each transaction: the set's name with what is in it. */
  function* states() {
    const sets = new Map<string, unknown[]>([['long', ['old']]]);
    const rules: Rules = new Map([['classify', JSON.stringify(rule('@long'))]]);
    for (const { nftables } of transactions) {
      for (const command of nftables) {
        const [verb, entry] = Object.entries(command)[0]!;
        const [kind, object] = Object.entries(entry)[0]! as [string, Record<string, string>];
        const name = object.name!;
        if (kind === 'set' && verb === 'delete') sets.delete(name);
        else if (kind === 'set' && (verb === 'flush' || !sets.has(name))) sets.set(name, []);
        else if (kind === 'element') sets.get(name)!.push(...(object.elem as unknown as unknown[]));
        else if (kind === 'chain' && verb === 'flush') rules.delete(name);
        else if (kind === 'rule')
          rules.set(object.chain!, (rules.get(object.chain!) ?? '') + JSON.stringify(object.expr));
      }
      const text = [...rules.values()].join();
      const [, read = ''] = /"@(long\w*)"/.exec(text) ?? [];
      yield {
        held: sets.get(read),
        read,
        sets: [...sets.keys()],
        both: /@long".*@long_next"/.test(text),
      };
    }
  }

  it('is all old or all new for each packet, and has its own name at the end', () => {
    const seen = [...states()];
    const isWhole = ({ held }: (typeof seen)[number]) =>
      ['["old"]', JSON.stringify(elements)].includes(JSON.stringify(held));
    expect(seen.filter((state) => !isWhole(state) || state.both)).toEqual([]);
    const turns = seen.map(({ held, read }) => `${read} ${held?.length}`);
    expect([...new Set(turns)]).toEqual(['long 1', `long_next ${COUNT}`, `long ${COUNT}`]);
    expect(seen.at(-1)).toMatchObject({ read: 'long', sets: ['long', 'few'] });
  });

  it('goes in pieces of which none is too long', () => {
    const lengths = transactions.map(({ nftables }) =>
      nftables.reduce((sum, { add }) => {
        const { elem = [] } = (add?.element ?? {}) as { elem?: unknown[] };
        return sum + elem.length;
      }, 0),
    );
    expect(Math.max(...lengths)).toBe(MOST_ELEMENTS);
  });

  it('has no stand-in where the table is made anew', () => {
    const text = JSON.stringify(divide(recreateTable(inUse), []));
    expect(text).not.toContain('_next');
  });
});
