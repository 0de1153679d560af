/**
 * What the eBPF classifier is attached with, as JSON: the standard input of `sidetrack bpf attach`.
 * A plan shows it, a person can write it. Sets stand beside the rules and have a number, so that
 * one that several rules name is written, and compiled, once.
 */

import { z } from 'zod';
import { TARGETS_MAX } from '../../bpf/abi.js';
import { HEALTH_MODES } from '../../bpf/server-health.js';
import { parseAddress } from '../config/address.js';
import { BALANCES } from '../config/balance.js';
import { FORWARDINGS } from '../config/forwarding.js';
import { formatNat64, type Nat64Prefix, parseNat64 } from '../config/nat64-prefix.js';
import { ON_FAILURE } from '../config/on-failure.js';
import { readContract } from '../contract.js';
import { SidetrackError } from '../error.js';
import { PrefixSet } from './prefix-set.js';
import type { Policy, Rule } from './rule.js';

export const SPEC_VERSION = 3;

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
  /** Of `proxy`: a place in `groups`; absent: 0. */
  group: uint32.exactOptional(),
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

const steeredTo = {
  /** The server's addresses by family, and the interfaces to them. */
  nextHop: hopsByFamily,
  serverInterface: interfacesByFamily,
  macs,
  mark,
};

/** How a server's heartbeats are known. */
const heartbeat = z.strictObject({
  /** Where they come from. */
  address: hopsByFamily,
  /** A secret: that of `heartbeatSecrets()`. */
  siphashKey: z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 hexadecimal digits'),
  /** Whether they must come from one of `macs`; if not, their MAC is followed. */
  macFixed: z.boolean(),
});

/** A server. What is absent is as where there is one, that is not judged by heartbeats. */
const target = z.strictObject({
  ...steeredTo,
  /** By which the flow table knows it; absent: its place in the list. */
  number: z
    .int()
    .min(0)
    .max(TARGETS_MAX - 1)
    .exactOptional(),
  name: z.string().exactOptional(),
  /** Of the new flows of a group: its share, 1 if absent. */
  weight: z.int().min(1).max(1000).exactOptional(),
  /** Only where no other one is fit. */
  backup: z.boolean().exactOptional(),
  /** No new flows. */
  drained: z.boolean().exactOptional(),
  /** Another program installs its route: without it there is no way there. */
  external: z.literal(true).exactOptional(),
  /** Absent: `route`. */
  health: z.enum(HEALTH_MODES).exactOptional(),
  /** Absent where nothing is heard from it. */
  heartbeat: heartbeat.exactOptional(),
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
  onFailure: z.enum(ON_FAILURE),
  /** `onFailure: reset`: what nftables knows the packets by that it answers; absent: they are dropped. */
  resetMark: mark.exactOptional(),
};

const heartbeats = z.strictObject({
  /** UDP, of the router. */
  port: z.int().min(1).max(65535),
  /** How many in a row a server needs that was away. */
  rise: z.int().min(1),
  /** Without one for longer, a server's live flows are left to nftables, which resets them. */
  resetAfterSeconds: z.int().min(1),
});

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
const list = <T extends z.ZodType>(one: T) => z.array(one).min(1).max(TARGETS_MAX).readonly();
const current = z.strictObject({
  version: z.literal(SPEC_VERSION),
  ...steering,
  targets: list(target),
  /** Numbers of targets, in the order of the configuration; absent: all flows go to the first target. */
  groups: z.array(list(uint32)).min(1).exactOptional(),
  /** What a flow's target is chosen by; absent: `client`. */
  balance: z.enum(BALANCES).exactOptional(),
  /** Absent where no target has them. */
  heartbeats: heartbeats.exactOptional(),
  forwarding,
  ...policy,
});

/** What the versions before this one wrote: it lies on /run until the next apply. */
const version2 = z
  .strictObject({
    version: z.literal(2),
    ...steering,
    targets: list(z.strictObject(steeredTo)),
    forwarding,
    ...policy,
  })
  .transform((before): ClassifierSpec => ({ ...before, version: SPEC_VERSION }));

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

const schema = z.discriminatedUnion('version', [current, version2, version1]);

export type ClassifierSpec = z.output<typeof current>;
export type SpecTarget = ClassifierSpec['targets'][number];
export type SpecSteering = Omit<ClassifierSpec, 'version' | 'groups' | keyof typeof policy>;

export function classifierSpec(policy: Policy, steering: SpecSteering): ClassifierSpec {
  const numbers = new Map<PrefixSet, number>();
  const numberOf = (set: PrefixSet): number => {
    const number = numbers.get(set) ?? numbers.size;
    numbers.set(set, number);
    return number;
  };
  const rules = policy.rules.map(({ name, action, proto, from, macs, to, ports, group }: Rule) => ({
    name,
    action,
    ...(proto && { proto }),
    ...(from && { from: { set: numberOf(from.addresses), macs: from.macs } }),
    ...(macs && { macs }),
    ...(to && { to: numberOf(to) }),
    ...(ports && { ports }),
    ...(group !== undefined && { group }),
  }));
  const { groups } = policy;
  return {
    version: SPEC_VERSION,
    ...steering,
    ...(groups &&
      chooses(groups, steering) && { groups: groups.map(({ targets }) => [...targets]) }),
    rules,
    ...(policy.guards !== undefined && { guards: policy.guards }),
    ...(policy.nat64 !== undefined && { nat64: policy.nat64.map(formatNat64) }),
    default: policy.default,
    sets: [...numbers.keys()].map((set) => set.cidrs()),
  };
}

/** Whether there is anything to choose, or a server's health to look at. */
function chooses(groups: NonNullable<Policy['groups']>, { targets }: SpecSteering): boolean {
  return (
    groups.length > 1 ||
    targets.length > 1 ||
    targets.some(({ heartbeat, drained, number = 0 }) => heartbeat || drained || number > 0)
  );
}

/** Interfaces where heartbeats come in, and no client packets. */
export function listeningInterfaces({ targets, interfaces }: ClassifierSpec): string[] {
  const towards = targets.flatMap(({ heartbeat, serverInterface }) =>
    heartbeat === undefined ? [] : Object.values(serverInterface),
  );
  return [...new Set(towards)].filter((name) => !interfaces.includes(name)).sort();
}

/** @throws SidetrackError where a rule names a group, or a group a target, that is not there. */
export function specGroups({ groups, targets, rules }: ClassifierSpec): SpecTarget[][] | undefined {
  if (groups === undefined) return undefined;
  const absent = rules.find(({ group = 0 }) => group >= groups.length);
  if (absent !== undefined) throw malformed(`there is no group ${absent.group}`);
  const byNumber = new Map(targets.map((one, place) => [one.number ?? place, one]));
  return groups.map((numbers) =>
    numbers.map((number) => {
      const member = byNumber.get(number);
      if (member === undefined) throw malformed(`there is no target ${number}`);
      return { ...member, number };
    }),
  );
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
  const { rules, sets, default: otherwise, guards, nat64, groups } = from;
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
    ...(groups && { groups: groups.map((targets) => ({ targets })) }),
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
