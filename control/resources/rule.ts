/** Rules of policy routing. */

import type { Command } from '../command/command.js';
import type { Query } from '../command/query.js';
import { shellWord, shellWords } from '../command/shell.js';
import { hex } from '../config/hex.js';
import { digest } from '../nft/listing.js';
import {
  type IpRule,
  type ObservedHost,
  type ObservedIpRule,
  ROUTE_PROTOCOL,
} from '../plan/state.js';
import { ofBothFamilies, ruleOf } from './ip-json.js';
import { ruleList } from './ip-shapes.js';
import type { KeepItem, ResourceKind } from './kind.js';

export interface RuleChange {
  kind: 'add' | 'delete';
  rule: IpRule;
}

export const rule: ResourceKind<readonly IpRule[], RuleChange> = {
  name: 'rule',
  observe: () => rulesQuery,
  desired: ({ ipRules }) => ipRules,
  diff,
  remove: (observed) => diff([], observed),
  clears: ({ kind }) => kind === 'delete',
  resources: (desired) => desired.map((one) => ({ kind: 'rule', name: asText(one) })),
  differences: ({ kind, rule: one }) => [
    {
      kind: 'rule',
      name: asText(one),
      ...(kind === 'add'
        ? { action: 'added', after: asText(one) }
        : { action: 'removed', before: asText(one) }),
      destructive: false,
    },
  ],
  title: ({ kind, rule: one }) => (kind === 'delete' ? `remove: ${words(one)}` : words(one)),
  apply: ({ kind, rule: one }) => command(kind === 'delete' ? 'del' : 'add', one),
  // Of one priority the kernel lists first what was made first: a rule that is put back is the last of them.
  readBack: ({ rule: { family, priority } }) => [
    {
      argv: [
        'sh',
        '-c',
        'ip "$1" -N rule show priority "$2" | sort',
        'sh',
        `-${family}`,
        String(priority),
      ],
      program: ['ip', 'rule'],
    },
  ],
  undo: ({ kind, rule: one }) => [command(kind === 'delete' ? 'add' : 'del', one)],
  keep: (desired) => desired.map(keepItem),
  saves: { after: (desired) => (desired.length > 0 ? { rules: digest(desired) } : {}) },
};

const rulesQuery: Query<Pick<ObservedHost, 'ipRules'>> = ofBothFamilies(
  (family) => [`-${family}`, '-N', '-d', 'rule', 'show'],
  ruleList,
  (family, rules) => rules.map((json) => ruleOf(family, json)),
  (ipRules) => ({ ipRules }),
);

function diff(desired: readonly IpRule[], observed: ObservedHost): RuleChange[] {
  const present = ourRules(observed);
  const key = ({ family, priority, iif, mark, mask, table, suppressPrefixLength }: IpRule) =>
    [family, priority, iif, mark, mask, table, suppressPrefixLength].join(' ');
  const wanted = new Set(desired.map(key));
  const found = new Set(present.map(key));
  const added = desired.filter((one) => !found.has(key(one)));
  // Backwards: what refuses the rest goes before what lets something pass.
  const stale = present.filter((one) => !wanted.has(key(one))).reverse();
  return [
    ...added.map((one) => ({ kind: 'add' as const, rule: one })),
    ...stale.map((one) => ({ kind: 'delete' as const, rule: one })),
  ];
}

/** Those that carry our protocol number. */
function ourRules({ ipRules }: ObservedHost): IpRule[] {
  return ipRules.filter(({ protocol }) => protocol === ROUTE_PROTOCOL).flatMap(asRule);
}

function asRule(found: ObservedIpRule): IpRule[] {
  const { family, priority, iif, mark, mask, table, suppressPrefixLength, action } = found;
  if (iif === undefined || (table === undefined && action !== 'unreachable')) return [];
  return [
    {
      family,
      priority,
      iif,
      ...(mark !== undefined && { mark }),
      ...(mask !== undefined && { mask }),
      ...(table !== undefined && { table }),
      ...(suppressPrefixLength !== undefined && { suppressPrefixLength }),
    },
  ];
}

/** As the kernel will have it. */
export function observedRule({ why: _why, ...one }: IpRule): ObservedIpRule {
  const action = one.table === undefined ? { action: 'unreachable' as const } : {};
  return { ...one, ...action, protocol: ROUTE_PROTOCOL };
}

function words(one: IpRule): string {
  const { family, priority, iif, mark, mask, table, suppressPrefixLength, why } = one;
  const reason = why === undefined ? '' : `; rule priority ${priority}: ${why}`;
  const marked = mark === undefined ? '' : ` with mark ${hex(mark)}/${hex(mask!)}`;
  const text = `IPv${family} rule: from ${iif}${marked}`;
  if (table === undefined) return `${text}, refuse what no rule before it routes`;
  if (suppressPrefixLength !== undefined)
    return `${text} use the main table without its default route`;
  return `${text} use table ${table}${reason}`;
}

/** As `ip` is told it. */
const asText = (one: IpRule): string => `-${one.family} ${selectorOf(one).join(' ')}`;

function command(verb: 'add' | 'del', one: IpRule): Command {
  return { argv: ['ip', `-${one.family}`, 'rule', verb, ...selectorOf(one)] };
}

function selectorOf(one: IpRule): string[] {
  const { priority, iif, mark, mask, table, suppressPrefixLength: length } = one;
  const marked = mark === undefined ? [] : ['fwmark', `${hex(mark)}/${hex(mask!)}`];
  const suppress = length === undefined ? [] : ['suppress_prefixlength', String(length)];
  const action = table === undefined ? ['unreachable'] : ['lookup', String(table), ...suppress];
  const selector = ['priority', String(priority), 'iif', iif, ...marked];
  const ours = ['protocol', String(ROUTE_PROTOCOL)];
  return [...selector, ...action, ...ours];
}

/** Rules of one priority and interface are kept together: what `ip` prints of the rest differs. */
function keepItem(one: IpRule): KeepItem {
  const { family, priority, iif } = one;
  const words = `${family} ${priority} ${shellWord(`iif ${iif}`)} "$1"`;
  return {
    name: asText(one),
    looked: 'routing',
    check: `check_rule ${words}`,
    repair: [`add_rule ${shellWords(command('add', one).argv.slice(1))}`],
    learn: `learn_rule ${words}`,
  };
}
