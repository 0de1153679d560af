/** What the exporter read of all hosts at one time: metrics and pages are made from it. */
import type { Health, HostState, RouterState, ServerState, State } from './state.js';
import { STATE_VERSION } from './state.js';

export interface HostReading extends HostState {
  /** A word for why it did not answer, which says nothing of where it is. */
  reason?: string;
  /** Readings that failed so far. */
  errors: number;
  /** Unix time when it was last compared with the configuration; `state` is as of then. */
  compared?: number;
}

export interface ExporterReading {
  /** Unix time. */
  at: number;
  hosts: readonly HostReading[];
  /** Absent while the router does not answer. */
  router?: RouterState;
  /** Those that answered and have counters of ours. */
  servers: readonly ServerState[];
  sets: RouterState['sets'];
  health: readonly Health[];
}

/**
 * @param named to readers who may see where hosts are and what ssh says of them; to all others a host is its name
 * and a word.
 */
export function stateOfReading(reading: ExporterReading, named: boolean): State {
  const { at, hosts, router, servers, health } = reading;
  const [first, ...others] = health;
  return {
    version: STATE_VERSION,
    at,
    hosts: hosts.map((host) => hostState(host, named)),
    ...(router && { router }),
    servers: [...servers],
    health: [
      first ?? { level: 'ok', host: 'router', what: 'nothing to see to', next: '' },
      ...others,
    ],
  };
}

function hostState(
  { reason, errors: _errors, compared: _compared, ...host }: HostReading,
  named: boolean,
): HostState {
  if (named) return host;
  const { error: _error, ...rest } = host;
  const address = host.address.replace(/^(\w+):\/\/.*/s, '$1');
  return { ...rest, address, ...(reason !== undefined && { error: reason }) };
}
