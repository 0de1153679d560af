/** For what an upstream is put into backoff, in words; see fault_of() of the engine. */
import type { Outcome } from '../proxy/stats.js';

/** A client's connection that failed so, a probe, or connections that were of no use. */
export type Fault = Outcome | 'probe' | 'silence';

export const FAULTS: Readonly<Partial<Record<Fault, string>>> = {
  upstream_auth: 'it wants other credentials',
  refused: 'it refuses connections',
  unreachable: 'it cannot be reached',
  timeout: 'it does not answer',
  other: 'it cannot be connected to',
  upstream_protocol: 'it does not speak its protocol, or hangs up',
  reset: 'it resets connections',
  handshake_timeout: 'it is silent during the handshake',
  probe: 'the destination of `relay.probe` is not reached through it, or does not answer',
  silence: 'it accepts requests, then hangs up without a byte',
};
