/** Chains that enter, mark and refuse flows, read as text. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forgetChains } from '../../../control/nft/flow-table.js';
import type { FlowTarget } from '../../../control/nft/flow-target.js';
import type { Chain } from '../../../control/nft/json.js';
import {
  admitChain,
  forwardChains,
  probeMark,
  refuseChain,
} from '../../../control/nft/steering.js';
import { linesOf } from './lines.js';
import { TARGET } from './tables.js';

const SHARE = 250;

const about = (chain: Chain, part: string) => linesOf(chain).filter((line) => line.includes(part));

it('the mark that asks for the route differs from the real one inside the mask, where it can', () => {
  const uint32 = fc.integer({ min: 0, max: 0xffffffff });
  fc.assert(
    fc.property(uint32, uint32, (mask, any) => {
      const value = (mask & any) >>> 0;
      const probe = probeMark({ value, mask });
      if (probe === undefined) expect(value).toBe(mask);
      else {
        expect((probe & ~mask) >>> 0).toBe(0);
        expect(probe).not.toBe(value);
      }
    }),
  );
});

describe('a flow', () => {
  const probed: FlowTarget = {
    ...TARGET,
    probe: { mark: 0x69, devices: { 4: 'br-lan', 6: 'lan2' } },
  };

  it('asks for its route before it takes a token, and takes a token before it is entered', () => {
    const lines = linesOf(admitChain([probed], SHARE));
    const first = (part: string) => lines.findIndex((line) => line.includes(part));
    expect(first('set meta mark & 0xffffff69 | 0x69')).toBe(0);
    expect(first('fib daddr . mark oifname != br-lan')).toBeGreaterThan(0);
    expect(first('@entered4_250')).toBeGreaterThan(first('no route to the server'));
    expect(first('update @closing4')).toBeGreaterThan(first('@entered4_250'));
  });

  it('goes the way of on_failure where neither set has room', () => {
    expect(linesOf(admitChain([TARGET], SHARE)).at(-1)).toBe(
      'counter goto refuse comment "no server of this family"',
    );
    expect(about(admitChain([TARGET], SHARE), 'flow table full')).toHaveLength(2);
  });

  it('needs no token where no client is limited', () => {
    const lines = linesOf(admitChain([TARGET], 0)).join('\n');
    expect(lines).toContain('update @closing4');
    expect(lines).not.toMatch(/limit|entered|recent/);
  });

  it('of a family that no target takes is refused', () => {
    const lines = linesOf(admitChain([{ ...TARGET, families: [4] }], SHARE)).join('\n');
    expect(lines).not.toContain('ip6');
    expect(lines).toMatch(/goto refuse comment "no server of this family"$/);
  });
});

it('what is refused is forgotten by every target, and loses the marks of all', () => {
  const mark = { value: 0x100, mask: 0xf00 };
  const other: FlowTarget = { number: 1, name: 'server2', families: [4], mark };
  const targets = [TARGET, other];
  const lines = linesOf(refuseChain(targets, 'block'));
  expect(lines[0]).toBe('jump forget');
  const forgotten = linesOf(forgetChains(targets)[0]!).join('\n');
  for (const set of ['flows4', 'closing4', 'flows6', 'closing6', 'flows4_1', 'closing6_1'])
    expect(forgotten).toContain(`delete @${set} `);
  expect(lines.at(-1)).toBe(
    'meta mark set meta mark & 0xfffff000 counter goto block comment "on_failure block"',
  );
});

it('what is forwarded with a mark goes to the server or nowhere', () => {
  const [onward, forward] = forwardChains([TARGET.mark]);
  expect(linesOf(forward!).at(-1)).toBe('meta mark & 0xff == 0x96 goto onward');
  expect(linesOf(onward!).at(-1)).toContain('drop');
});
