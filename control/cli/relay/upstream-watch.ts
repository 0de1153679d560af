/**
 * Says on standard error when an upstream goes into backoff, why, and when it is back: once for each
 * change, however many connections it takes.
 */
import pc from 'picocolors';
import { FAULTS, type Fault } from '../../../monitoring/upstream-faults.js';
import type { Relay } from '../../../proxy/relay.js';
import type { Outcome, UpstreamStats } from '../../../proxy/stats.js';
import type { Family } from '../../../proxy/upstreams.js';
import type { UpstreamConfig } from '../../config/config.js';
import { say } from '../output.js';
import { hasCredential } from './upstreams.js';

const LOOK_EVERY_MS = 1000;
/** One that comes and goes is mentioned no more often. */
const QUIET_MS = 60_000;

const HINTS: Partial<Record<Fault, string>> = {
  upstream_auth: 'correct its `username` and `password_file`, then reload the relay (SIGHUP)',
  upstream_protocol: 'is the scheme of its `url` right?',
  silence:
    'a tunnel behind it may be dead; `relay.probe` with url, tls or banner finds out before clients do',
};
const REASONS = Object.keys(FAULTS).filter(
  (one) => one !== 'probe' && one !== 'silence',
) as Outcome[];

interface Watched {
  errors: UpstreamStats['errors'];
  failedProbes: number;
  /** The last one counted. */
  reason: Fault | undefined;
  /** The present backoff has been told. */
  told: boolean;
  toldAt: number;
}

const FAMILIES = { ipv4: 'IPv4', ipv6: 'IPv6' } as const;

/**
 * Lines about what an upstream does not carry: each family when that begins and ends, each port once.
 * While it is in backoff, which is told already, nothing of this is told.
 */
function limitChanges(): (upstream: UpstreamStats, isBackedOff: boolean) => string[] {
  const lacking = new Map<string, readonly string[]>();
  const ports = new Set<string>();
  return ({ name, lacking: found, forbiddenPorts }, isBackedOff) => {
    const before = lacking.get(name) ?? [];
    const now = isBackedOff ? before : found;
    lacking.set(name, now);
    const families = (['ipv4', 'ipv6'] as const).flatMap((family) => {
      const [was, is] = [before.includes(family), now.includes(family)];
      if (was === is) return [];
      return is
        ? `${pc.yellow('warning:')} upstream "${name}" does not carry ${FAMILIES[family]} (probe)`
        : `upstream "${name}" carries ${FAMILIES[family]} again`;
    });
    const fresh = forbiddenPorts.filter((port) => !ports.has(`${name} ${port}`));
    for (const port of fresh) ports.add(`${name} ${port}`);
    return [...families, ...fresh.map((port) => portLine(name, port))];
  };
}

/** Lines about families that the relay does not accept, when that begins and ends. */
function refusalChanges(): (refused: readonly Family[]) => string[] {
  let before: readonly Family[] = [];
  return (now) => {
    const begun = now.filter((family) => !before.includes(family));
    const over = before.filter((family) => !now.includes(family));
    before = now;
    return [
      ...begun.map((family) => {
        const name = FAMILIES[family];
        return `${pc.yellow('warning:')} no upstream carries ${name} (probe): ${name} is refused until one carries it again`;
      }),
      ...over.map((family) => `${FAMILIES[family]} is accepted again`),
    ];
  };
}

function portLine(name: string, port: number): string {
  return `${pc.yellow('warning:')} upstream "${name}" has a rule against connections to port ${port} (upstream_refused); the next upstream is tried instead
  hint: write a route that goes there at once: { port: ${port}, upstreams: [...] } in relay.routes`;
}

type View = {
  upstreams: readonly UpstreamStats[];
  backedOff: readonly string[];
  refused: readonly Family[];
};

/**
 * @param credentialOf the file behind the password of an upstream that systemd has read for us.
 * @returns a function from what is so now to the lines that are due.
 */
export function upstreamChanges(
  credentialOf: (upstream: string) => string | undefined = () => undefined,
): (view: View, nowMs: number) => string[] {
  const watched = new Map<string, Watched>();
  const limits = limitChanges();
  const refusals = refusalChanges();
  return ({ upstreams, backedOff, refused }, nowMs) => [
    ...upstreams.flatMap((upstream) => {
      const { name, errors } = upstream;
      const failedProbes = upstream.counters.probes_failed;
      const before = watched.get(name);
      const fresh = (reason: Outcome) => errors[reason] - (before?.errors[reason] ?? 0);
      const probed = failedProbes > (before?.failedProbes ?? 0) ? 'probe' : undefined;
      const isBackedOff = backedOff.includes(name);
      const silence = upstream.silent ? 'silence' : undefined;
      const reason = silence ?? REASONS.find((one) => fresh(one) > 0) ?? probed ?? before?.reason;
      const [told, toldAt] = [before?.told ?? false, before?.toldAt ?? Number.NEGATIVE_INFINITY];
      const begins = isBackedOff && !told && nowMs - toldAt >= QUIET_MS;
      watched.set(name, {
        errors,
        failedProbes,
        reason,
        told: begins || (told && isBackedOff),
        toldAt: begins ? nowMs : toldAt,
      });
      const back = told && !isBackedOff ? [`upstream "${name}" is back`] : [];
      const begun = begins ? [restLine(name, reason, credentialOf(name))] : back;
      return [...begun, ...limits(upstream, isBackedOff)];
    }),
    ...refusals(refused),
  ];
}

function restLine(name: string, reason: Fault | undefined, credential?: string): string {
  const why = reason === undefined ? '' : `: ${FAULTS[reason]} (${reason})`;
  const hint = reason === undefined ? undefined : hintFor(reason, credential);
  const line = `${pc.yellow('warning:')} upstream "${name}" is in backoff${why}`;
  return hint ? `${line}\n  hint: ${hint}` : line;
}

/** A reload would find the same copy. */
function hintFor(reason: Fault, credential: string | undefined): string | undefined {
  if (reason !== 'upstream_auth' || credential === undefined) return HINTS[reason];
  return `correct its \`username\`, or ${credential}, which systemd read when the service was started: systemctl restart sidetrack-relay`;
}

/** Looks once a second. @returns what ends it. */
export function watchUpstreams(
  relay: Pick<Relay, 'stats' | 'backedOff'>,
  upstreams: () => readonly UpstreamConfig[],
): () => void {
  const changes = upstreamChanges((name) => {
    const upstream = upstreams().find((one) => one.name === name);
    return upstream && hasCredential(upstream) ? upstream.passwordFile : undefined;
  });
  const look = () => {
    // Rests first: the reason is counted before the rest begins.
    const backedOff = relay.backedOff();
    const { upstreams, refused } = relay.stats();
    for (const line of changes({ backedOff, upstreams, refused }, Date.now())) say(line);
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}
