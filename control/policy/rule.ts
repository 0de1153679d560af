/**
 * The policy's intermediate form: what the rules mean, free of YAML and of any classifier.
 * `evaluate.ts` is the reference reading; `nft/rules.ts` and `bpf/tables.ts` compile it.
 */
import type { Nat64Prefix, PortRange, Verdict } from '../../bpf/policy.js';
import type { PrefixSet } from './prefix-set.js';

export type { PortRange, Verdict };

/**
 * One rule. Every condition present must hold; an absent one holds for every packet.
 * The source holds when the address is in `from.addresses` or the MAC is in `from.macs`.
 */
export interface Rule {
  name: string;
  /** Absent: any IP protocol. Always `tcp` where `action` is `proxy`. */
  proto?: 'tcp' | 'udp';
  /** Never both empty. */
  from?: { addresses: PrefixSet; macs: readonly string[] };
  /** Source MACs (lower case, colons) that must hold in addition to `from`. */
  macs?: readonly string[];
  /** Never empty: `compile.ts` leaves out rules that cannot match. */
  to?: PrefixSet;
  /** Name of the one set that `to` refers to; classifiers reuse it for what they build. */
  toName?: string;
  /** Destination ports; with no `proto` they match TCP and UDP. Sorted, merged. */
  ports?: readonly PortRange[];
  action: Verdict;
  /** Of `proxy`: its place in `Policy.groups`; 0, the group of all, when absent. */
  group?: number;
}

/** Targets among which a flow is handed over: `choice.ts` says to which. */
export interface Group {
  /** Numbers, in the order of the file; those that get no new flows among them. */
  targets: readonly number[];
}

/** First match wins; `default` decides the rest (`proxy` applies to TCP only, other protocols go direct). */
export interface Policy {
  rules: readonly Rule[];
  default: Verdict;
  /** The first one is of all that the file has, and what `default` means. Absent: no rule names one. */
  groups?: readonly Group[];
  /** `to` also holds for a destination below one of these that contains an address of it. */
  nat64?: readonly Nat64Prefix[];
  /** How many of the first rules are guards; those look at the destination itself. */
  guards?: number;
}
