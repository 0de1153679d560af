/** The life of a flow's entry in nft's sets. */
import { describe, expect, it } from 'vitest';
import { flowChains, flowSets, matchFlow } from '../../../control/nft/flow-table.js';
import type { FlowTarget } from '../../../control/nft/flow-target.js';
import { linesOf } from './lines.js';
import { TARGET } from './tables.js';

const SHARE = 250;
const TUPLE = 'ip saddr . tcp sport . ip daddr . tcp dport';

const linesIn = (name: string, share = SHARE, targets: readonly FlowTarget[] = [TARGET]) =>
  linesOf(flowChains(targets, share).find((chain) => chain.name === name)!);

describe('a flow that opens', () => {
  it('is promoted by data of its client, not by what closes it', () => {
    expect(linesIn('closing4')[0]).toBe('tcp flags & (fin | rst | psh) == psh jump promote4');
    expect(linesIn('promote4').at(-1)).toBe(
      `update @flows4 { ${TUPLE} } delete @closing4 { ${TUPLE} } goto steer`,
    );
  });

  it('stays where it is when its client has no token left, and is steered all the same', () => {
    expect(linesIn('promote4')[0]).toMatch(/^update @promoted4_250 .* limit rate over .* return$/);
    expect(linesIn('closing4').at(-1)).toBe('goto steer');
  });

  it('costs a token for each minute in which its entry is refreshed', () => {
    const [, paid, token, remembered, refreshed] = linesIn('closing4');
    expect(paid).toBe(`${TUPLE} @recent4 goto steer`);
    expect(token).toMatch(/^update @entered4_250 .* limit rate over .* goto steer$/);
    expect(remembered).toBe(`update @recent4 { ${TUPLE} }`);
    expect(refreshed).toBe(`update @closing4 { ${TUPLE} }`);
  });

  it('costs nothing where clients have no share', () => {
    expect(linesIn('closing4', 0)).toEqual([
      'tcp flags & (fin | rst | psh) == psh jump promote4',
      `update @closing4 { ${TUPLE} }`,
      'goto steer',
    ]);
    expect(flowSets([TARGET], 10, 0).map(({ name }) => name)).toEqual([
      'flows4',
      'closing4',
      'flows6',
      'closing6',
    ]);
  });
});

it('a flow that closes enters one set before it leaves the other, and is steered in any case', () => {
  const [closes, refresh, last] = linesIn('established4');
  const line = closes!;
  expect(line).toContain('tcp flags & (fin | rst) != 0');
  expect(line.indexOf('update @closing4')).toBeLessThan(line.indexOf('delete @flows4'));
  expect([refresh, last]).toEqual([`update @flows4 { ${TUPLE} }`, 'goto steer']);
});

describe('of two targets', () => {
  const mark = { value: 151, mask: 0xff };
  const second: FlowTarget = { number: 1, name: 'server2', families: [4], mark };

  it('each has sets, chains and a mark of its own, for its families', () => {
    const names = flowChains([TARGET, second], SHARE).map(({ name }) => name);
    expect(names).toContain('established4_1');
    expect(names).not.toContain('established6_1');
    expect(linesIn('established4_1', SHARE, [TARGET, second]).at(-1)).toBe('goto steer_1');
  });

  it('the one that a flow went to keeps its packets', () => {
    const rules = linesOf({ name: 'match', rules: matchFlow([TARGET, second]) });
    expect(rules).toContain(`${TUPLE} @flows4_1 goto established4_1`);
    expect(rules).toContain(`${TUPLE} @closing4 goto closing4`);
    expect(rules.join()).not.toContain('@flows6_1');
  });
});

it('each set of flows has the room that the file asks for, and forgets after its own time', () => {
  const sets = flowSets([TARGET], 4321, SHARE);
  const byName = (name: string) => sets.find((set) => set.name === name);
  expect(byName('flows4')).toMatchObject({ size: 4321, timeout: 2 * 3600 + 4 * 60 });
  expect(byName('closing6')).toMatchObject({ size: 4321, timeout: 4 * 60 });
});
