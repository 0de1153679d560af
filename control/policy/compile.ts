/** `Config` → `Policy`: names of sets become addresses, lists of ports become sorted ranges. */
import type { AddressList, Config, RuleConfig } from '../config/config.js';
import { PrefixSet } from './prefix-set.js';
import { PRIVATE } from './private.js';
import type { Group, Policy, PortRange, Rule } from './rule.js';

/** Sorts ranges and joins those that overlap or touch. */
export function mergePorts(ranges: readonly PortRange[]): PortRange[] {
  const merged: PortRange[] = [];
  for (const { first, last } of ranges.toSorted((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (previous !== undefined && first <= previous.last + 1) {
      previous.last = Math.max(previous.last, last);
    } else {
      merged.push({ first, last });
    }
  }
  return merged;
}

export type Addresses = (list: AddressList) => PrefixSet;

const ofSets = new WeakMap<Config['sets'][string], PrefixSet>();

/** The addresses of a set of the configuration, sorted once: an apply needs them for the policy and for its notes. */
export function addressesOfSet(set: Config['sets'][string]): PrefixSet {
  const made = ofSets.get(set) ?? PrefixSet.of(set.entries);
  ofSets.set(set, made);
  return made;
}

/** Builds each named set once, however many rules refer to it. */
export function addressResolver(config: Config): Addresses {
  const built = new Map<string, PrefixSet>([['private', PRIVATE]]);
  const named = (name: string): PrefixSet => {
    const known = built.get(name) ?? addressesOfSet(config.sets[name]!);
    built.set(name, known);
    return known;
  };
  return (list) => PrefixSet.of(list.entries).union(...[...new Set(list.sets)].map(named));
}

/** The rule, or nothing where a condition holds for no packet at all. */
function compileRule(config: RuleConfig, addresses: Addresses): Rule | undefined {
  const { name, proto, from, macs, to, ports, action } = config;
  const rule: Rule = { name, action };
  if (proto !== undefined) rule.proto = proto;
  if (from !== undefined) rule.from = { addresses: addresses(from), macs: [...new Set(from.macs)] };
  if (macs !== undefined) rule.macs = [...new Set(macs)];
  if (to !== undefined) {
    rule.to = addresses(to);
    const [only, ...others] = new Set(to.sets);
    if (only !== undefined && others.length === 0 && to.entries.length === 0) rule.toName = only;
  }
  if (ports !== undefined) rule.ports = mergePorts(ports);
  const isImpossible =
    rule.to?.isEmpty || (rule.from?.addresses.isEmpty && rule.from.macs.length === 0);
  return isImpossible ? undefined : rule;
}

/** The groups that rules name, each once; the first is that of all. */
class Groups {
  readonly #all: readonly string[];
  readonly #known = new Map<string, number>();
  readonly groups: Group[] = [];

  constructor({ servers }: Config) {
    this.#all = servers.map(({ name }) => name);
    this.of(this.#all);
  }

  /** @param names in any order. */
  of(names: readonly string[]): number {
    const members = this.#all.filter((name) => names.includes(name));
    const key = members.join(' ');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.groups.push({ targets: members.map((name) => this.#all.indexOf(name)) });
    this.#known.set(key, this.groups.length - 1);
    return this.groups.length - 1;
  }
}

/**
 * A rule whose `from` or `to` comes to nothing, say by an empty set file, is left out: it never
 * matches, and a classifier that took "no addresses" for "no condition" would match everything.
 * The loader has warned of it.
 * Groups have the places of servers in the file; `plan/targets.ts` makes numbers of targets of them.
 */
export function compilePolicy(config: Config): Policy {
  const addresses = addressResolver(config);
  const groups = new Groups(config);
  const rules = config.rules.flatMap((rule) => {
    const compiled = compileRule(rule, addresses);
    if (compiled === undefined) return [];
    const group = rule.servers === undefined ? 0 : groups.of(rule.servers);
    return [{ ...compiled, ...(group !== 0 && { group }) }];
  });
  return {
    rules,
    default: config.default,
    groups: groups.groups,
    nat64: config.router.nat64,
  };
}
