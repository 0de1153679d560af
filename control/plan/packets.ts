/**
 * Packets as a set: what is known of them is fixed, the rest may be anything. The kernel's rules and
 * routes are asked which of them they fit: none, some or all. Of one single packet all is known.
 */
import { type Address, formatAddress, parseAddress } from '../config/address.js';
import { networkOf } from '../config/entry.js';
import type { Family, NumberRange, Prefix } from './state.js';

/** How many of some packets a rule or a route fits. */
export type Share = 'none' | 'some' | 'all';

/** Inclusive, of either family. */
export interface Span {
  first: bigint;
  last: bigint;
}

export interface Packets {
  family: Family;
  /** Where they come in; `lo` for the machine's own. */
  iif: string;
  /** The port of a VRF: the rule `l3mdev` fits them. */
  inVrf?: boolean;
  mark: number;
  sources: readonly Span[];
  /** Any when absent, as with everything below. */
  destination?: bigint;
  tos?: number;
  sourcePort?: number;
  destinationPort?: number;
}

export const everything = (family: Family): Span => ({
  first: 0n,
  last: (1n << (family === 4 ? 32n : 128n)) - 1n,
});

export function spanOf({ address, length }: Prefix): Span {
  const { first, last } = networkOf(parseAddress(address)!, length);
  return { first: BigInt(first), last: BigInt(last) };
}

export function addressNumber(text: string): bigint {
  return BigInt(parseAddress(text)!);
}

export function addressText(family: Family, value: bigint): string {
  const address: Address = family === 4 ? Number(value) : value;
  return formatAddress(address);
}

const overlaps = (a: Span, b: Span) => a.first <= b.last && b.first <= a.last;
const contains = (a: Span, b: Span) => a.first <= b.first && b.last <= a.last;

export function shareOfSpans(spans: readonly Span[], chosen: Span): Share {
  if (spans.every((span) => contains(chosen, span))) return 'all';
  return spans.some((span) => overlaps(chosen, span)) ? 'some' : 'none';
}

/** The spans less single addresses. */
export function without(spans: readonly Span[], addresses: readonly bigint[]): Span[] {
  return addresses.reduce<Span[]>(
    (left, address) =>
      left.flatMap((span) =>
        address < span.first || address > span.last
          ? [span]
          : [
              { first: span.first, last: address - 1n },
              { first: address + 1n, last: span.last },
            ].filter(({ first, last }) => first <= last),
      ),
    [...spans],
  );
}

/** Of packets whose value is `value`, or anything. */
export function shareOfRange({ first, last }: NumberRange, value: number | undefined): Share {
  if (value === undefined) return 'some';
  return first <= value && value <= last ? 'all' : 'none';
}

/** Packets that fit both; right where the two say nothing of each other. */
export function both(...shares: readonly Share[]): Share {
  if (shares.includes('none')) return 'none';
  return shares.includes('some') ? 'some' : 'all';
}

export function inverse(share: Share): Share {
  if (share === 'some') return share;
  return share === 'all' ? 'none' : 'all';
}
