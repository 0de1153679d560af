/**
 * Rules as they read for a packet that hides something: what hides could be what a rule blocks, and
 * lets no other rule hold. `evaluate.ts` says the same of one packet.
 */
import type { Policy, Rule } from './rule.js';

/** Whether anything could be blocked; if nothing can, what hides something is left alone. */
export function blocksAnything({ rules, default: otherwise }: Policy): boolean {
  return otherwise === 'block' || rules.some(({ action }) => action === 'block');
}

/** For a packet whose protocol is known and whose ports are not. */
export function withUnseenPorts(rule: Rule): Rule[] {
  const { ports, ...rest } = rule;
  if (ports === undefined) return [rule];
  if (rule.action !== 'block') return [];
  // Only these two have ports.
  if (rest.proto !== undefined) return [rest];
  return [
    { ...rest, proto: 'tcp' },
    { ...rest, proto: 'udp' },
  ];
}

/** For a packet whose protocol is not known either. */
export function withUnseenProtocol(rule: Rule): Rule[] {
  const { ports, proto, ...rest } = rule;
  const isForAll = ports === undefined && proto === undefined;
  return isForAll || rule.action === 'block' ? [rest] : [];
}
