/** What the router's table should do and count, from the reference evaluator. */
import { formatAddress } from '../../../control/config/address.js';
import type { TableListing } from '../../../control/nft/listing.js';
import { ruleComment } from '../../../control/nft/rules.js';
import { classifyFirstPacket, type Packet } from '../../../control/policy/evaluate.js';
import type { Policy, Verdict } from '../../../control/policy/rule.js';
import type { Shot } from './router-bench.js';
import { GUARDS } from './world.js';

export interface Prediction {
  /** By serial. */
  fates: Map<number, Verdict>;
  /** Packets by comment of the rule that counts them. */
  counts: Record<string, number>;
  /** Tuples in the flow table. */
  flows: string[];
}

export function predict(policy: Policy, shots: readonly Shot[]): Prediction {
  const judged = shots.map(({ serial, packet }) => ({
    serial,
    packet,
    ...classifyFirstPacket(policy, GUARDS, packet),
  }));
  // Without a rule that can block them, other protocols are not even looked at.
  const othersCounted =
    policy.default === 'block' ||
    policy.rules.some(({ proto, action }) => proto !== 'tcp' && action === 'block');
  const counts: Record<string, number> = {};
  for (const { packet, rule } of judged) {
    if (rule.startsWith('guard:') || (packet.protocol !== 'tcp' && !othersCounted)) continue;
    const comment = rule === 'default' ? rule : ruleComment(rule);
    counts[comment] = (counts[comment] ?? 0) + 1;
  }
  const steered = judged.filter(({ verdict }) => verdict === 'proxy');
  if (steered.length > 0) counts.steered = steered.length;
  return {
    fates: new Map(judged.map(({ serial, verdict }) => [serial, verdict])),
    counts,
    flows: steered.map(({ packet }) => tuple(packet)).sort(),
  };
}

export function tuple({ source, sourcePort, destination, destinationPort }: Packet): string {
  return [formatAddress(source), sourcePort, formatAddress(destination), destinationPort].join(' ');
}

/** Packets by comment, without the guards: which of two guards counts is nobody's concern. */
export function listedCounts({ chains }: TableListing): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { comment, packets } of chains.flatMap(({ rules }) => rules))
    if (comment !== undefined && packets > 0 && !comment.startsWith('guard:'))
      counts[comment] = (counts[comment] ?? 0) + packets;
  return counts;
}

interface FlowElement {
  elem: { val: { concat: (string | number)[] } };
}

/** Of one of the two sets, or of both. */
export function listedFlows({ sets }: TableListing, kind?: 'flows' | 'closing'): string[] {
  return sets
    .filter(({ name }) => (kind ? name.startsWith(kind) : /^(flows|closing)[46]$/.test(name)))
    .flatMap(({ elements }) => elements as FlowElement[])
    .map(({ elem }) => elem.val.concat.join(' '))
    .sort();
}
