/** Policies of ten rules that the floods meet, with and without a million prefixes. */
import type { PrefixSet } from '../../../control/policy/prefix-set.js';
import type { Policy, Rule } from '../../../control/policy/rule.js';
import { prefixSet, v4Prefixes } from '../prefixes.js';

export const MILLION = 1_000_000;

/** Two lists that have nothing to do with each other. */
export const LISTS = { first: 7, second: 11 } as const;
export type ListName = keyof typeof LISTS;

const made = new Map<ListName, PrefixSet>();

export function millionPrefixes(name: ListName): PrefixSet {
  const set = made.get(name) ?? prefixSet(v4Prefixes(MILLION, LISTS[name]), []);
  made.set(name, set);
  return set;
}

/** Rules that no packet of a flood matches. */
const misses = (count: number): Rule[] =>
  Array.from({ length: count }, (_, i) => ({
    name: `port${i}`,
    proto: 'tcp',
    ports: [{ first: 1000 + i, last: 1000 + i }],
    action: 'direct',
  }));

const proxied = (name: string, to?: PrefixSet): Rule => ({
  name,
  proto: 'tcp',
  ...(to && { to }),
  action: 'proxy',
});

/** Nine rules that do not match, and one that does. */
export const tenRules = (): Policy => ({
  rules: [...misses(9), proxied('rest')],
  default: 'direct',
});

/**
 * The ninth rule asks whether the destination is in the list. Both answers lead to the server: what
 * is compared is the question, not two routes.
 */
export const tenRulesAndList = (): Policy => ({
  rules: [...misses(8), proxied('list', millionPrefixes('first')), proxied('rest')],
  default: 'direct',
});

/** Only what is in the list goes to the server. */
export const onlyList = (name: ListName): Policy => ({
  rules: [...misses(9), proxied('list', millionPrefixes(name))],
  default: 'direct',
});
