/**
 * Where flows go, as the nftables classifier knows it. A flow's entry says its target by the set that
 * it is in: each target has sets of its own. One map from flow to mark would do with a single look-up
 * for any number of targets, but nft 1.0.6 can neither read nor print a rule that writes to a map as
 * JSON, compare what such a map holds, nor set some bits of a mark from one.
 */
import { FAMILIES, type Family } from './flow-time.js';
import type { Mark } from './mark.js';

/**
 * How a flow's first packet asks the kernel whether the policy route is there. nft looks routes up
 * as if they came from `lo`, so a rule of their own (`iif lo fwmark probe lookup table`) shows it
 * the table, and a mark of their own keeps that rule away from real packets.
 */
export interface RouteProbe {
  mark: number;
  /** Interface that each family's policy route must use. */
  devices: Readonly<Partial<Record<Family, string>>>;
}

/** How a target's heartbeats are known. */
export interface TargetHeartbeat {
  /** 32 hexadecimal digits; a secret. */
  tag: string;
  /** From which they come. */
  addresses: Readonly<Partial<Record<Family, string>>>;
  /** Where it is fixed; else the server is known by the one that its heartbeats come from. */
  mac?: string;
}

export interface FlowTarget {
  /** Names the target in the entries of flows; it keeps its number while any live. */
  number: number;
  /** In which it takes flows. */
  families: readonly Family[];
  mark: Mark;
  /** Absent: flows are entered without asking for their route. */
  probe?: RouteProbe;
  /** In the configuration: counters are called by it, and it is hashed where there is a choice. */
  name: string;
  /** Of a choice; 1 when absent. */
  weight?: number;
  /** It gets flows only where no other is fit. */
  backup?: boolean;
  /** It gets no new flows. */
  drained?: boolean;
  /** Absent: its route alone says whether it is there. */
  heartbeat?: TargetHeartbeat;
}

export type BeatingTarget = FlowTarget & { heartbeat: TargetHeartbeat };

/** Those that are judged by their heartbeats. */
export const beating = (targets: readonly FlowTarget[]): BeatingTarget[] =>
  targets.flatMap((target) =>
    target.heartbeat === undefined ? [] : [{ ...target, heartbeat: target.heartbeat }],
  );

/** The first target's objects, and those of the first group, have no number in their names. */
export const suffix = (number: number) => (number === 0 ? '' : `_${number}`);

export const flowsSet = (family: Family, number: number) => `flows${family}${suffix(number)}`;
export const closingSet = (family: Family, number: number) => `closing${family}${suffix(number)}`;
export const steerChainName = (number: number) => `steer${suffix(number)}`;
export const establishedChainName = (family: Family, number: number) =>
  `established${family}${suffix(number)}`;
export const closingChainName = (family: Family, number: number) =>
  `closing${family}${suffix(number)}`;
export const promoteChainName = (family: Family, number: number) =>
  `promote${family}${suffix(number)}`;

export const tryChainName = (family: Family, number: number) => `try${family}${suffix(number)}`;
export const lateChainName = (family: Family, number: number) => `late${family}${suffix(number)}`;
export const enterChainName = (family: Family, number: number) => `enter${family}${suffix(number)}`;
export const heartbeatChainName = (number: number) => `heartbeat${suffix(number)}`;
export const authenticChainName = (number: number) => `authentic${suffix(number)}`;
export const admitChainName = (group: number) => `admit${suffix(group)}`;
export const chooseChainName = (family: Family, group: number) => `choose${family}${suffix(group)}`;

const FLOW_SET = /^(?<kind>flows|closing)(?<family>[46])(?:_(?<number>[1-9]\d*))?$/;

export interface FlowSetName {
  kind: 'flows' | 'closing';
  family: Family;
  number: number;
}

/** What the name of a set of flows says; undefined for other sets. */
export function parseFlowSet(name: string): FlowSetName | undefined {
  const { kind, family, number = '0' } = FLOW_SET.exec(name)?.groups ?? {};
  if (kind === undefined) return undefined;
  return {
    kind: kind as FlowSetName['kind'],
    family: FAMILIES.find((one) => String(one) === family)!,
    number: Number(number),
  };
}
