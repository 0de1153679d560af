/** What the exporter read of all hosts at one time: metrics and pages are made from it. */
import {
  type Health,
  type HostState,
  type ListReading,
  type RouterState,
  type ServerState,
  STATE_VERSION,
  type State,
} from './state.js';

export interface HostReading extends HostState {
  /** Readings that failed so far. */
  errors: number;
  /** Unix time when it was last compared with the configuration; `state` is as of then. */
  compared?: number;
  /** What its watcher says; absent where none has run. */
  keep?: KeepReading;
}

export interface KeepReading {
  runs: boolean;
  /** By kind. */
  repairs: Readonly<Record<string, number>>;
  /** What each is about. */
  alarms: readonly string[];
  open: readonly string[];
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
  /** Those that are fetched. */
  lists: readonly ListReading[];
  health: readonly Health[];
}

export function stateOfReading(reading: ExporterReading): State {
  const { at, hosts, router, servers, lists, health } = reading;
  const [first = NOTHING, ...others] = health;
  return {
    version: STATE_VERSION,
    at,
    hosts: hosts.map(hostState),
    ...(router && { router }),
    servers: [...servers],
    ...(lists.length > 0 && { lists: [...lists] }),
    health: [first, ...others],
  };
}

const NOTHING: Health = { level: 'ok', host: 'router', what: 'no problem found', next: '' };

const hostState = ({ errors: _, compared: __, keep: ___, ...host }: HostReading): HostState => host;
