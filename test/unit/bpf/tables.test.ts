import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClassifierPolicy, ClassifierRule } from '../../../bpf/policy.js';
import { compileTables, TABLE_BYTES_MAX, type Tables } from '../../../bpf/tables.js';
import { classifyFirstPacket, type Packet } from '../../../control/policy/evaluate.js';
import { guardedPolicy } from '../../../control/policy/guard-rules.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import { GUARDS, packet, policy } from '../../bpf/arbitraries.js';
import { classOfV4, classOfV6, matchingRule } from './lookup.js';

function nameOf({ policy: { rules } }: Tables, index: number): string {
  return rules[index]?.name ?? 'default';
}

function only(rule: Partial<ClassifierRule>): ClassifierPolicy {
  return { rules: [{ name: 'r', action: 'proxy', ...rule }], default: 'direct' };
}

const tcp = (overrides: Partial<Packet>): Packet => ({
  sourceMac: '02:00:00:00:00:40',
  family: 4,
  source: 0x01020304,
  destination: 0x01020304,
  protocol: 'tcp',
  sourcePort: 40000,
  destinationPort: 443,
  ...overrides,
});

/** Random prefixes, about as long as those of a BGP table. */
function bgpLike(count: number, seed: number): PrefixSet {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  };
  const lengths = [24, 24, 24, 24, 24, 24, 22, 23, 20, 16, 21, 19, 28];
  return PrefixSet.of(
    Array.from({ length: count }, () => {
      const size = 2 ** (32 - lengths[(random() >>> 16) % lengths.length]!);
      const address = ((random() & 0xffff0000) | (random() >>> 16)) >>> 0;
      const first = address - (address % size);
      return { family: 4 as const, first, last: first + size - 1 };
    }),
  );
}

describe('tables', () => {
  it('mean what the reference evaluator says', () => {
    fc.assert(
      fc.property(policy, fc.array(packet, { minLength: 50, maxLength: 200 }), (rules, packets) => {
        const tables = compileTables(guardedPolicy(rules, GUARDS));
        for (const whole of packets) {
          for (const unseen of [undefined, 'ports', 'protocol'] as const) {
            const one = { ...whole, ...(unseen && { unseen }) };
            const { rule } = classifyFirstPacket(rules, GUARDS, one);
            // The program has this one built in.
            if (rule === 'guard:embedded-v4') continue;
            expect(nameOf(tables, matchingRule(tables, one))).toBe(rule);
          }
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it('treat ports that cannot be seen as those of a rule that blocks, and of no other', () => {
    const ports = [{ first: 80, last: 80 }];
    const tables = compileTables(only({ ports }));
    const blocking = compileTables(only({ ports, action: 'block' }));
    for (const protocol of ['tcp', 'udp'] as const) {
      const fragment = tcp({ protocol, unseen: 'ports' });
      expect(nameOf(tables, matchingRule(tables, fragment))).toBe('default');
      expect(nameOf(blocking, matchingRule(blocking, fragment))).toBe('r');
    }
    const other = tcp({ protocol: 47, unseen: 'ports' });
    expect(nameOf(blocking, matchingRule(blocking, other))).toBe('default');
  });

  it('treat a protocol without ports as matching no port condition', () => {
    const tables = compileTables(only({ ports: [{ first: 0, last: 65535 }] }));
    expect(nameOf(tables, matchingRule(tables, tcp({ protocol: 'udp' })))).toBe('r');
    expect(nameOf(tables, matchingRule(tables, tcp({ protocol: 47 })))).toBe('default');
  });

  it('find the edges of every interval', () => {
    const set = PrefixSet.parse(
      '0.0.0.0/32',
      '1.2.3.0/24',
      '1.2.4.128-1.2.6.3',
      '1.2.7.1',
      '1.2.7.3',
      '10.0.0.0/8',
      '255.255.255.255',
    );
    const tables = compileTables(only({ to: set }));
    const { starts, ends } = set.v4Intervals();
    for (const edge of [...starts, ...ends]) {
      for (const address of [edge - 1, edge, edge + 1]) {
        if (address < 0 || address > 0xffffffff) continue;
        expect(classOfV4(tables, address) !== 0).toBe(set.contains(address));
      }
    }
  });

  it('find the edges of IPv6 intervals in either half', () => {
    const set = PrefixSet.parse(
      '::',
      '2001:db8::/32',
      '2001:db9::/64',
      '2001:db9:0:1::1',
      '2001:db9:0:2::5-2001:db9:0:4::9',
      '2001:dba:0:0:ffff:ffff:ffff:ffff',
      'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    );
    const tables = compileTables(only({ to: set }));
    const { starts, ends } = set.v6Intervals();
    for (const edge of [...starts, ...ends]) {
      for (const address of [edge - 1n, edge, edge + 1n]) {
        if (address < 0n || address >= 1n << 128n) continue;
        expect(classOfV6(tables, address) !== 0).toBe(set.contains(address));
      }
    }
  });

  it('need no set at all', () => {
    const tables = compileTables(only({}));
    expect(nameOf(tables, matchingRule(tables, tcp({})))).toBe('r');
    expect(
      nameOf(tables, matchingRule(tables, tcp({ family: 6, source: 1n, destination: 2n }))),
    ).toBe('r');
  });

  it('tell apart many sets in one lookup', () => {
    const rules = Array.from(
      { length: 300 },
      (_, i): ClassifierRule => ({
        name: `r${i}`,
        action: 'direct',
        to: PrefixSet.of([{ family: 4, first: i * 100, last: i * 100 + 149 }]),
      }),
    );
    const tables = compileTables({ rules, default: 'block' });
    for (let address = 0; address < 31_000; address += 7) {
      const expected = rules.find(({ to }) => (to as PrefixSet).contains(address))?.name;
      const found = matchingRule(tables, tcp({ destination: address }));
      expect(nameOf(tables, found)).toBe(expected ?? 'default');
    }
  });
});

describe('size', () => {
  it('compiles a million prefixes in seconds at most, into less than 64 MiB', () => {
    const million = bgpLike(1_000_000, 1);
    const rules: ClassifierRule[] = [
      { name: 'private', to: PrefixSet.parse('10.0.0.0/8', '192.168.0.0/16'), action: 'direct' },
      { name: 'million', to: million, action: 'direct' },
      { name: 'rest', proto: 'tcp', action: 'proxy' },
    ];
    const started = process.cpuUsage();
    const tables = compileTables({ rules, default: 'direct' });
    const { user } = process.cpuUsage(started);
    expect(tables.size).toBeLessThan(TABLE_BYTES_MAX);
    // A bound that only a change of complexity breaks.
    expect(user).toBeLessThan(20_000_000);
    for (let i = 0; i < 20_000; i++) {
      const destination = Math.imul(i, 2654435761) >>> 0;
      const expected = rules.find(
        ({ to }) => to === undefined || (to as PrefixSet).contains(destination),
      );
      expect(nameOf(tables, matchingRule(tables, tcp({ destination })))).toBe(expected!.name);
    }
  }, 60_000);

  it('refuses more rules than a row has bits', () => {
    const rules = Array.from({ length: 1025 }, (_, i) => ({
      name: `${i}`,
      action: 'direct' as const,
    }));
    expect(() => compileTables({ rules, default: 'direct' })).toThrow(
      /1025 rules and guards, of 1024/,
    );
  });

  it('refuses tables that take too much memory', () => {
    // Three classes in each of 140 000 /24s need a leaf each.
    const scattered = (low: number) =>
      PrefixSet.of(
        Array.from({ length: 140_000 }, (_, i) => {
          const first = 0x0a000000 + i * 256 + low;
          return { family: 4 as const, first, last: first };
        }),
      );
    const rules = [1, 3].map((low) => ({
      name: `r${low}`,
      action: 'direct' as const,
      to: scattered(low),
    }));
    expect(() => compileTables({ rules, default: 'direct' })).toThrow(
      /its tables take \d+ MiB, of 64/,
    );
  });
});
