/** A place on the way of the traffic, with how it is in a word. Pure. */
import type { HostState } from '../state.js';

/** `unknown`: nothing says how it is. */
export type Level = 'ok' | 'warning' | 'critical' | 'unknown';

export interface Standing {
  level: Level;
  /** One or two words, beside the colour. */
  word: string;
}

export interface Place extends Standing {
  /** Stays the same while the place does. */
  key: string;
  title: string;
  /** What it is: `clients`, `router`, `server`, `upstream`, `Internet`. */
  kind: string;
  details: readonly string[];
}

const HOST_STATES: Readonly<Record<NonNullable<HostState['state']>, Standing>> = {
  'in-sync': { level: 'ok', word: 'in sync' },
  drifted: { level: 'warning', word: 'drifted' },
  absent: { level: 'critical', word: 'not applied' },
  unfit: { level: 'critical', word: 'unfit' },
};

export function hostStanding(host: HostState | undefined): Standing {
  if (host === undefined) return { level: 'unknown', word: 'not read' };
  if (!host.up) return { level: 'critical', word: 'not answering' };
  return host.state ? HOST_STATES[host.state] : { level: 'unknown', word: 'not judged' };
}
