/**
 * Every metric by name, in one table: docs/metrics.md is made from it, dashboards and alerts refer to
 * it. Names and units follow prometheus.io/docs/practices/naming.
 */
import type {
  CounterName,
  HistogramName,
  ModeStats,
  Outcome,
  RouteCounterName,
  UpstreamCounterName,
} from '../proxy/stats.js';

interface Described {
  name: string;
  help: string;
}

/** One sample of a counter or gauge: its labels and the engine counter that it shows. */
export interface Sample {
  labels: Readonly<Record<string, string>>;
  counter: CounterName;
}

export interface ScalarMetric extends Described {
  type: 'counter' | 'gauge';
  labels: readonly string[];
  samples: readonly Sample[];
}

/** A counter with one label whose values are the engine's modes. */
export interface ModeMetric extends Described {
  type: 'counter';
  label: string;
  shows: keyof ModeStats;
}

/** A counter with one label whose values are outcomes of connections. */
export interface OutcomeMetric extends Described {
  type: 'counter';
  label: string;
  outcomes: readonly Outcome[];
}

/** One sample for each upstream, labelled with its name. */
export interface UpstreamMetric extends Described {
  type: 'counter' | 'gauge';
  counter: UpstreamCounterName;
}

/** Samples for each upstream or route, labelled with its name and one more label. */
export interface NamedMetric<Counter extends string> extends Described {
  type: 'counter';
  /** The label besides the name, and which counter each of its values shows. */
  label?: string;
  samples: Readonly<Record<string, Counter>>;
}

/** One sample for each upstream and outcome: bounded, for both come from lists. */
export interface UpstreamErrorMetric extends Described {
  type: 'counter';
  outcomes: readonly Outcome[];
}

export interface HistogramMetric extends Described {
  type: 'histogram';
  labels: readonly string[];
  samples: readonly { labels: Readonly<Record<string, string>>; histogram: HistogramName }[];
  /** Upper bounds in seconds. */
  bounds: readonly number[];
}

const plain = (counter: CounterName): readonly Sample[] => [{ labels: {}, counter }];

const one = (histogram: HistogramName) => [{ labels: {}, histogram }];

export const scalarMetrics: readonly ScalarMetric[] = [
  {
    name: 'sidetrack_relay_connections_total',
    help: 'Connections accepted from clients.',
    type: 'counter',
    labels: ['family'],
    samples: [
      { labels: { family: 'ipv4' }, counter: 'accepted_ipv4' },
      { labels: { family: 'ipv6' }, counter: 'accepted_ipv6' },
    ],
  },
  {
    name: 'sidetrack_relay_connections_active',
    help: 'Connections open now.',
    type: 'gauge',
    labels: [],
    samples: plain('active'),
  },
  {
    name: 'sidetrack_relay_bytes_total',
    help: 'Payload bytes handed on, counted at every call; upload is client to upstream.',
    type: 'counter',
    labels: ['direction'],
    samples: [
      { labels: { direction: 'upload' }, counter: 'upload_bytes' },
      { labels: { direction: 'download' }, counter: 'download_bytes' },
    ],
  },
  {
    name: 'sidetrack_relay_coalesced_directions',
    help: 'Directions in bulk: read every half millisecond, not for each packet.',
    type: 'gauge',
    labels: [],
    samples: plain('coalesced'),
  },
  {
    name: 'sidetrack_relay_coalesced_polls_total',
    help: 'Times that coalesced directions were read because the clock said so.',
    type: 'counter',
    labels: [],
    samples: plain('coalesced_polls'),
  },
  {
    name: 'sidetrack_relay_stalls_total',
    help: 'Times a direction had to wait for a slow receiver.',
    type: 'counter',
    labels: [],
    samples: plain('stalls'),
  },
  {
    name: 'sidetrack_relay_pipes',
    help: 'Pipes in use or kept now.',
    type: 'gauge',
    labels: [],
    samples: plain('pipes'),
  },
  {
    name: 'sidetrack_relay_pipe_bytes',
    help: 'Capacity of those pipes in bytes.',
    type: 'gauge',
    labels: [],
    samples: plain('pipe_bytes'),
  },
  {
    name: 'sidetrack_relay_pipe_failures_total',
    help: 'Pipes that the kernel refused or made too small; those bytes were copied.',
    type: 'counter',
    labels: [],
    samples: plain('pipe_failures'),
  },
  {
    name: 'sidetrack_relay_accept_pauses_total',
    help: 'Times that accepting was paused, by what ran out.',
    type: 'counter',
    labels: ['reason'],
    samples: [
      { labels: { reason: 'connections' }, counter: 'paused_connections' },
      { labels: { reason: 'descriptors' }, counter: 'paused_descriptors' },
      { labels: { reason: 'memory' }, counter: 'paused_memory' },
      { labels: { reason: 'other' }, counter: 'paused_other' },
    ],
  },
  {
    name: 'sidetrack_relay_retransmitted_segments_total',
    help: 'Segments that TCP retransmitted, of connections that have ended; needs relay.tcp_info.',
    type: 'counter',
    labels: ['leg'],
    samples: [
      { labels: { leg: 'client' }, counter: 'client_retransmitted_segments' },
      { labels: { leg: 'upstream' }, counter: 'upstream_retransmitted_segments' },
    ],
  },
  {
    name: 'sidetrack_relay_retransmitted_bytes_total',
    help: 'Bytes that TCP retransmitted, of connections that have ended; needs relay.tcp_info.',
    type: 'counter',
    labels: ['leg'],
    samples: [
      { labels: { leg: 'client' }, counter: 'client_retransmitted_bytes' },
      { labels: { leg: 'upstream' }, counter: 'upstream_retransmitted_bytes' },
    ],
  },
  {
    name: 'sidetrack_relay_access_log_dropped_total',
    help: 'Finished connections that the access log had no room for: the disk is slow or full.',
    type: 'counter',
    labels: [],
    samples: plain('log_dropped'),
  },
];

export const modeMetrics: readonly ModeMetric[] = [
  {
    name: 'sidetrack_relay_transferred_bytes_total',
    help: 'The bytes of sidetrack_relay_bytes_total by how they were moved: through a buffer (copy) or through a pipe (splice).',
    type: 'counter',
    label: 'mode',
    shows: 'bytes',
  },
  {
    name: 'sidetrack_relay_mode_changes_total',
    help: 'Directions that changed to another way of moving bytes: splice when they prove bulk, copy when they do not any more.',
    type: 'counter',
    label: 'to',
    shows: 'changes',
  },
];

const CONNECT_ERRORS: readonly Outcome[] = [
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
];

export const outcomeMetrics: readonly OutcomeMetric[] = [
  {
    name: 'sidetrack_relay_connect_errors_total',
    help: 'Connections reset because no upstream could connect, by the last reason.',
    type: 'counter',
    label: 'reason',
    outcomes: CONNECT_ERRORS,
  },
  {
    name: 'sidetrack_relay_rejected_total',
    help: 'Connections reset before any upstream was tried: a limit, no usable upstream, or a destination that the guard refuses (denied), that is unknown, or that is this machine (loop).',
    type: 'counter',
    label: 'reason',
    outcomes: [
      'loop',
      'denied',
      'no_original_destination',
      'client_limit',
      'handshake_limit',
      'no_upstream',
    ],
  },
  {
    name: 'sidetrack_relay_closed_total',
    help: 'Established connections that ended, by reason.',
    type: 'counter',
    label: 'reason',
    outcomes: [
      'finished',
      'client_reset',
      'upstream_reset',
      'idle_timeout',
      'half_close_timeout',
      'closed',
      'drained',
    ],
  },
];

export const upstreamMetrics: readonly UpstreamMetric[] = [
  {
    name: 'sidetrack_relay_upstream_connections_total',
    help: 'Connections relayed, by upstream.',
    type: 'counter',
    counter: 'connections',
  },
  {
    name: 'sidetrack_relay_upstream_active',
    help: 'Connections open now or on their way, by upstream.',
    type: 'gauge',
    counter: 'active',
  },
];

const DIRECTIONS = { upload: 'upload_bytes', download: 'download_bytes' } as const;

export const upstreamSampleMetrics: readonly NamedMetric<UpstreamCounterName>[] = [
  {
    name: 'sidetrack_relay_upstream_bytes_total',
    help: 'Payload bytes handed on, by upstream; counted while connections are open.',
    type: 'counter',
    label: 'direction',
    samples: DIRECTIONS,
  },
  {
    name: 'sidetrack_relay_upstream_probes_total',
    help: 'Probes by upstream and result; skipped: this machine had no descriptor, port or memory for it.',
    type: 'counter',
    label: 'result',
    samples: {
      success: 'probes_succeeded',
      failure: 'probes_failed',
      skipped: 'probes_skipped',
    },
  },
];

export const routeMetrics: readonly NamedMetric<RouteCounterName>[] = [
  {
    name: 'sidetrack_relay_route_connections_total',
    help: 'Connections by the route that matched; "default" where none did.',
    type: 'counter',
    samples: { '': 'connections' },
  },
  {
    name: 'sidetrack_relay_route_bytes_total',
    help: 'Payload bytes handed on, by route.',
    type: 'counter',
    label: 'direction',
    samples: DIRECTIONS,
  },
];

export const upstreamUpMetric = {
  name: 'sidetrack_relay_upstream_up',
  help: 'Whether the upstream works: 0 from a failure until the next success.',
  type: 'gauge',
} as const;

export const upstreamResolvedMetric = {
  name: 'sidetrack_relay_upstream_resolved',
  help: 'Whether the relay knows an address of the upstream; 0 while its name has never resolved.',
  type: 'gauge',
} as const;

export const upstreamFamilyMetric = {
  name: 'sidetrack_relay_upstream_carries',
  help: '0 when the last probe for this address family failed, else 1; 1 without such probes.',
  type: 'gauge',
} as const;

export const listeningMetric = {
  name: 'sidetrack_relay_listening',
  help: 'Whether new connections of this family are accepted; 0 while probes say that no upstream carries it.',
  type: 'gauge',
} as const;

export const upstreamProbeMetric = {
  name: 'sidetrack_relay_upstream_probe_seconds',
  help: 'Time that the last successful probe took; 0 before the first.',
  type: 'gauge',
} as const;

/** Of the program that owns the relay, not of the engine. */
export const reloadMetrics = {
  total: {
    name: 'sidetrack_relay_reloads_total',
    help: 'Reloads of the configuration (SIGHUP), by result; a failed one changes nothing.',
    type: 'counter',
    labels: 'result: success, failure',
  },
  lastSucceeded: {
    name: 'sidetrack_relay_reload_last_successful',
    help: 'Whether the last reload succeeded; 1 before the first.',
    type: 'gauge',
    labels: '',
  },
  lastSuccess: {
    name: 'sidetrack_relay_reload_last_success_timestamp_seconds',
    help: 'When the configuration in force was read.',
    type: 'gauge',
    labels: '',
  },
  generations: {
    name: 'sidetrack_relay_generations',
    help: 'Configurations in use: the current one, and those that older connections keep.',
    type: 'gauge',
    labels: '',
  },
} as const;

export const upstreamErrorMetric: UpstreamErrorMetric = {
  name: 'sidetrack_relay_upstream_errors_total',
  help: 'Failed attempts by upstream and reason, including those after which another upstream succeeded.',
  type: 'counter',
  outcomes: CONNECT_ERRORS,
};

const FAST = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export const histogramMetrics: readonly HistogramMetric[] = [
  {
    name: 'sidetrack_relay_connect_seconds',
    help: 'Time from connect() until bytes can pass, including the handshake with a proxy.',
    type: 'histogram',
    labels: [],
    samples: one('connect'),
    bounds: FAST,
  },
  {
    name: 'sidetrack_relay_first_byte_seconds',
    help: 'Time from accept to the first byte from the upstream.',
    type: 'histogram',
    labels: [],
    samples: one('first_byte'),
    bounds: FAST,
  },
  {
    name: 'sidetrack_relay_connection_seconds',
    help: 'Time from accept to close.',
    type: 'histogram',
    labels: [],
    samples: one('lifetime'),
    bounds: [0.001, 0.01, 0.1, 1, 10, 60, 600, 3600],
  },
  {
    name: 'sidetrack_relay_residency_seconds',
    help: 'Time from the event that announced bytes (in bulk: from the poll before) until they were written to the other socket, for each write; waiting for a slow receiver counts.',
    type: 'histogram',
    labels: ['direction'],
    samples: [
      { labels: { direction: 'upload' }, histogram: 'residency_upload' },
      { labels: { direction: 'download' }, histogram: 'residency_download' },
    ],
    bounds: [0.00001, 0.000025, 0.00005, ...FAST],
  },
  {
    name: 'sidetrack_relay_rtt_seconds',
    help: 'Smoothed round-trip time of a leg when its connection ended; needs relay.tcp_info.',
    type: 'histogram',
    labels: ['leg'],
    samples: [
      { labels: { leg: 'client' }, histogram: 'rtt_client' },
      { labels: { leg: 'upstream' }, histogram: 'rtt_upstream' },
    ],
    bounds: FAST,
  },
];

/** Something that can run out; the same `resource` in both, so that one alert covers all. */
export const resourceMetrics = {
  used: {
    name: 'sidetrack_relay_resource_used',
    help: 'How much of a resource is in use; see sidetrack_relay_resource_limit.',
    type: 'gauge',
  },
  limit: {
    name: 'sidetrack_relay_resource_limit',
    help: 'Limit of a resource: pipe_pages is fs.pipe-user-pages-soft of the user, conntrack is nf_conntrack_max; absent where there is no limit or it cannot be read.',
    type: 'gauge',
  },
} as const;

/** What the kernel has not handed to the relay yet, and never may. */
export const halfOpenMetric = {
  name: 'sidetrack_relay_half_open_handshakes',
  help: 'TCP handshakes of clients that are incomplete after the SYN-ACK was sent three times: answers do not reach the client, or it is a scan or a flood.',
  type: 'gauge',
} as const;

/** Local ports towards one upstream: each connection through it takes one. */
export const portMetrics = {
  used: {
    name: 'sidetrack_relay_upstream_ports_used',
    help: 'Local ports in use towards an upstream; for `direct` summed over all destinations, each of which has its own ports.',
    type: 'gauge',
  },
  limit: {
    name: 'sidetrack_relay_upstream_ports_limit',
    help: 'Local ports available for one address and port: net.ipv4.ip_local_port_range.',
    type: 'gauge',
  },
} as const;

export const buildInfo = {
  name: 'sidetrack_build_info',
  help: 'Constant 1, labelled with the versions that run.',
  type: 'gauge',
  labels: ['version', 'node'],
} as const;
