/** `capture: tproxy`: what is diverted, and what is left alone. */
import { describe, expect, it } from 'vitest';
import { tproxyChains } from '../../../control/nft/tproxy.js';
import { linesOf } from './lines.js';

const MARK = { value: 151, mask: 0xff };
const chains = (families: (4 | 6)[]) => {
  const scope = { first: [], steered: [{ expr: [{ return: null }], comment: 'not ours' }] };
  return tproxyChains(scope, 12345, { mark: MARK, families });
};
const lines = (name: string, families: (4 | 6)[] = [4, 6]) =>
  linesOf(chains(families).find((chain) => chain.name === name)!);

describe('a steered packet', () => {
  it('is given to the program, or reset where nobody listens', () => {
    expect(lines('divert').slice(-2)).toEqual([
      'meta l4proto tcp tproxy to :12345 meta mark set meta mark & 0xffffff97 | 0x97 counter accept comment "diverted"',
      'meta l4proto tcp counter reject with tcp reset comment "nobody listens"',
    ]);
  });

  it('is looked at only after what is not ours was left alone', () => {
    expect(lines('divert')[1]).toBe('return comment "not ours"');
  });

  it('is hidden from conntrack before it is diverted, and so are its answers', () => {
    const priority = (name: string) => Number(/priority (-?\d+)/.exec(lines(name)[0]!)![1]);
    expect(priority('untrack')).toBeLessThan(priority('divert'));
    expect(lines('untrack').at(-1)).toBe('meta l4proto tcp notrack');
    expect(lines('untrack_answers').at(-1)).toBe(
      'meta l4proto tcp fib saddr type != local notrack',
    );
  });
});

it.each<[4 | 6, string]>([
  [4, 'meta nfproto ipv6 return'],
  [6, 'meta nfproto ipv4 return'],
])('a family without a policy route is left alone beside IPv%i', (family, rule) => {
  for (const name of ['untrack', 'divert']) expect(lines(name, [family])).toContain(rule);
  expect(lines('divert')).not.toContain(rule);
});
