/** What the rules have counted, in the same words and units whichever classifier judges. Pure. */
import type { ClassifierCounters } from '../../bpf/report.js';
import type { OnFailure } from '../config/on-failure.js';
import { FAILURE_COMMENT } from '../nft/flow-table.js';
import type { ListedChain, TableListing } from '../nft/listing.js';
import { ruleComment } from '../nft/rules.js';
import { onFailureComment } from '../nft/steering.js';

export interface RuleCounter {
  /** The rule's comment: `rule lan`, `guard local`, `default`, `steered`. */
  rule: string;
  packets: number;
  /** Absent where only the packets are counted. */
  bytes?: number;
}

/** In the words of the nftables classifier. */
export function classifierCounters(
  { rules, outcomes, events }: ClassifierCounters,
  onFailure: OnFailure,
): RuleCounter[] {
  const { marked, redirected, embedded_v4: embedded } = outcomes;
  return sumByRule([
    ...rules.map(({ name, ...count }) => ({
      rule: name === 'default' || name.startsWith('guard:') ? name : ruleComment(name),
      ...withoutFrames(count),
    })),
    // The program has this guard built in.
    { rule: 'guard:embedded-v4', ...withoutFrames(embedded) },
    ...[marked, redirected].map((count) => ({ rule: 'steered', ...withoutFrames(count) })),
    { rule: onFailureComment(onFailure), packets: events.on_failure },
    { rule: FAILURE_COMMENT.overShare, packets: events.over_share },
    { rule: FAILURE_COMMENT.full, packets: events.table_full },
    { rule: FAILURE_COMMENT.noRoute, packets: events.no_route },
  ]);
}

const ETHERNET_HEADER = 14;

/** The program sits before the frame's header is taken off, nftables behind that. */
function withoutFrames({ packets, bytes }: { packets: number; bytes: number }) {
  return { packets, bytes: Math.max(0, bytes - ETHERNET_HEADER * packets) };
}

const REASONS: readonly string[] = Object.values(FAILURE_COMMENT);
const ORDER = [
  (rule: string) => /^rule /.test(rule),
  (rule: string) => rule === 'default',
  (rule: string) => /^on_failure /.test(rule),
  (rule: string) => REASONS.includes(rule),
  (rule: string) => rule === 'steered',
  (rule: string) => /^guard:/.test(rule),
];

/** The user's own rules first, then what became of their packets. */
function rank({ rule }: RuleCounter): number {
  const index = ORDER.findIndex((matches) => matches(rule));
  return index === -1 ? ORDER.length : index;
}

/** Rules with the same comment (one a family) are one rule to the user: their counters are added. */
export function ruleCounters({ chains }: TableListing): RuleCounter[] {
  const commented = chains
    .flatMap(({ rules }: ListedChain) => rules)
    .flatMap(({ comment, packets, bytes }) =>
      comment === undefined ? [] : [{ rule: comment, packets, bytes }],
    );
  return sortCounters(sumByRule(commented));
}

export function sumByRule(counters: readonly RuleCounter[]): RuleCounter[] {
  const sums = new Map<string, RuleCounter>();
  for (const { rule, packets, bytes } of counters) {
    const sum = sums.get(rule);
    const total = bytes === undefined ? sum?.bytes : (sum?.bytes ?? 0) + bytes;
    sums.set(rule, {
      rule,
      packets: (sum?.packets ?? 0) + packets,
      ...(total !== undefined && { bytes: total }),
    });
  }
  return [...sums.values()];
}

export const sortCounters = (counters: readonly RuleCounter[]) =>
  counters.toSorted((a, b) => rank(a) - rank(b));
