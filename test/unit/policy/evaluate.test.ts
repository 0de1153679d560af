import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../../control/config/address.js';
import { classifyFirstPacket, type Packet } from '../../../control/policy/evaluate.js';
import type { Guards } from '../../../control/policy/guard.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import type { Policy, Rule, Verdict } from '../../../control/policy/rule.js';
import { nat64 } from '../nat64.js';

const guards: Guards = {
  serverMacs: ['02:00:00:00:00:02'],
  serverAddresses: PrefixSet.parse('192.168.1.2', 'fd00::2'),
  localAddresses: PrefixSet.parse('192.168.1.1', '203.0.113.1', 'fd00::1'),
};

function packet(overrides: Partial<Packet> & { from?: string; to?: string } = {}): Packet {
  const { from = '192.168.1.40', to = '198.51.100.7', ...rest } = overrides;
  return {
    sourceMac: '02:00:00:00:00:40',
    family: to.includes(':') ? 6 : 4,
    source: parseAddress(from)!,
    destination: parseAddress(to)!,
    protocol: 'tcp',
    sourcePort: 40000,
    destinationPort: 443,
    ...rest,
  };
}

function policy(rules: Rule[], otherwise: Verdict = 'direct'): Policy {
  return { rules, default: otherwise };
}

const proxyAll = policy([{ name: 'rest', proto: 'tcp', action: 'proxy' }]);
const blockAll = policy([{ name: 'all', action: 'block' }]);

describe('guards', () => {
  it.each<[string, Packet]>([
    ['guard:server', packet({ sourceMac: '02:00:00:00:00:02' })],
    ['guard:server', packet({ from: '192.168.1.2' })],
    ['guard:server', packet({ from: 'fd00::2', to: '2001:db8::1' })],
    ['guard:server', packet({ to: '192.168.1.2' })],
    ['guard:server', packet({ from: 'fd00::40', to: 'fd00::2' })],
    ['guard:local', packet({ to: '203.0.113.1' })],
    ['guard:local', packet({ from: 'fd00::40', to: 'fd00::1' })],
    ['guard:multicast', packet({ to: '224.0.0.251', protocol: 'udp', destinationPort: 5353 })],
    ['guard:multicast', packet({ from: 'fd00::40', to: 'ff02::fb', protocol: 'udp' })],
    ['guard:broadcast', packet({ to: '255.255.255.255', protocol: 'udp' })],
    ['guard:link-local', packet({ from: '169.254.3.4' })],
    ['guard:link-local', packet({ to: '169.254.169.254' })],
    ['guard:link-local', packet({ from: 'fe80::40', to: '2001:db8::1' })],
    ['guard:link-local', packet({ from: 'fd00::40', to: 'fe80::1' })],
    ['guard:unspecified', packet({ from: '0.0.0.0' })],
    ['guard:unspecified', packet({ from: '::', to: '2001:db8::1' })],
    ['guard:unspecified', packet({ to: '0.0.0.0' })],
    ['guard:unspecified', packet({ from: 'fd00::40', to: '::' })],
    ['guard:dhcp', packet({ protocol: 'udp', destinationPort: 67 })],
    [
      'guard:dhcp',
      packet({ protocol: 'udp', destinationPort: 546, from: 'fd00::40', to: 'fd00::9' }),
    ],
  ])('%s is direct whatever the rules say', (rule, guarded) => {
    for (const strict of [proxyAll, blockAll, policy([], 'block')]) {
      expect(classifyFirstPacket(strict, guards, guarded)).toEqual({ verdict: 'direct', rule });
    }
  });

  it.each<[string, Packet]>([
    ['mapped', packet({ from: 'fd00::40', to: '::ffff:203.0.113.5' })],
    ['compatible', packet({ from: 'fd00::40', to: '::203.0.113.5', protocol: 'udp' })],
    ['source', packet({ from: '::ffff:10.0.0.1', to: '2001:db8::1', protocol: 58 })],
    [
      'from a server',
      packet({ from: 'fd00::2', to: '::ffff:1.2.3.4', sourceMac: '02:00:00:00:00:02' }),
    ],
  ])('drop what stands for an IPv4 address whatever the rules say: %s', (_, bad) => {
    for (const rules of [proxyAll, policy([]), policy([{ name: 'all', action: 'direct' }])])
      expect(classifyFirstPacket(rules, guards, bad)).toEqual({
        verdict: 'block',
        rule: 'guard:embedded-v4',
      });
  });

  it('take :: and ::1 for what they are', () => {
    expect(classifyFirstPacket(blockAll, guards, packet({ from: 'fd00::1', to: '::1' })).rule).toBe(
      'all',
    );
  });

  it('do not reach further than they should', () => {
    for (const free of [
      packet(),
      packet({ to: '192.168.1.3' }),
      packet({ destinationPort: 67 }),
      packet({ protocol: 'udp', sourcePort: 67, destinationPort: 443 }),
      packet({ protocol: 58, from: 'fd00::40', to: '2001:db8::1' }),
      packet({ to: '240.0.0.1' }),
    ]) {
      expect(classifyFirstPacket(blockAll, guards, free)).toEqual({
        verdict: 'block',
        rule: 'all',
      });
    }
  });
});

describe('rules', () => {
  const only = (rule: Omit<Rule, 'name' | 'action'>, candidate: Packet): boolean =>
    classifyFirstPacket(policy([{ name: 'r', action: 'block', ...rule }]), guards, candidate)
      .rule === 'r';

  it('are read in order', () => {
    const ordered = policy([
      { name: 'web', ports: [{ first: 443, last: 443 }], action: 'direct' },
      { name: 'rest', proto: 'tcp', action: 'proxy' },
    ]);
    expect(classifyFirstPacket(ordered, guards, packet()).rule).toBe('web');
    expect(classifyFirstPacket(ordered, guards, packet({ destinationPort: 80 }))).toEqual({
      verdict: 'proxy',
      rule: 'rest',
    });
  });

  it('match a source by address or by MAC', () => {
    const from = { addresses: PrefixSet.parse('192.168.1.50'), macs: ['02:00:00:00:00:40'] };
    expect(only({ from }, packet())).toBe(true);
    expect(only({ from }, packet({ from: '192.168.1.50', sourceMac: 'x' }))).toBe(true);
    expect(only({ from }, packet({ sourceMac: 'x' }))).toBe(false);
  });

  it('need `macs` in addition to `from`', () => {
    const from = { addresses: PrefixSet.parse('192.168.1.0/24'), macs: [] };
    expect(only({ from, macs: ['02:00:00:00:00:40'] }, packet())).toBe(true);
    expect(only({ from, macs: ['02:00:00:00:00:41'] }, packet())).toBe(false);
    expect(only({ macs: ['02:00:00:00:00:40'] }, packet())).toBe(true);
  });

  it('match a port to its inclusive ends', () => {
    const ports = [
      { first: 80, last: 80 },
      { first: 1000, last: 2000 },
    ];
    const matches = [79, 80, 81, 999, 1000, 2000, 2001].filter((destinationPort) =>
      only({ ports }, packet({ destinationPort })),
    );
    expect(matches).toEqual([80, 1000, 2000]);
  });

  it('with ports match TCP and UDP and nothing else', () => {
    const ports = [{ first: 0, last: 65535 }];
    expect(only({ ports }, packet({ protocol: 'udp' }))).toBe(true);
    expect(only({ ports }, packet({ protocol: 47 }))).toBe(false);
    const { destinationPort: _, ...fragment } = packet({ protocol: 'udp' });
    expect(only({ ports }, fragment)).toBe(false);
  });

  it('match only their own protocol', () => {
    expect(only({ proto: 'udp' }, packet())).toBe(false);
    expect(only({ proto: 'udp' }, packet({ protocol: 'udp' }))).toBe(true);
    expect(only({}, packet({ protocol: 47 }))).toBe(true);
  });

  it('never match through an empty set', () => {
    expect(only({ to: PrefixSet.empty }, packet())).toBe(false);
    expect(only({ from: { addresses: PrefixSet.empty, macs: [] } }, packet())).toBe(false);
  });

  it('need every condition they have', () => {
    const held: Omit<Rule, 'name' | 'action'> = {
      proto: 'tcp',
      from: { addresses: PrefixSet.parse('192.168.1.40'), macs: [] },
      macs: ['02:00:00:00:00:40'],
      to: PrefixSet.parse('198.51.100.0/24'),
      ports: [{ first: 443, last: 443 }],
    };
    const broken: Omit<Rule, 'name' | 'action'> = {
      proto: 'udp',
      from: { addresses: PrefixSet.parse('192.168.1.41'), macs: [] },
      macs: ['02:00:00:00:00:41'],
      to: PrefixSet.parse('198.51.101.0/24'),
      ports: [{ first: 80, last: 80 }],
    };
    const keys = fc.subarray(['proto', 'from', 'macs', 'to', 'ports'] as const);
    fc.assert(
      fc.property(keys, keys, (present, wrong) => {
        const rule = Object.fromEntries(
          present.map((key) => [key, wrong.includes(key) ? broken[key] : held[key]]),
        );
        expect(only(rule, packet())).toBe(!present.some((key) => wrong.includes(key)));
      }),
    );
  });
});

describe('the default', () => {
  it('decides what no rule matched', () => {
    for (const verdict of ['direct', 'block', 'proxy'] as const) {
      expect(classifyFirstPacket(policy([], verdict), guards, packet())).toEqual({
        verdict,
        rule: 'default',
      });
    }
  });

  it('of `proxy` leaves everything but TCP alone', () => {
    for (const protocol of ['udp', 1, 47] as const) {
      expect(classifyFirstPacket(policy([], 'proxy'), guards, packet({ protocol })).verdict).toBe(
        'direct',
      );
    }
  });
});

describe('what a packet hides', () => {
  const quic = { name: 'quic', proto: 'udp' as const, ports: [{ first: 443, last: 443 }] };
  const verdict = (rules: Policy, unseen: 'ports' | 'protocol', overrides: Partial<Packet> = {}) =>
    classifyFirstPacket(rules, guards, packet({ protocol: 'udp', ...overrides, unseen })).verdict;

  it('could be what a rule blocks', () => {
    const blocking = policy([{ ...quic, action: 'block' }]);
    expect(verdict(blocking, 'ports')).toBe('block');
    expect(verdict(blocking, 'protocol', { protocol: 'tcp' })).toBe('block');
    expect(verdict(blocking, 'ports', { protocol: 'tcp' })).toBe('direct');
    expect(verdict(blocking, 'ports', { protocol: 47 })).toBe('direct');
  });

  it('is not what another rule lets through', () => {
    const letting = policy([{ ...quic, action: 'direct' }], 'block');
    expect(verdict(letting, 'ports')).toBe('block');
    expect(verdict(policy([{ name: 'all', action: 'direct' }], 'block'), 'protocol')).toBe(
      'direct',
    );
  });

  it('is never handed over, and no guard takes its ports for known', () => {
    expect(verdict(proxyAll, 'ports', { protocol: 'tcp' })).toBe('direct');
    expect(verdict(policy([], 'block'), 'ports', { destinationPort: 67 })).toBe('block');
  });

  it('counts for nothing where the rest decides', () => {
    const there = { name: 'there', to: PrefixSet.parse('198.51.100.0/24') };
    const elsewhere = { name: 'elsewhere', to: PrefixSet.parse('10.0.0.0/8') };
    expect(verdict(policy([{ ...elsewhere, ...quic, action: 'block' }]), 'ports')).toBe('direct');
    expect(verdict(policy([{ ...there, action: 'direct' }], 'block'), 'ports')).toBe('direct');
  });
});

describe('destinations of NAT64', () => {
  const prefixes = nat64('64:ff9b::/96', '2001:db8:64::/48');
  const to = (address: string) => packet({ from: 'fd00::40', to: address });
  const blocking: Policy = {
    rules: [{ name: 'ten', to: PrefixSet.parse('10.0.0.0/8'), action: 'block' }],
    default: 'direct',
    nat64: prefixes,
  };
  const ruleOf = (rules: Policy, address: string) =>
    classifyFirstPacket(rules, guards, to(address)).rule;

  it('are judged by the IPv4 address in them, too', () => {
    expect(ruleOf(blocking, '64:ff9b::10.1.2.3')).toBe('ten');
    expect(ruleOf(blocking, '2001:db8:64:a01:2:300::')).toBe('ten');
    expect(ruleOf(blocking, '64:ff9b::11.1.2.3')).toBe('default');
    expect(ruleOf({ ...blocking, nat64: [] }, '64:ff9b::10.1.2.3')).toBe('default');
    const own = [{ name: 'own', to: PrefixSet.parse('64:ff9b::/96'), action: 'direct' as const }];
    expect(ruleOf({ ...blocking, rules: [...own, ...blocking.rules] }, '64:ff9b::10.1.2.3')).toBe(
      'own',
    );
  });

  it('are guarded by themselves alone: a gateway can route no address that a guard means', () => {
    for (const address of ['192.168.1.2', '192.168.1.1', '169.254.169.254', '224.0.0.1'])
      expect(ruleOf(blocking, `64:ff9b::${address}`)).toBe('default');
    expect(ruleOf(blocking, '2001:db8:64:a01:102:300::')).toBe('guard:embedded-v4');
  });
});
