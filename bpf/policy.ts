/**
 * What the tables are made from: plain data, so that this package knows nothing of the
 * configuration. The control plane's rules have this shape already; its guards become the first
 * rules.
 */

/** Sorted, disjoint inclusive intervals that do not touch. */
export interface Intervals<T> {
  readonly starts: ArrayLike<T>;
  readonly ends: ArrayLike<T>;
}

/** The same object in several rules is one set in the tables. */
export interface AddressSet {
  v4Intervals(): Intervals<number>;
  v6Intervals(): Intervals<bigint>;
}

/** Inclusive range of TCP or UDP ports; a single port has `first === last`. */
export interface PortRange {
  first: number;
  last: number;
}

/** `proxy`: hand over to the server. `direct`: leave alone. `block`: drop. */
export type Verdict = 'proxy' | 'direct' | 'block';

/** Every condition present must hold; the source holds by address or by MAC. */
export interface ClassifierRule {
  name: string;
  proto?: 'tcp' | 'udp';
  from?: { addresses: AddressSet; macs: readonly string[] };
  /** MACs, lower case with colons, that must hold in addition to `from`. */
  macs?: readonly string[];
  to?: AddressSet;
  /** Destination ports, sorted and merged; they never hold for anything but TCP and UDP. */
  ports?: readonly PortRange[];
  action: Verdict;
  /** With `proxy`: which group of servers; absent: 0. */
  group?: number;
}

/** A prefix of NAT64 (RFC 6052); its length is 32, 40, 48, 56, 64 or 96. */
export interface Nat64Prefix {
  /** Without host bits. */
  address: bigint;
  length: number;
}

/** First match wins; `default` decides the rest (`proxy` applies to TCP only). */
export interface ClassifierPolicy {
  rules: readonly ClassifierRule[];
  default: Verdict;
  /** `to` also holds for a destination below one of these that contains an address of it. */
  nat64?: readonly Nat64Prefix[];
  /** How many of the first rules, 32 at most, look at the destination itself. */
  guards?: number;
}
