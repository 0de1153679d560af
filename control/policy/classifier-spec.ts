/**
 * What the eBPF classifier is attached with, as JSON: the standard input of `sidetrack bpf attach`.
 * A plan shows it, a person can write it. Sets stand beside the rules and have a number, so that
 * one that several rules name is written, and compiled, once.
 */

import { z } from 'zod';
import { TARGETS_MAX } from '../../bpf/abi.js';
import { parseAddress } from '../config/address.js';
import { FORWARDINGS } from '../config/forwarding.js';
import { formatNat64, type Nat64Prefix, parseNat64 } from '../config/nat64-prefix.js';
import { readContract } from '../contract.js';
import { SidetrackError } from '../error.js';
import { PrefixSet } from './prefix-set.js';
import type { Policy, Rule } from './rule.js';

export const SPEC_VERSION = 2;

const uint32 = z.int().min(0).max(0xffffffff);
const port = z.int().min(0).max(65535);
const verdict = z.enum(['proxy', 'direct', 'block']);
const strings = z.array(z.string()).readonly();
const macs = z
  .array(z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, 'must be a MAC'))
  .readonly();
const ofFamily = (type: 'number' | 'bigint') =>
  z
    .string()
    .refine((text) => typeof parseAddress(text) === type, 'must be an address of its family');

/** Element by element, a million of them would take longer than to compile them; `PrefixSet` reads each anyway. */
const sets = z.custom<string[][]>(
  (value) =>
    Array.isArray(value) &&
    value.every((set) => Array.isArray(set) && set.every((cidr) => typeof cidr === 'string')),
  'must be lists of CIDRs',
);

/** A rule with numbers of sets instead of addresses. */
const specRule = z.strictObject({
  name: z.string(),
  action: verdict,
  proto: z.enum(['tcp', 'udp']).exactOptional(),
  from: z.strictObject({ set: uint32, macs }).exactOptional(),
  macs: macs.exactOptional(),
  to: uint32.exactOptional(),
  ports: z
    .array(z.strictObject({ first: port, last: port }))
    .readonly()
    .exactOptional(),
});

const interfacesByFamily = z.strictObject({
  v4: z.string().exactOptional(),
  v6: z.string().exactOptional(),
});
const hopsByFamily = z.strictObject({
  v4: ofFamily('number').exactOptional(),
  v6: ofFamily('bigint').exactOptional(),
});
const mark = z.strictObject({ value: uint32, mask: uint32 });

/** A server; its place in the list is its number in the flow table. */
const target = z.strictObject({
  /** The server's addresses by family, and the interfaces to them. */
  nextHop: hopsByFamily,
  serverInterface: interfacesByFamily,
  macs,
  mark,
});

/** How to hand over, and everything else that the policy does not say. */
const steering = {
  /** Where client packets come in. */
  interfaces: strings,
  flowTableSize: z
    .int()
    .min(1)
    .max(2 ** 24),
  /** Flows of each family that one client may have; 0 or absent: no limit. */
  maxFlowsPerClient: uint32.exactOptional(),
  onFailure: z.enum(['direct', 'block']),
};

const policy = {
  /** Guards first. */
  rules: z.array(specRule),
  /** How many of them are; absent: none. */
  guards: uint32.exactOptional(),
  /** CIDRs; absent: none. */
  nat64: z.array(z.string()).exactOptional(),
  default: verdict,
  /** CIDRs of each set. */
  sets,
};

const forwarding = z.enum(FORWARDINGS);
const current = z.strictObject({
  version: z.literal(SPEC_VERSION),
  ...steering,
  targets: z.array(target).min(1).max(TARGETS_MAX).readonly(),
  forwarding,
  ...policy,
});

/** What the version before this one wrote: it lies on /run until the next apply. */
const version1 = z
  .strictObject({
    version: z.literal(1),
    ...steering,
    nextHop: hopsByFamily,
    serverInterface: interfacesByFamily,
    serverMacs: macs,
    mark,
    wayOut: forwarding,
    ...policy,
  })
  .transform(
    ({ wayOut, nextHop, serverInterface, serverMacs, mark, ...rest }): ClassifierSpec => ({
      ...rest,
      version: SPEC_VERSION,
      targets: [{ nextHop, serverInterface, macs: serverMacs, mark }],
      forwarding: wayOut,
    }),
  );

const schema = z.discriminatedUnion('version', [current, version1]);

export type ClassifierSpec = z.output<typeof current>;
export type SpecSteering = Omit<ClassifierSpec, 'version' | keyof typeof policy>;

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

/** @throws SidetrackError `classifier-spec-malformed` */
export function parseSpec(text: string): ClassifierSpec {
  const read = readContract(text, schema);
  if ('problem' in read) throw malformed(read.problem);
  return read.value;
}

function malformed(what: string, cause?: unknown): SidetrackError {
  return new SidetrackError(`standard input is not what sidetrack bpf attach reads: ${what}`, {
    code: 'classifier-spec-malformed',
    source: 'user',
    hint: 'docs/classifier.md says what it reads',
    cause,
  });
}
