/** What the engine's counters say, by metric; a metric without a line here is a type error. */
import { Registry } from 'prom-client';
import { modes } from '../proxy/abi.js';
import { cumulative } from '../proxy/histogram.js';
import type { HistogramName, RelayStats, UpstreamStats } from '../proxy/stats.js';
import type { ClientKey } from './clients.js';
import type { HalfOpenKey } from './half-open.js';
import { type HeadroomKey, type RelayLimits, registerHeadroom } from './headroom.js';
import { DIRECTION, FAMILY } from './metrics/definition.js';
import type { relayMetrics } from './metrics/relay.js';
import { type HistogramKey, metrics } from './metrics.js';
import { type Congestion, registerProcess } from './process.js';
import { oncePerScrape, registerMetrics, type Samplers, single } from './register.js';
import type { ReloadKey } from './reload.js';

/** The relay's metrics that come from elsewhere. */
type OtherKey = HeadroomKey | HalfOpenKey | ReloadKey | ClientKey;
type StatsKey = Exclude<keyof typeof relayMetrics, OtherKey>;

const DIRECTIONS = { upload: 'upload_bytes', download: 'download_bytes' } as const;
const LEGS = ['client', 'upstream'] as const;
const PROBES = {
  success: 'probes_succeeded',
  failure: 'probes_failed',
  skipped: 'probes_skipped',
} as const;

const engineSamples: Samplers<StatsKey, RelayStats> = {
  relayConnections: ({ counters }) =>
    FAMILY.map((family) => ({ labels: { family }, value: counters[`accepted_${family}`] })),
  relayConnectionsActive: ({ counters }) => single(counters.active),
  relayBytes: ({ counters }) => byDirection(counters),
  relayCoalescedDirections: ({ counters }) => single(counters.coalesced),
  relayCoalescedPolls: ({ counters }) => single(counters.coalesced_polls),
  relayStalls: ({ counters }) => single(counters.stalls),
  relayStalledConnections: ({ counters }) => single(counters.stalled),
  relayReadAheadBytes: ({ counters }) =>
    LEGS.map((leg) => ({ labels: { leg }, value: counters[`held_${leg}_bytes`] })),
  relayReadAheadCuts: ({ counters }) => single(counters.read_ahead_cuts),
  relayExpressConnections: ({ counters }) => single(counters.express_active),
  relayExpressRefused: ({ counters }) => single(counters.express_refused),
  relayExpressAbandoned: ({ counters }) => single(counters.express_abandoned),
  relayExpressLate: ({ counters }) => single(counters.express_late),
  relayExpressHoldSeconds: ({ counters }) => single(counters.express_hold_us / 1_000_000),
  relayPipes: ({ counters }) => single(counters.pipes),
  relayPipeBytes: ({ counters }) => single(counters.pipe_bytes),
  relayPipeFailures: ({ counters }) => single(counters.pipe_failures),
  relayAcceptPauses: ({ counters }) =>
    metrics.relayAcceptPauses.labels.reason.map((reason) => ({
      labels: { reason },
      value: counters[`paused_${reason}`],
    })),
  relayRetransmittedSegments: ({ counters }) =>
    LEGS.map((leg) => ({ labels: { leg }, value: counters[`${leg}_retransmitted_segments`] })),
  relayRetransmittedBytes: ({ counters }) =>
    LEGS.map((leg) => ({ labels: { leg }, value: counters[`${leg}_retransmitted_bytes`] })),
  relayAccessLogDropped: ({ counters }) => single(counters.log_dropped),
  relayTransferredBytes: (stats) =>
    modes.map((mode) => ({ labels: { mode }, value: stats.modes[mode].bytes })),
  relayModeChanges: (stats) =>
    modes.map((to) => ({ labels: { to }, value: stats.modes[to].changes })),
  relayConnectErrors: ({ outcomes }) =>
    metrics.relayConnectErrors.labels.reason.map((reason) => ({
      labels: { reason },
      value: outcomes[reason],
    })),
  relayRejected: ({ outcomes }) =>
    metrics.relayRejected.labels.reason.map((reason) => ({
      labels: { reason },
      value: outcomes[reason],
    })),
  relayClosed: ({ outcomes }) =>
    metrics.relayClosed.labels.reason.map((reason) => ({
      labels: { reason },
      value: outcomes[reason],
    })),
  relayUpstreamConnections: byUpstream(({ counters }) => counters.connections),
  relayUpstreamActive: byUpstream(({ counters }) => counters.active),
  relayUpstreamBytes: ({ upstreams }) =>
    upstreams.flatMap(({ name, counters }) =>
      DIRECTION.map((direction) => ({
        labels: { upstream: name, direction },
        value: counters[DIRECTIONS[direction]],
      })),
    ),
  relayUpstreamProbes: ({ upstreams }) =>
    upstreams.flatMap(({ name, counters }) =>
      metrics.relayUpstreamProbes.labels.result.map((result) => ({
        labels: { upstream: name, result },
        value: counters[PROBES[result]],
      })),
    ),
  relayUpstreamErrors: ({ upstreams }) =>
    upstreams.flatMap(({ name, errors }) =>
      metrics.relayUpstreamErrors.labels.reason.map((reason) => ({
        labels: { upstream: name, reason },
        value: errors[reason],
      })),
    ),
  relayUpstreamUp: byUpstream(({ up }) => Number(up)),
  relayUpstreamResolved: byUpstream(({ resolved }) => Number(resolved)),
  relayUpstreamCarries: ({ upstreams }) =>
    upstreams.flatMap(({ name, lacking }) =>
      FAMILY.map((family) => ({
        labels: { upstream: name, family },
        value: Number(!lacking.includes(family)),
      })),
    ),
  relayUpstreamProbeSeconds: byUpstream(({ counters }) => counters.probe_us / 1e6),
  relayRouteConnections: ({ routes }) =>
    routes.map(({ name, counters }) => ({ labels: { route: name }, value: counters.connections })),
  relayRouteBytes: ({ routes }) =>
    routes.flatMap(({ name, counters }) =>
      DIRECTION.map((direction) => ({
        labels: { route: name, direction },
        value: counters[DIRECTIONS[direction]],
      })),
    ),
  relayListening: ({ listening }) =>
    FAMILY.map((family) => ({ labels: { family }, value: Number(listening.includes(family)) })),
  relayConnectSeconds: (stats) => [
    { labels: {}, ...histogram('relayConnectSeconds', stats, 'connect') },
  ],
  relayFirstByteSeconds: (stats) => [
    { labels: {}, ...histogram('relayFirstByteSeconds', stats, 'first_byte') },
  ],
  relayConnectionSeconds: (stats) => [
    { labels: {}, ...histogram('relayConnectionSeconds', stats, 'lifetime') },
  ],
  relayResidencySeconds: (stats) =>
    DIRECTION.map((direction) => ({
      labels: { direction },
      ...histogram('relayResidencySeconds', stats, `residency_${direction}`),
    })),
  relayThreadBusySeconds: ({ threads }) =>
    threads.map(({ cpuSeconds }, i) => ({ labels: { thread: String(i) }, value: cpuSeconds })),
  relayRttSeconds: (stats) =>
    LEGS.map((leg) => ({ labels: { leg }, ...histogram('relayRttSeconds', stats, `rtt_${leg}`) })),
};

/**
 * @param read called once for a scrape; cheap enough for that.
 * @param congestion what new connections have, as far as it is known.
 * @param limits of this relay; without them nothing is said about what is left.
 */
export function relayRegistry(
  read: () => RelayStats,
  version: string,
  limits?: RelayLimits,
  congestion?: () => Congestion,
): Registry {
  const registry = new Registry();
  const stats = oncePerScrape(read);
  registerMetrics(registry, engineSamples, stats);
  if (limits !== undefined) registerHeadroom(registry, stats, limits);
  registerProcess(registry, version, () => stats().counters, congestion);
  return registry;
}

const byDirection = (counters: Readonly<Record<'upload_bytes' | 'download_bytes', number>>) =>
  DIRECTION.map((direction) => ({ labels: { direction }, value: counters[DIRECTIONS[direction]] }));

function byUpstream(value: (upstream: UpstreamStats) => number) {
  return ({ upstreams }: RelayStats) =>
    upstreams.map((one) => ({ labels: { upstream: one.name }, value: value(one) }));
}

function histogram(key: HistogramKey, { histograms }: RelayStats, name: HistogramName) {
  const { sum, buckets } = histograms[name];
  const count = buckets.reduce((total, value) => total + value, 0);
  return { sum, count, cumulative: cumulative(buckets, metrics[key].bounds) };
}
