import { describe, expect, it } from 'vitest';
import type { IpRule, ObservedIpRule } from '../../../control/plan/state.js';
import { rule } from '../../../control/resources/rule.js';
import { bareRouter } from '../plan/fixtures.js';

const steering: IpRule = {
  family: 4,
  priority: 1500,
  iif: 'br-lan',
  mark: 0x96,
  mask: 0xff,
  table: 250,
};
const host = (...ipRules: ObservedIpRule[]) => bareRouter({ ipRules });
const words = (command: { argv: readonly string[] }) => command.argv.join(' ');

describe('a rule', () => {
  it('that is there is left alone, whatever the plan notes of its place', () => {
    const noted = { ...steering, note: 'before the main table' };
    expect(rule.diff([noted], host({ ...steering, protocol: 150 }))).toEqual([]);
  });

  it('of others stays, even where ours would lie', () => {
    expect(rule.remove(host(steering))).toEqual([]);
    expect(rule.diff([steering], host(steering))).toHaveLength(1);
  });

  it('is added before, and removed after, and each undoes the other', () => {
    const observed = host({ ...steering, priority: 1400, protocol: 150 });
    const changes = rule.diff([steering], observed);
    expect(changes.map(rule.clears)).toEqual([false, true]);
    const [added, removed] = changes.map((change) => words(rule.apply(change, observed)));
    expect(added).toBe(
      'ip -4 rule add priority 1500 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150',
    );
    expect(removed).toBe(
      'ip -4 rule del priority 1400 iif br-lan fwmark 0x96/0xff lookup 250 protocol 150',
    );
    expect(changes.flatMap((change) => rule.undo(change, observed)).map(words)).toEqual([
      added!.replace('add', 'del'),
      removed!.replace('del', 'add'),
    ]);
  });

  it('that refuses the rest goes before what lets something pass', () => {
    const pass = { family: 4, priority: 32500, iif: 'br-lan', table: 254 } as const;
    const refuse = { family: 4, priority: 32501, iif: 'br-lan', action: 'unreachable' } as const;
    const observed = host(
      { ...pass, suppressPrefixLength: 0, protocol: 150 },
      { ...refuse, protocol: 150 },
    );
    expect(rule.remove(observed).map((change) => words(rule.apply(change, observed)))).toEqual([
      'ip -4 rule del priority 32501 iif br-lan unreachable protocol 150',
      'ip -4 rule del priority 32500 iif br-lan lookup 254 suppress_prefixlength 0 protocol 150',
    ]);
  });

  it('of our number that names no interface is not one of ours', () => {
    expect(rule.remove(host({ family: 4, priority: 9, table: 250, protocol: 150 }))).toEqual([]);
  });
});
