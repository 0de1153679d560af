/** Answers of `ip -j` and `nft -j` that are damaged, older, newer, or somebody else's. */
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { parseJson } from '../../../control/command/answer.js';
import type { Answer } from '../../../control/command/query.js';
import { SidetrackError } from '../../../control/error.js';
import { nftAnswer, parseListing } from '../../../control/nft/listing.js';
import { entriesOf, ruleOf } from '../../../control/resources/ip-json.js';
import { linkList, routeList, ruleList } from '../../../control/resources/ip-shapes.js';

const HOST = { address: 'netns://router', sidetrack: ['sidetrack'] };
const said = (stdout: string): Answer => ({
  host: HOST,
  command: { argv: ['ip', '-j', 'x', 'show'] },
  result: { status: 0, stdout, stderr: '' },
});
const entries = (list: unknown, shape: z.ZodType<unknown[]>) =>
  entriesOf(said(JSON.stringify(list)), shape);

const LINK = { ifname: 'lo', flags: ['UP'], addr_info: [] };

describe('ip -j', () => {
  it('may say nothing, or hide some', () => {
    expect(entriesOf(said('\n'), linkList)).toEqual([]);
    expect(entries([{}, LINK, {}], linkList)).toEqual([LINK]);
  });

  it('may say more, in a later version; a selector of a rule that is new is kept', () => {
    expect(entries([{ ...LINK, later: 1 }], linkList)).toEqual([LINK]);
    const [rule] = entriesOf(said('[{ "priority": 1, "later": 2, "table": 254 }]'), ruleList);
    expect(ruleOf(4, rule!)).toEqual({ family: 4, priority: 1, table: 254, unknown: ['later'] });
  });

  it.each([
    [{}, linkList, 'expected array, received object'],
    [[LINK, { ...LINK, flags: 'UP' }], linkList, '1.flags: expected array, received string'],
    [[{ ...LINK, addr_info: [{ family: 'inet', local: 7 }] }], linkList, '0.addr_info.0.local: '],
    [[{ priority: '1' }], ruleList, '0.priority: expected number, received string'],
    [[{ gateway: '192.0.2.1' }], routeList, 'must be a list of routes'],
    [[null], routeList, 'must be a list of routes'],
    [[{ dst: 'default', metric: '1' }], routeList, 'must be a list of routes'],
    [[{ dst: 'default', nexthops: [null] }], routeList, 'must be a list of routes'],
  ])('of another shape is told in a line: %#', (list, shape, problem) => {
    expect(() => entries(list, shape)).toThrow(
      expect.objectContaining({
        constructor: SidetrackError,
        code: 'unexpected-answer',
        message: expect.stringContaining(`does not read: ${problem}`),
        hint: expect.stringContaining('type ip'),
      }),
    );
  });
});

describe('nft -j', () => {
  const set = { name: 'flows4', table: 'sidetrack', type: 'mark' };
  it('may list what nobody here knows', () => {
    const text = JSON.stringify({ nftables: [{ metainfo: {} }, { flowtable: { a: 1 } }, { set }] });
    expect(parseListing(text).sets.map(({ name }) => name)).toEqual(['flows4']);
  });

  it.each([
    ['', 'it is empty'],
    ['table inet sidetrack {', 'it is no JSON'],
    ['{}', 'nftables: must be a list'],
    [{ nftables: { set } }, 'nftables: must be a list'],
    [{ nftables: [{ set: { ...set, name: undefined } }] }, 'nftables: must be a list'],
    [{ nftables: [{ set: { ...set, elem: 'x' } }] }, 'nftables: must be a list'],
    [{ nftables: [{ rule: { chain: 'steer', expr: ['accept'] } }] }, 'nftables: must be a list'],
    [{ nftables: [{ chain: null }] }, 'nftables: must be a list'],
  ])('of another shape is told in a line: %#', (value, problem) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    expect(() => parseListing(text)).toThrow(
      expect.objectContaining({ code: 'nft-listing', message: expect.stringContaining(problem) }),
    );
    expect(() => parseJson(HOST, { argv: ['nft', '-j'] }, text, nftAnswer)).toThrow(
      expect.objectContaining({ code: 'unexpected-answer' }),
    );
  });
});
