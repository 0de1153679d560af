/** Rules that can never match: allowed, but hardly meant so. */
import type { AddressList, Config, RuleConfig } from './config.js';
import { type Diagnostic, diagnosticAt } from './diagnostic.js';
import { BOTH, BUILT_IN_SETS, familiesOf, servedFamilies } from './families.js';
import { pagesWarnings } from './pages.js';

/** Whether a list names addresses or sets and yet comes to nothing. */
export function isEmpty(config: Config, list: AddressList): boolean {
  const holdsSomething = (name: string): boolean =>
    BUILT_IN_SETS.includes(name) || config.sets[name]!.entries.length > 0;
  return list.entries.length === 0 && !list.sets.some(holdsSomething);
}

function emptied(config: Config): Diagnostic[] {
  return config.rules.flatMap((rule, i) => {
    const found: Diagnostic[] = [];
    const warn = (key: 'from' | 'to', list: AddressList): void => {
      const sets = list.sets.map((name) => `"${name}"`).join(', ');
      const which = list.sets.length === 1 ? `the set ${sets} is` : `the sets ${sets} are`;
      const message = `rule "${rule.name}" never matches: ${which} empty`;
      found.push(diagnosticAt(config.positionOf(['rules', i, key]), { message }));
    };
    if (rule.to && isEmpty(config, rule.to)) warn('to', rule.to);
    if (rule.from && rule.from.macs.length === 0 && isEmpty(config, rule.from)) {
      warn('from', rule.from);
    }
    return found;
  });
}

/** `from` of one family and `to` of the other, or no server that has an address of the rule's family. */
function mixedUp(config: Config): Diagnostic[] {
  const served = servedFamilies(config);
  return config.rules.flatMap((rule, i) => {
    const from = rule.from?.macs.length ? BOTH : familiesOf(config, rule.from);
    const to = familiesOf(config, rule.to);
    const both = to.filter((family) => from.includes(family));
    const warn = (message: string, key: 'from' | 'to') => [
      diagnosticAt(config.positionOf(['rules', i, key]), { message }),
    ];
    if (both.length === 0)
      return warn(
        `rule "${rule.name}" never matches: "from" is IPv${from[0]} and "to" is IPv${to[0]}`,
        'to',
      );
    if (rule.action !== 'proxy' || both.some((family) => served.includes(family))) return [];
    return warn(
      `rule "${rule.name}" hands nothing over: the server has no IPv${both[0]} address`,
      to.length === 1 ? 'to' : 'from',
    );
  });
}

type Protocol = 'tcp' | 'udp' | 'other';

/** The protocols of which a rule can match any packet; ports narrow it to those that have them. */
function protocolsOf(rule: RuleConfig): Protocol[] {
  if (rule.proto !== undefined) return [rule.proto];
  return rule.ports === undefined ? ['tcp', 'udp', 'other'] : ['tcp', 'udp'];
}

function isUnconditional(rule: RuleConfig): boolean {
  return !(rule.from || rule.macs || rule.to || rule.ports);
}

/** Rules behind others that already take every packet of their protocols. */
function unreachable(config: Config): Diagnostic[] {
  const takenBy = new Map<Protocol, string>();
  return config.rules.flatMap((rule) => {
    const protocols = protocolsOf(rule);
    const takers = new Set(protocols.map((protocol) => takenBy.get(protocol)));
    if (isUnconditional(rule)) {
      for (const protocol of protocols) {
        if (!takenBy.has(protocol)) takenBy.set(protocol, rule.name);
      }
    }
    if (takers.has(undefined)) return [];
    const names = [...takers].map((name) => `"${name}"`).join(' and ');
    const message = `rule "${rule.name}" is never reached: ${names} before it takes every such packet`;
    return [diagnosticAt(rule.position, { message, hint: 'move it up or remove it' })];
  });
}

function idleForwarding(config: Config): Diagnostic[] {
  if (config.router.classifier === 'ebpf' || config.router.forwarding === 'mark') return [];
  const message = `forwarding: ${config.router.forwarding} has no effect with classifier: nftables, which always marks`;
  const hint = 'write classifier: ebpf, or leave forwarding out';
  return [diagnosticAt(config.positionOf(['router', 'forwarding']), { message, hint })];
}

function openPages(config: Config): Diagnostic[] {
  return [
    ...pagesWarnings(config.relay.metrics, ['relay', 'metrics']),
    ...pagesWarnings(config.exporter, ['exporter']),
  ].map(({ path, problem }) => diagnosticAt(config.positionOf(path), problem));
}

export function configWarnings(config: Config): Diagnostic[] {
  return [
    ...idleForwarding(config),
    ...emptied(config),
    ...mixedUp(config),
    ...unreachable(config),
    ...openPages(config),
  ];
}
