/** Which ends of connections are errors, and which of those are of connecting. */
import type { Outcome } from '../proxy/stats.js';

/** Why an upstream could not connect. */
export const CONNECT_ERRORS = [
  'refused',
  'unreachable',
  'timeout',
  'reset',
  'no_ports',
  'no_descriptors',
  'no_memory',
  'other',
  'upstream_refused',
  'upstream_auth',
  'upstream_protocol',
  'handshake_timeout',
  'destination_refused',
  'destination_unreachable',
] as const satisfies readonly Outcome[];

/** How a connection ends that came to what it was for, or that an operator ended. */
const NO_ERRORS: readonly Outcome[] = ['open', 'finished', 'closed', 'drained'];

/** Those that happened, with how often. */
export const failures = (outcomes: Readonly<Record<Outcome, number>>): [Outcome, number][] =>
  happened(outcomes).filter(([outcome]) => !NO_ERRORS.includes(outcome));

export const happened = <Name extends string>(counts: Readonly<Record<Name, number>>) =>
  (Object.entries<number>(counts) as [Name, number][]).filter(([, count]) => count > 0);
