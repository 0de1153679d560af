/**
 * What the eBPF classifier is attached with, as JSON: the standard input of `sidetrack bpf attach`.
 * A plan shows it, a person can write it. Sets stand beside the rules and have a number, so that
 * one that several rules name is written, and compiled, once.
 */

import { formatNat64, type Nat64Prefix, parseNat64 } from '../config/nat64-prefix.js';
import type { Forwarding } from '../config/schema.js';
import { SidetrackError } from '../error.js';
import { PrefixSet } from './prefix-set.js';
import type { Policy, PortRange, Rule, Verdict } from './rule.js';

export const SPEC_VERSION = 2;

/** How to hand over, and everything else that the policy does not say. */
export interface SpecSteering {
  /** Where client packets come in. */
  interfaces: readonly string[];
  forwarding: Forwarding;
  /** Interfaces to the server by family. */
  serverInterface: { v4?: string; v6?: string };
  nextHop: { v4?: string; v6?: string };
  serverMacs: readonly string[];
  mark: { value: number; mask: number };
  flowTableSize: number;
  /** Flows of each family that one client may have; 0 or absent: no limit. */
  maxFlowsPerClient?: number;
  onFailure: 'direct' | 'block';
}

/** A rule with numbers of sets instead of addresses. */
export interface SpecRule {
  name: string;
  action: Verdict;
  proto?: 'tcp' | 'udp';
  from?: { set: number; macs: readonly string[] };
  macs?: readonly string[];
  to?: number;
  ports?: readonly PortRange[];
}

export interface ClassifierSpec extends SpecSteering {
  version: typeof SPEC_VERSION;
  /** Guards first. */
  rules: SpecRule[];
  /** How many of them are; absent: none. */
  guards?: number;
  /** CIDRs; absent: none. */
  nat64?: string[];
  default: Verdict;
  /** CIDRs of each set. */
  sets: string[][];
}

export function classifierSpec(policy: Policy, steering: SpecSteering): ClassifierSpec {
  const numbers = new Map<PrefixSet, number>();
  const numberOf = (set: PrefixSet): number => {
    const number = numbers.get(set) ?? numbers.size;
    numbers.set(set, number);
    return number;
  };
  const rules = policy.rules.map(({ name, action, proto, from, macs, to, ports }: Rule) => ({
    name,
    action,
    ...(proto && { proto }),
    ...(from && { from: { set: numberOf(from.addresses), macs: from.macs } }),
    ...(macs && { macs }),
    ...(to && { to: numberOf(to) }),
    ...(ports && { ports }),
  }));
  return {
    version: SPEC_VERSION,
    ...steering,
    rules,
    ...(policy.guards !== undefined && { guards: policy.guards }),
    ...(policy.nat64 !== undefined && { nat64: policy.nat64.map(formatNat64) }),
    default: policy.default,
    sets: [...numbers.keys()].map((set) => set.cidrs()),
  };
}

function parseSet(cidrs: readonly string[], number: number): PrefixSet {
  try {
    return PrefixSet.parseAll(cidrs);
  } catch (cause) {
    throw malformed(`in set ${number}: ${(cause as Error).message}`, cause);
  }
}

function parsePrefix(text: string): Nat64Prefix {
  const prefix = parseNat64(text);
  if ('message' in prefix) throw malformed(prefix.message);
  return prefix;
}

/** The policy of a specification: the same one that it was made from. */
export function specPolicy(from: ClassifierSpec): Policy {
  const { rules, sets, default: otherwise, guards, nat64 } = from;
  const parsed = sets.map(parseSet);
  const setOf = (number: number): PrefixSet => {
    const set = parsed[number];
    if (set === undefined) throw malformed(`there is no set ${number}`);
    return set;
  };
  return {
    rules: rules.map(({ from, to, ...rest }) => ({
      ...rest,
      ...(from && { from: { addresses: setOf(from.set), macs: from.macs } }),
      ...(to !== undefined && { to: setOf(to) }),
    })),
    default: otherwise,
    ...(guards !== undefined && { guards }),
    ...(nat64 !== undefined && { nat64: nat64.map(parsePrefix) }),
  };
}

/** What the version before this one wrote: it lies on /run until the next apply. */
type Version1 = Omit<ClassifierSpec, 'version' | 'forwarding'> & {
  version: 1;
  wayOut: ClassifierSpec['forwarding'];
};

/** @throws SidetrackError `classifier-spec-malformed` */
export function parseSpec(text: string): ClassifierSpec {
  let value: Partial<ClassifierSpec | Version1> | null;
  try {
    value = JSON.parse(text) as Partial<ClassifierSpec | Version1> | null;
  } catch (cause) {
    throw malformed(text.trim() === '' ? 'it is empty' : 'it is no JSON', cause);
  }
  const lists = [value?.rules, value?.sets, value?.interfaces, value?.serverMacs];
  if (!lists.every(Array.isArray) || !value?.mark || !value.nextHop || !value.serverInterface)
    throw malformed(
      'it lacks rules, sets, interfaces, serverMacs, mark, nextHop or serverInterface',
    );
  return ofThisVersion(value);
}

function ofThisVersion(value: Partial<ClassifierSpec | Version1>): ClassifierSpec {
  if (value.version === SPEC_VERSION) return value as ClassifierSpec;
  if (value.version !== 1) throw malformed(`its version is ${value.version}`);
  const { wayOut: forwarding, ...rest } = value as Version1;
  return { ...rest, version: SPEC_VERSION, forwarding };
}

function malformed(what: string, cause?: unknown): SidetrackError {
  return new SidetrackError(`standard input is not what sidetrack bpf attach reads: ${what}`, {
    code: 'classifier-spec-malformed',
    source: 'user',
    hint: 'docs/classifier.md says what it reads',
    cause,
  });
}
