import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listingDigests, parseListing, tableOfRuleset } from '../../../control/nft/listing.js';

const table = { family: 'inet', table: 'sidetrack' };
const rule = (packets: number, handle: number, right = 'tcp') => ({
  rule: {
    ...table,
    chain: 'c',
    handle,
    comment: 'rule x',
    expr: [
      { match: { op: '==', left: { meta: { key: 'l4proto' } }, right } },
      { counter: { packets, bytes: packets * 60 } },
      { accept: null },
    ],
  },
});
const set = (elem: unknown[], flags?: string[]) => ({
  set: { ...table, name: 's', type: 'ipv4_addr', handle: 9, elem, ...(flags && { flags }) },
});
const listing = (...entries: unknown[]) =>
  parseListing(JSON.stringify({ nftables: [{ chain: { ...table, name: 'c' } }, ...entries] }));

describe('listing digests', () => {
  it('ignore counters and handles', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), fc.nat(), (p1, h1, p2, h2) => {
        expect(listingDigests(listing(rule(p1, h1)))).toEqual(
          listingDigests(listing(rule(p2, h2))),
        );
      }),
    );
  });

  it('change with a rule, and with the order of rules', () => {
    const one = listingDigests(listing(rule(0, 1), rule(0, 2, 'udp')));
    const other = listingDigests(listing(rule(0, 2, 'udp'), rule(0, 1)));
    expect(one['chain c']).not.toBe(other['chain c']);
    expect(one['chain c']).not.toBe(listingDigests(listing(rule(0, 1)))['chain c']);
  });

  it('do not depend on the order of set elements, but on the elements', () => {
    const digest = (elem: unknown[], flags?: string[]) =>
      listingDigests(listing(set(elem, flags)))['set s'];
    expect(digest(['1.1.1.1', '2.2.2.2'])).toBe(digest(['2.2.2.2', '1.1.1.1']));
    expect(digest(['1.1.1.1'])).not.toBe(digest(['1.1.1.2']));
    // What packets entered is nobody's configuration.
    expect(digest(['1.1.1.1'], ['timeout'])).toBe(digest([], ['timeout']));
  });

  it('sum nothing and lose nothing: counters are read per rule', () => {
    const [chain] = listing(rule(3, 1)).chains;
    expect(chain?.rules[0]).toMatchObject({ comment: 'rule x', packets: 3, bytes: 180 });
  });
});

describe('one table of a ruleset', () => {
  const other = { chain: { family: 'inet', table: 'fw4', name: 'input' } };
  const named = (name: string) => ({ table: { family: 'inet', name } });
  const parse = (...entries: object[]) => tableOfRuleset({ nftables: entries }, 'sidetrack');

  it('is told from the tables of others, in what a roll-back writes too', () => {
    const found = parse({ metainfo: {} }, named('fw4'), other, named('sidetrack'), rule(0, 1));
    expect(found?.raw).toEqual([rule(0, 1)]);
  });

  it('is undefined when it is absent, and empty when it is empty', () => {
    expect(parse(named('fw4'), other)).toBeUndefined();
    expect(parse(named('sidetrack'))).toEqual({ sets: [], chains: [], raw: [] });
  });
});
