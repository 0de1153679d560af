/** The relay's half of `/state.json`, from the engine's counters. */
import type { Capture } from '../proxy/options.js';
import type { RelayStats, RouteStats, UpstreamStats } from '../proxy/stats.js';
import { type RelayLimits, readHeadroom } from './headroom.js';
import { failures, happened } from './outcomes.js';
import type { Reloads } from './reload.js';
import type { Sampler } from './sampler.js';
import type { RelayState, UpstreamState } from './state.js';

/** What the counters do not say. */
export interface AboutRelay extends RelayLimits {
  readonly port: number;
  readonly capture: Capture;
  readonly threads: number;
  /** Of sidetrack. */
  readonly release: string;
  /** Unix time in seconds of the start. */
  readonly since: number;
  readonly reloads: Reloads;
  readonly sampler: Sampler;
}

/** @param halfOpen handshakes of clients that stay so, where they could be counted. */
export function relayState(stats: RelayStats, about: AboutRelay, halfOpen?: number): RelayState {
  const { counters, outcomes, modes, listening, refused, upstreams, routes } = stats;
  const { port, capture, threads, release, since, sampler, reloads } = about;
  return {
    pid: process.pid,
    release,
    port,
    capture,
    since,
    threads: { count: threads, busy: stats.threads.map(({ cpuSeconds }) => cpuSeconds) },
    connections: {
      active: counters.active,
      limit: about.maxConnections,
      accepted: { ipv4: counters.accepted_ipv4, ipv6: counters.accepted_ipv6 },
      ...(sampler.lastAccepted !== undefined && { lastAccepted: sampler.lastAccepted }),
      minute: sampler.minute(stats),
      finished: outcomes.finished,
      errors: Object.fromEntries(failures(outcomes)),
    },
    bytes: bytesOf(counters),
    modes: Object.fromEntries(Object.entries(modes).map(([mode, { bytes }]) => [mode, { bytes }])),
    stalls: counters.stalls,
    listening,
    refused,
    upstreams: upstreams.map((one) => upstreamState(one, about)),
    routes: routes.map(routeState),
    quantiles: sampler.quantiles(stats),
    headroom: readHeadroom(stats, about),
    ...(halfOpen !== undefined && { halfOpen }),
    reloads: { ...reloads, generations: reloads.generations },
  };
}

type Bytes = Readonly<Record<'upload_bytes' | 'download_bytes', number>>;
const bytesOf = ({ upload_bytes: upload, download_bytes: download }: Bytes) => ({
  upload,
  download,
});

const routeState = ({ name, counters }: RouteStats) => ({
  name,
  connections: counters.connections,
  bytes: bytesOf(counters),
});

function upstreamState(upstream: UpstreamStats, { sampler, since }: AboutRelay): UpstreamState {
  const { name, up, resolved, silent, lacking, counters, errors } = upstream;
  const change = sampler.upstreams.of(name);
  return {
    name,
    up,
    since: change?.since ?? since,
    ...(!up && change?.reason !== undefined && { reason: change.reason }),
    resolved,
    silent,
    lacking,
    connections: counters.connections,
    active: counters.active,
    bytes: bytesOf(counters),
    errors: Object.fromEntries(happened(errors)),
    probes: {
      succeeded: counters.probes_succeeded,
      failed: counters.probes_failed,
      skipped: counters.probes_skipped,
    },
    ...(counters.probe_us > 0 && { probeSeconds: counters.probe_us / 1e6 }),
  };
}
