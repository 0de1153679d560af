/** Since when each upstream is up or down, and why it is down. */
import type { Outcome, UpstreamStats } from '../proxy/stats.js';
import { happened } from './outcomes.js';

export interface UpstreamChange {
  /** Unix time in seconds at which the change was seen. */
  since: number;
  /** While it is down. */
  reason?: string;
}

interface Seen {
  up: boolean;
  since: number;
  /** The last one counted, which may be a look before it is found down. */
  reason: string | undefined;
  errors: Readonly<Record<Outcome, number>>;
  failedProbes: number;
}

export class UpstreamChanges {
  #seen: ReadonlyMap<string, Seen> = new Map();

  /** To be called about once a second; it remembers those that there are. */
  look(upstreams: readonly UpstreamStats[], now: number): void {
    this.#seen = new Map(
      upstreams.map((one) => [one.name, seen(one, this.#seen.get(one.name), now)]),
    );
  }

  of(name: string): UpstreamChange | undefined {
    const seen = this.#seen.get(name);
    if (seen === undefined) return undefined;
    const { up, since, reason } = seen;
    return { since, ...(!up && reason !== undefined && { reason }) };
  }
}

function seen(upstream: UpstreamStats, before: Seen | undefined, now: number): Seen {
  const { up, errors, counters } = upstream;
  return {
    up,
    since: before?.up === up ? before.since : now,
    reason: reasonOf(upstream, before),
    errors,
    failedProbes: counters.probes_failed,
  };
}

/** What failed last; the counters tell after which look. */
function reasonOf(
  { resolved, silent, errors, counters }: UpstreamStats,
  before: Seen | undefined,
): string | undefined {
  if (!resolved) return 'unresolved';
  if (silent) return 'silence';
  const fresh = happened(errors).find(([name, count]) => count > (before?.errors[name] ?? 0));
  if (fresh !== undefined) return fresh[0];
  if (counters.probes_failed > (before?.failedProbes ?? 0)) return 'probe';
  return before?.reason;
}
