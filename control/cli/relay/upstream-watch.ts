/**
 * Says on standard error when an upstream begins to rest, why, and when it is back: once for each
 * change, however many connections it takes.
 */
import pc from 'picocolors';
import type { Relay } from '../../../proxy/relay.js';
import type { Outcome, UpstreamStats } from '../../../proxy/stats.js';
import { note } from '../output.js';

const LOOK_EVERY_MS = 1000;
/** Whoever comes and goes is mentioned no more often. */
const QUIET_MS = 60_000;

/** A client's connection that failed so, or a probe. */
type Reason = Outcome | 'probe';

/** For what an upstream is sent to rest; see attempt_fault() of the engine. */
const FAULTS: Partial<Record<Reason, string>> = {
  upstream_auth: 'it wants other credentials',
  refused: 'it refuses connections',
  unreachable: 'it cannot be reached',
  timeout: 'it does not answer',
  other: 'it cannot be connected to',
  upstream_protocol: 'it does not speak its protocol, or hangs up',
  reset: 'it resets connections',
  handshake_timeout: 'it is silent during the handshake',
  probe: 'the destination of `relay.probe` is not reached through it',
};
const HINTS: Partial<Record<Reason, string>> = {
  upstream_auth: 'correct its `username` and `password_file`, then reload the relay (SIGHUP)',
  upstream_protocol: 'is the scheme of its `url` right?',
};
const REASONS = Object.keys(FAULTS).filter((one) => one !== 'probe') as Outcome[];

interface Watched {
  errors: UpstreamStats['errors'];
  failedProbes: number;
  /** The last one counted. */
  reason: Reason | undefined;
  /** The present rest has been spoken of. */
  told: boolean;
  toldAt: number;
}

type View = { upstreams: readonly UpstreamStats[]; resting: readonly string[] };

/** @returns a function from what is so now to the lines that are due. */
export function upstreamChanges(): (view: View, nowMs: number) => string[] {
  const watched = new Map<string, Watched>();
  return ({ upstreams, resting }, nowMs) =>
    upstreams.flatMap(({ name, errors, counters: { probes_failed: failedProbes } }) => {
      const before = watched.get(name);
      const fresh = (reason: Outcome) => errors[reason] - (before?.errors[reason] ?? 0);
      const probed = failedProbes > (before?.failedProbes ?? 0) ? 'probe' : undefined;
      const reason = REASONS.find((one) => fresh(one) > 0) ?? probed ?? before?.reason;
      const [told, toldAt] = [before?.told ?? false, before?.toldAt ?? Number.NEGATIVE_INFINITY];
      const rests = resting.includes(name);
      const begins = rests && !told && nowMs - toldAt >= QUIET_MS;
      watched.set(name, {
        errors,
        failedProbes,
        reason,
        told: begins || (told && rests),
        toldAt: begins ? nowMs : toldAt,
      });
      if (begins) return [restLine(name, reason)];
      return told && !rests ? [`upstream "${name}" is back`] : [];
    });
}

function restLine(name: string, reason: Reason | undefined): string {
  const why = reason === undefined ? '' : `: ${FAULTS[reason]} (${reason})`;
  const hint = reason === undefined ? undefined : HINTS[reason];
  const line = `${pc.yellow('warning:')} upstream "${name}" is at rest${why}`;
  return hint ? `${line}\n  hint: ${hint}` : line;
}

/** Looks once a second. @returns what ends it. */
export function watchUpstreams(relay: Pick<Relay, 'stats' | 'resting'>): () => void {
  const changes = upstreamChanges();
  const look = () => {
    // Rests first: the reason is counted before the rest begins.
    const resting = relay.resting();
    for (const line of changes({ resting, upstreams: relay.stats().upstreams }, Date.now()))
      note(line);
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
