/** Policy rules → nft rules and the sets that they refer to. */
import type { PrefixSet } from '../policy/prefix-set.js';
import type { Rule as PolicyRule, Verdict } from '../policy/rule.js';
import { addressSet, macSet, portSet } from './elements.js';
import { FAMILIES, type Family, ipProtocol } from './flow-time.js';
import { counter, equal, type NftSet, payload, type Rule, type Statement } from './json.js';

/** What a verdict becomes as the last statement of a rule. */
export type Verdicts = Readonly<Record<Verdict, Statement>> & {
  /** Where flows of a rule for one group of servers go. */
  readonly proxyBy?: (group: number) => Statement;
};

function verdictOf({ action, group = 0 }: PolicyRule, verdicts: Verdicts): Statement {
  return (action === 'proxy' && group > 0 && verdicts.proxyBy?.(group)) || verdicts[action];
}

export interface CompiledRules {
  rules: Rule[];
  sets: NftSet[];
}

const PROTOCOLS_WITH_PORTS = { set: ['tcp', 'udp'] };

/** What a rule is to the packets of a chain; nothing where it cannot hold. */
export type View = (rule: PolicyRule) => readonly PolicyRule[];

/** The rules that `applies` picks, as they are. */
export const only =
  (applies: (rule: PolicyRule) => boolean): View =>
  (rule) =>
    applies(rule) ? [rule] : [];

/**
 * Compiles `rules` as `view` reads them, in order. A rule becomes several when it names
 * both families or both source addresses and source MACs: nft has no "or" between different fields.
 * Sets are named by the rule's place among all rules, so that chains compiled by different views
 * share a rule's sets and never mean different sets by one name.
 */
export function compileRules(
  rules: readonly PolicyRule[],
  view: View,
  verdicts: Verdicts,
): CompiledRules {
  const sets = new Map<string, NftSet>();
  const compiled = rules.flatMap((rule, index) =>
    view(rule).flatMap((seen) => compileRule(seen, index, sets, verdicts)),
  );
  return { rules: compiled, sets: [...sets.values()] };
}

function compileRule(
  rule: PolicyRule,
  index: number,
  sets: Map<string, NftSet>,
  verdicts: Verdicts,
): Rule[] {
  const prefix = `rule${index + 1}`;
  const tail = [
    ...macMatch(`${prefix}_mac`, rule.macs, sets),
    ...protocolMatch(rule),
    ...portMatch(`${prefix}_port`, rule, sets),
    counter(),
    verdictOf(rule, verdicts),
  ];
  return sourceAlternatives(prefix, rule, sets).flatMap((source) =>
    destinationAlternatives(prefix, rule, sets, source.family).map((destination) => ({
      comment: ruleComment(rule.name),
      expr: [...source.match, ...destination, ...tail],
    })),
  );
}

/** How a rule's counters are found again; nft allows comments of 128 bytes. */
export const ruleComment = (name: string) => `rule ${name}`;

interface Alternative {
  match: Statement[];
  /** The family that `match` already implies. */
  family?: Family;
}

function sourceAlternatives(
  prefix: string,
  rule: PolicyRule,
  sets: Map<string, NftSet>,
): Alternative[] {
  if (rule.from === undefined) return [{ match: [] }];
  const { addresses, macs } = rule.from;
  const byMac = macMatch(`${prefix}_from_mac`, macs.length > 0 ? macs : undefined, sets);
  return [
    ...addressAlternatives(`${prefix}_from`, 'saddr', addresses, sets),
    ...(byMac.length > 0 ? [{ match: byMac }] : []),
  ];
}

function destinationAlternatives(
  prefix: string,
  rule: PolicyRule,
  sets: Map<string, NftSet>,
  family: Family | undefined,
): Statement[][] {
  if (rule.to === undefined) return [[]];
  const name = rule.toName === undefined ? `${prefix}_to` : `set_${rule.toName}_`;
  return addressAlternatives(name, 'daddr', rule.to, sets)
    .filter((alternative) => family === undefined || alternative.family === family)
    .map(({ match }) => match);
}

function addressAlternatives(
  name: string,
  field: 'saddr' | 'daddr',
  addresses: PrefixSet,
  sets: Map<string, NftSet>,
): Alternative[] {
  return FAMILIES.flatMap((family) => {
    const key = `${name}${family}`;
    const set = sets.get(key) ?? addressSet(key, family, addresses);
    if (set === undefined) return [];
    sets.set(key, set);
    return [{ family, match: [equal(payload(ipProtocol(family), field), `@${key}`)] }];
  });
}

function macMatch(
  name: string,
  macs: readonly string[] | undefined,
  sets: Map<string, NftSet>,
): Statement[] {
  if (macs === undefined) return [];
  sets.set(name, macSet(name, macs));
  return [equal(payload('ether', 'saddr'), `@${name}`)];
}

function protocolMatch({ proto, ports }: PolicyRule): Statement[] {
  const left = { meta: { key: 'l4proto' } };
  if (proto !== undefined) return [equal(left, proto)];
  return ports === undefined ? [] : [equal(left, PROTOCOLS_WITH_PORTS)];
}

function portMatch(name: string, { ports }: PolicyRule, sets: Map<string, NftSet>): Statement[] {
  if (ports === undefined) return [];
  sets.set(name, portSet(name, ports));
  return [equal(payload('th', 'dport'), `@${name}`)];
}
