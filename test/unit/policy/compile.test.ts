import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePolicy, mergePorts } from '../../../control/policy/compile.js';
import { classifyFirstPacket } from '../../../control/policy/evaluate.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import { PRIVATE } from '../../../control/policy/private.js';
import type { Policy } from '../../../control/policy/rule.js';
import { load, MINIMAL } from '../config/temporary.js';

async function compile(yaml: string): Promise<Policy> {
  const files = { 'china.txt': '203.0.113.0/25\n203.0.113.128/25\n', 'none.txt': '' };
  const sets = 'sets: { china: { file: china.txt }, none: { file: none.txt, min_entries: 0 } }\n';
  return compilePolicy(await load(`${MINIMAL}${sets}${yaml}`, files));
}

const noGuards = {
  serverMacs: [],
  serverAddresses: PrefixSet.empty,
  localAddresses: PrefixSet.empty,
};

describe('compilePolicy', () => {
  it('gives a minimal file its meaning', async () => {
    const policy = await compile('');
    expect(policy).toEqual({
      rules: [
        { name: 'private', to: PRIVATE, toName: 'private', action: 'direct' },
        { name: 'rest', proto: 'tcp', action: 'proxy' },
      ],
      default: 'direct',
      groups: [{ targets: [0] }],
      nat64: [{ address: 0x64ff9bn << 96n, length: 96 }],
    });
    expect(policy.rules[0]?.to).toBe(PRIVATE);
  });

  it('joins sets, entries and ports', async () => {
    const { rules } = await compile(`rules:
  - name: mixed
    from: [10.0.0.0/9, 10.128.0.0/9, china, 02:00:00:00:00:40, 02-00-00-00-00-40]
    mac: [02:00:00:00:00:41, 02:00:00:00:00:41]
    to: [china, "2001:db8::/33", "2001:db8:8000::/33"]
    port: [443, 80-90, 85-100, 101]
    action: block
`);
    const [rule] = rules;
    expect(rule?.from?.addresses.cidrs()).toEqual(['10.0.0.0/8', '203.0.113.0/24']);
    expect(rule?.from?.macs).toEqual(['02:00:00:00:00:40']);
    expect(rule?.macs).toEqual(['02:00:00:00:00:41']);
    expect(rule?.to?.cidrs()).toEqual(['203.0.113.0/24', '2001:db8::/32']);
    expect(rule?.ports).toEqual([
      { first: 80, last: 101 },
      { first: 443, last: 443 },
    ]);
    expect(rule).not.toHaveProperty('proto');
    expect(rule).not.toHaveProperty('toName');
  });

  it('names the set only where it is all that `to` has', async () => {
    const { rules } = await compile(`rules:
  - { to: china, action: direct }
  - { to: [china, china], action: direct }
  - { to: [china, private], action: direct }
  - { to: [china, 10.0.0.1], action: direct }
  - { to: 10.0.0.1, action: direct }
`);
    expect(rules.map((rule) => rule.toName)).toEqual([
      'china',
      'china',
      undefined,
      undefined,
      undefined,
    ]);
    expect(rules[0]?.to).toBe(rules[1]?.to);
  });

  it('lets `proxy` mean TCP', async () => {
    const { rules, default: otherwise } = await compile(
      'rules: [{ port: 443, action: proxy }]\ndefault: block\n',
    );
    expect(rules[0]?.proto).toBe('tcp');
    expect(otherwise).toBe('block');
  });

  it('never turns an empty set into a match of everything', async () => {
    const policy = await compile(`rules:
  - { to: none, action: block }
  - { from: none, action: block }
  - { from: [none, 02:00:00:00:00:40], action: block }
`);
    expect(policy.rules.map((rule) => rule.name)).toEqual(['rule-3']);
    const packet = {
      sourceMac: '02:00:00:00:00:01',
      family: 4 as const,
      source: 1,
      destination: 0x08080808,
      protocol: 'tcp' as const,
      destinationPort: 443,
    };
    expect(classifyFirstPacket(policy, noGuards, { ...packet, source: 0x0a000001 })).toEqual({
      verdict: 'direct',
      rule: 'default',
    });
  });
});

describe('mergePorts', () => {
  it('covers the same ports with sorted ranges that do not touch', () => {
    const range = fc
      .tuple(fc.integer({ min: 1, max: 60 }), fc.nat(8))
      .map(([first, size]) => ({ first, last: first + size }));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
        const merged = mergePorts(ranges);
        const covers = (list: typeof ranges, port: number): boolean =>
          list.some(({ first, last }) => first <= port && port <= last);
        for (let port = 0; port < 75; port++) {
          expect(covers(merged, port)).toBe(covers(ranges, port));
        }
        for (let i = 1; i < merged.length; i++) {
          expect(merged[i]!.first).toBeGreaterThan(merged[i - 1]!.last + 1);
        }
      }),
    );
  });
});
