import { describe, expect, it } from 'vitest';
import type { FlowTarget } from '../../../control/nft/flow-target.js';
import type { Statement, Table } from '../../../control/nft/json.js';
import { routerTable } from '../../../control/nft/router-table.js';
import { serverTable } from '../../../control/nft/server-table.js';
import { ruleText } from '../../../control/nft/text.js';
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import { nat64 } from '../nat64.js';
import { diverting, ROUTER, SERVER, TARGET } from './tables.js';

function rulesOf(table: Table, chain: string) {
  return table.chains.find(({ name }) => name === chain)?.rules ?? [];
}

const markOf = (mark: FlowTarget['mark']) =>
  rulesOf(routerTable({ ...ROUTER, targets: [{ ...TARGET, mark }] }), 'steer')[0]!.expr.find(
    (statement): statement is Statement & { mangle: unknown } => 'mangle' in statement,
  );

describe('the router table', () => {
  it('keeps the mark bits outside the mask', () => {
    const mark = { meta: { key: 'mark' } };
    expect(markOf({ value: 0x100, mask: 0xf00 })).toEqual({
      mangle: { key: mark, value: { '|': [{ '&': [mark, 0xfffff1ff] }, 0x100] } },
    });
    expect(markOf({ value: 7, mask: 0xffffffff })).toEqual({
      mangle: { key: mark, value: { '|': [{ '&': [mark, 7] }, 7] } },
    });
  });

  it('steers no family for which the server has no address', () => {
    const table = routerTable({ ...ROUTER, targets: [{ ...TARGET, families: [4] }] });
    const text = JSON.stringify(rulesOf(table, 'admit'));
    expect(text).toContain('flows4');
    expect(text).not.toContain('flows6');
    expect(table.chains.map(({ name }) => name)).not.toContain('established6');
  });

  it('enters a flow into the sets of the target that takes it, and out of those of others', () => {
    const mark = { value: 151, mask: 0xff };
    const targets: FlowTarget[] = [
      { ...TARGET, families: [4] },
      { number: 1, name: 'server2', families: [6], mark },
    ];
    const table = routerTable({ ...ROUTER, targets });
    const admission = JSON.stringify([rulesOf(table, 'enter4'), rulesOf(table, 'enter6_1')]);
    expect(admission).toContain('"op":"update","elem":{"concat":[{"payload":{"protocol":"ip6"');
    const linesIn = (chain: string) => rulesOf(table, chain).map(ruleText);
    const setsOf = (op: string) =>
      [...admission.matchAll(new RegExp(`"op":"${op}".*?"set":"@([a-z_0-9]+)"`, 'g'))].map(
        ([, set]) => set,
      );
    expect(setsOf('update').filter((set) => /^(flows|closing)/.test(set!))).toEqual([
      'closing4',
      'flows4',
      'closing6_1',
      'flows6_1',
    ]);
    expect(linesIn('moved4')).toEqual([
      expect.stringMatching(/^meta mark & 0xff != 0x96 delete @flows4 .* delete @closing4 /),
      expect.stringMatching(/^meta mark & 0xff != 0x97 delete @flows4_1 .* delete @closing4_1 /),
    ]);
    expect(linesIn('enter6_1').join()).toContain('goto settled6_1');
    expect(linesIn('settled6_1')).toEqual([
      'meta mark set meta mark & 0xffffff97 | 0x97 jump moved6',
      'goto steer_1',
    ]);
    expect(JSON.stringify(rulesOf(table, 'steer_1'))).toContain('151');
    expect(JSON.stringify(rulesOf(table, 'established6_1'))).toContain('"steer_1"');
  });

  it('drops instead of returning when on_failure is block', () => {
    const last = rulesOf(routerTable({ ...ROUTER, onFailure: 'block' }), 'refuse').at(-1);
    expect(last?.expr.at(-1)).toEqual({ goto: { target: 'block' } });
  });

  it('answers in the name of the far end when on_failure is reset, and hides that from conntrack', () => {
    const resetting = routerTable({ ...ROUTER, onFailure: 'reset' });
    expect(rulesOf(resetting, 'refuse').at(-1)).toMatchObject({ comment: 'on_failure reset' });
    expect(rulesOf(resetting, 'refuse').at(-1)?.expr.at(-1)).toEqual({
      reject: { type: 'tcp reset' },
    });
    expect(rulesOf(resetting, 'own_resets')).toHaveLength(1);
    expect(rulesOf(routerTable(ROUTER), 'own_resets')).toEqual([]);
  });

  it('names a set alike for TCP and for other protocols', () => {
    const blocking = (macs: readonly string[]) => ({ name: 'b', macs, action: 'block' as const });
    const tcpOnly = { name: 'a', proto: 'tcp' as const, macs: ['02:00:00:00:00:01'] };
    const rules = [{ ...tcpOnly, action: 'proxy' as const }, blocking(['02:00:00:00:00:02'])];
    const { sets } = routerTable({ ...ROUTER, policy: { rules, default: 'direct' } });
    const elements = (wanted: string) => sets.find(({ name }) => name === wanted)?.elements;
    expect(elements('rule1_mac')).toEqual(['02:00:00:00:00:01']);
    expect(elements('rule2_mac')).toEqual(['02:00:00:00:00:02']);
  });

  it('judges other protocols only when something blocks them', () => {
    const rules = ROUTER.policy.rules.filter(({ action }) => action !== 'block');
    const without = routerTable({ ...ROUTER, policy: { ...ROUTER.policy, rules } });
    expect(rulesOf(without, 'classify_other')).toEqual([]);
    const blocking = routerTable({ ...ROUTER, policy: { rules, default: 'block' } });
    expect(rulesOf(blocking, 'classify_other').at(-1)?.expr.at(-1)).toEqual({ drop: null });
  });

  it('holds NAT64 addresses in its IPv6 sets, and guards prefixes with reserved bits', () => {
    const rules = [{ name: 'ten', to: PrefixSet.parse('10.0.0.0/8'), action: 'direct' as const }];
    const of = (...prefixes: string[]) =>
      routerTable({ ...ROUTER, policy: { rules, default: 'proxy', nat64: nat64(...prefixes) } });
    const elements = (table: ReturnType<typeof of>) =>
      table.sets.find(({ name }) => name === 'rule1_to6')?.elements;
    expect(elements(of('64:ff9b::/96'))).toEqual([
      { prefix: { addr: '64:ff9b::a00:0', len: 104 } },
    ]);
    expect(elements(of())).toBeUndefined();
    const guards = (table: ReturnType<typeof of>) =>
      rulesOf(table, 'ipv6').filter(({ comment }) => comment === 'guard:embedded-v4');
    expect(guards(of('64:ff9b::/96'))).toHaveLength(2);
    expect(guards(of('64:ff9b::/96', '2001:db8::/40'))).toHaveLength(3);
  });

  it('judges what hides its ports only when something blocks', () => {
    const chains = (policy: typeof ROUTER.policy) =>
      routerTable({ ...ROUTER, policy }).chains.map(({ name }) => name);
    const rules = ROUTER.policy.rules.filter(({ action }) => action !== 'block');
    expect(chains({ rules, default: 'proxy' })).not.toContain('unseen');
    expect(chains({ rules, default: 'block' })).toContain('unseen');
  });

  it('never emits a rule for a set that is empty', () => {
    const rules = [
      { name: 'none', to: PrefixSet.empty, action: 'proxy' as const, proto: 'tcp' as const },
    ];
    const table = routerTable({ ...ROUTER, policy: { rules, default: 'direct' } });
    expect(JSON.stringify(table)).not.toContain('rule none');
  });

  it('pairs source and destination of one family only', () => {
    const expr = rulesOf(routerTable(ROUTER), 'classify')
      .filter(({ comment }) => comment === 'rule tv')
      .map(({ expr }) => JSON.stringify(expr));
    // IPv4 source with IPv4 destination; the MAC with either destination.
    expect(expr).toHaveLength(3);
    expect(expr.some((text) => text.includes('"ip"') && text.includes('"ip6"'))).toBe(false);
  });
});

describe('the server table', () => {
  it('diverts only the families that have a policy route', () => {
    const text = (families: (4 | 6)[]) => JSON.stringify(diverting(families).chains);
    expect(text([4, 6])).not.toContain('nfproto');
    expect(text([4])).toContain('"right":"ipv6"');
    expect(text([6])).toContain('"right":"ipv4"');
    expect(text([4])).not.toContain('dnat');
  });

  it('redirects only the families that have an address', () => {
    const text = JSON.stringify(serverTable({ ...SERVER, address: { v6: 'fd00::2' } }));
    expect(text).not.toContain('"family":"ip"');
    expect(text).toContain('"dnat":{"family":"ip6","addr":"fd00::2","port":12345}');
  });

  it('takes no frames from others on any way to the program', () => {
    for (const table of [serverTable(SERVER), diverting([4, 6])])
      for (const { name, hook, rules } of table.chains)
        if (hook?.hook === 'prerouting')
          expect([name, JSON.stringify(rules)]).toEqual([
            name,
            expect.stringContaining('"field":"saddr"}},"right":"@routers"'),
          ]);
  });
});
