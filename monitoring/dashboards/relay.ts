/** Sidetrack / Relay: what passes it, what fails, how long things take, and what is left. */
import {
  BitsPerSecondSI,
  BytesIEC,
  CountsPerSecond,
  PercentUnit,
  Seconds,
  Short,
} from '@grafana/grafana-foundation-sdk/units';
import { dashboard, type Row } from './frame.js';
import { graph, heatMap, states, UP_OR_DOWN } from './panels.js';
import {
  bits,
  buckets,
  gauge,
  over,
  perSecond,
  quantile,
  series,
  sumPerSecond,
} from './queries.js';

const traffic: Row = {
  title: 'Traffic',
  panels: [
    graph({
      title: 'Throughput',
      description:
        'Payload that the relay handed on, without headers. Upload is client to upstream. iperf3 shows the same figure.',
      unit: BitsPerSecondSI,
      width: 8,
      queries: [[bits(sumPerSecond('relayBytes', ['direction'])), '{{direction}}']],
    }),
    graph({
      title: 'New connections',
      description:
        'Connections that clients opened, by address family. None at all while people use the network: look at the Router dashboard, whether anything is steered.',
      unit: CountsPerSecond,
      width: 8,
      runbook: 'SidetrackNothingSteered',
      queries: [[sumPerSecond('relayConnections', ['family']), '{{family}}']],
    }),
    graph({
      title: 'Open connections',
      description:
        'Connections open now, and by upstream those open or on their way. What only rises is not closed by anybody: relay.idle_timeout ends it.',
      unit: Short,
      width: 8,
      queries: [
        [gauge('sum', 'relayConnectionsActive'), 'all'],
        [gauge('sum', 'relayUpstreamActive', ['upstream']), 'by way of {{upstream}}'],
      ],
    }),
    graph({
      title: 'Throughput by upstream',
      description: 'Payload in both directions, by the upstream that carries it.',
      unit: BitsPerSecondSI,
      width: 8,
      stacked: true,
      queries: [[bits(sumPerSecond('relayUpstreamBytes', ['upstream'])), '{{upstream}}']],
    }),
    graph({
      title: 'Throughput by route',
      description:
        'Payload in both directions, by the route of the configuration that matched; default is what none matched.',
      unit: BitsPerSecondSI,
      width: 8,
      stacked: true,
      queries: [[bits(sumPerSecond('relayRouteBytes', ['route'])), '{{route}}']],
    }),
    graph({
      title: 'Throughput by mode',
      description:
        'The same payload by how it was moved: splice costs least of the processor and is for bulk, copy is for small messages. Bulk in copy means that pipes are short: see pipe failures.',
      unit: BitsPerSecondSI,
      width: 8,
      stacked: true,
      runbook: 'SidetrackPipesShort',
      queries: [[bits(sumPerSecond('relayTransferredBytes', ['mode'])), '{{mode}}']],
    }),
  ],
};

const connections: Row = {
  title: 'Connections by route and upstream',
  collapsed: true,
  panels: [
    graph({
      title: 'Connections by upstream',
      description: 'Connections relayed, by upstream.',
      unit: CountsPerSecond,
      width: 8,
      queries: [[sumPerSecond('relayUpstreamConnections', ['upstream']), '{{upstream}}']],
    }),
    graph({
      title: 'Connections by route',
      description: 'Connections by the route that matched; default is what none matched.',
      unit: CountsPerSecond,
      width: 8,
      queries: [[sumPerSecond('relayRouteConnections', ['route']), '{{route}}']],
    }),
    graph({
      title: 'Bulk',
      description:
        'Directions in bulk now, how often they were read by the clock, and changes between modes. Many changes a second: flows are at the edge of bulk.',
      unit: Short,
      width: 8,
      queries: [
        [gauge('sum', 'relayCoalescedDirections'), 'directions in bulk'],
        [sumPerSecond('relayCoalescedPolls'), 'reads by the clock a second'],
        [sumPerSecond('relayModeChanges', ['to']), 'changes to {{to}} a second'],
      ],
    }),
    graph({
      title: 'Throughput by client',
      description:
        'Payload in both directions, by client; other is everybody beyond the number that relay.metrics.per_client allows. Empty without that setting.',
      unit: BitsPerSecondSI,
      stacked: true,
      queries: [[bits(sumPerSecond('relayClientBytes', ['client'])), '{{client}}']],
    }),
    graph({
      title: 'Connections by client',
      description: 'Connections accepted, by client. Empty without relay.metrics.per_client.',
      unit: CountsPerSecond,
      queries: [[sumPerSecond('relayClientConnections', ['client']), '{{client}}']],
    }),
  ],
};

const errors: Row = {
  title: 'Errors',
  panels: [
    graph({
      title: 'Connections that failed',
      description:
        'Clients saw a reset: no upstream could connect (by the last reason), or the relay refused before it tried one. `loop` means that the relay is steered to itself, `denied` that its guard refused a private destination.',
      unit: CountsPerSecond,
      width: 8,
      runbook: 'SidetrackConnectErrors',
      queries: [
        [`${sumPerSecond('relayConnectErrors', ['reason'])} > 0`, '{{reason}}'],
        [`${sumPerSecond('relayRejected', ['reason'])} > 0`, 'rejected: {{reason}}'],
        [
          `${sumPerSecond('relayConnectErrors')} + ${sumPerSecond('relayRejected')}`,
          'all together',
        ],
      ],
    }),
    graph({
      title: 'Attempts that failed, by upstream',
      description:
        'Each attempt counts, also when another upstream succeeded afterwards. One upstream alone: its far end; all of them: the way out of this machine.',
      unit: CountsPerSecond,
      width: 8,
      runbook: 'SidetrackUpstreamDown',
      queries: [[sumPerSecond('relayUpstreamErrors', ['upstream']), '{{upstream}}']],
    }),
    graph({
      title: 'Why connections ended',
      description:
        'Established connections by what ended them. `finished` is both sides closing in order; time-outs are those of the configuration.',
      unit: CountsPerSecond,
      width: 8,
      stacked: true,
      queries: [[sumPerSecond('relayClosed', ['reason']), '{{reason}}']],
    }),
  ],
};

const latency: Row = {
  title: 'Latency',
  panels: [
    heatMap({
      title: 'Time to connect',
      description:
        'From connect() until bytes can pass, including the handshake with a proxy. One dark band is the round trip to the upstream; a second one at 1 s or 3 s is a lost SYN.',
      unit: Seconds,
      width: 8,
      runbook: 'SidetrackConnectSlow',
      queries: [[buckets('relayConnectSeconds'), '{{le}}']],
    }),
    heatMap({
      title: 'Time to the first byte',
      description: 'From accept to the first byte from the upstream: what a person waits for.',
      unit: Seconds,
      width: 8,
      queries: [[buckets('relayFirstByteSeconds'), '{{le}}']],
    }),
    heatMap({
      title: 'Time in the relay',
      description:
        'From the event that announced bytes until they were written to the other socket, for each write. What is above 10 ms waits for a slow receiver, or for the processor.',
      unit: Seconds,
      width: 8,
      runbook: 'SidetrackResidencyHigh',
      queries: [[buckets('relayResidencySeconds'), '{{le}}']],
    }),
    graph({
      title: 'Percentiles',
      description:
        'Of the three histograms above, on a logarithmic axis. A percentile is no more exact than the buckets; where nothing happened there is none.',
      unit: Seconds,
      logarithmic: true,
      runbook: 'SidetrackConnectSlow',
      queries: [
        [quantile(0.5, 'relayConnectSeconds'), 'connect, half'],
        [quantile(0.99, 'relayConnectSeconds'), 'connect, 99 %'],
        [quantile(0.5, 'relayFirstByteSeconds'), 'first byte, half'],
        [quantile(0.99, 'relayFirstByteSeconds'), 'first byte, 99 %'],
        [
          quantile(0.99, 'relayResidencySeconds', ['direction']),
          'in the relay, {{direction}}, 99 %',
        ],
      ],
    }),
    graph({
      title: 'Round trips and lifetimes',
      description:
        'The median round-trip time of each leg, and how long connections lived, of those that ended. Round trips need relay.tcp_info.',
      unit: Seconds,
      logarithmic: true,
      queries: [
        [quantile(0.5, 'relayRttSeconds', ['leg']), 'round trip to the {{leg}}, half'],
        [quantile(0.5, 'relayConnectionSeconds'), 'lifetime, half'],
        [quantile(0.9, 'relayConnectionSeconds'), 'lifetime, 90 %'],
      ],
    }),
  ],
};

const upstreams: Row = {
  title: 'Upstreams',
  panels: [
    states({
      title: 'Upstreams and families',
      description:
        'An upstream is down from a failure until the next success. A family is not carried when its probe failed, and not listened for when no upstream carries it: clients then fall back to the other family.',
      unit: Short,
      words: UP_OR_DOWN,
      thresholds: { critical: 1, falling: true },
      runbook: 'SidetrackUpstreamDown',
      queries: [
        [gauge('min', 'relayUpstreamUp', ['upstream']), '{{upstream}}'],
        [gauge('min', 'relayUpstreamResolved', ['upstream']), '{{upstream}}: name resolved'],
        [gauge('min', 'relayUpstreamCarries', ['upstream', 'family']), '{{upstream}}: {{family}}'],
        [gauge('min', 'relayListening', ['family']), 'listening: {{family}}'],
      ],
    }),
    graph({
      title: 'Probes',
      description:
        'How long the last successful probe took. Empty, and nothing is wrong, when no upstream has a probe.',
      unit: Seconds,
      width: 6,
      runbook: 'SidetrackUpstreamDown',
      queries: [[gauge('max', 'relayUpstreamProbeSeconds', ['upstream']), '{{upstream}}']],
    }),
    graph({
      title: 'Results of probes',
      description:
        'Failures take an upstream out of use. Skipped: this machine had no descriptor, port or memory for the probe, which says nothing about the upstream.',
      unit: CountsPerSecond,
      width: 6,
      queries: [
        [sumPerSecond('relayUpstreamProbes', ['upstream', 'result']), '{{upstream}}: {{result}}'],
      ],
    }),
  ],
};

const headroom: Row = {
  title: 'Head-room',
  panels: [
    graph({
      title: 'Limits in use',
      description:
        "Share of each limit that is in use. At 100 % new connections wait or fail; `pipe_pages` alone costs only speed. An upstream's ports are those towards one address.",
      unit: PercentUnit,
      width: 8,
      max: 1,
      thresholds: { warning: 0.7, critical: 0.85 },
      runbook: 'SidetrackHeadRoom',
      queries: [
        [
          over(
            'max',
            'relayResourceUsed',
            ['resource'],
            `${series('relayResourceUsed')} / ${series('relayResourceLimit')}`,
          ),
          '{{resource}}',
        ],
        [
          over(
            'max',
            'relayUpstreamPortsUsed',
            ['upstream'],
            `${series('relayUpstreamPortsUsed')} / ${series('relayUpstreamPortsLimit')}`,
          ),
          'ports to {{upstream}}',
        ],
      ],
    }),
    graph({
      title: 'Processor',
      description:
        'Busy share of each thread that moves bytes, and of the whole process: 100 % is one core. A thread near 100 % slows all its connections; relay.threads gives more.',
      unit: PercentUnit,
      width: 8,
      thresholds: { warning: 0.8, critical: 0.95 },
      runbook: 'SidetrackThreadSaturated',
      queries: [
        [
          over('max', 'relayThreadBusySeconds', ['thread'], perSecond('relayThreadBusySeconds')),
          'thread {{thread}}',
        ],
        [gaugeRate('processCpuUserSeconds'), 'process, user'],
        [gaugeRate('processCpuSystemSeconds'), 'process, system'],
      ],
    }),
    graph({
      title: 'What is held up',
      description:
        'Accepting paused (by what ran out), directions that wait for a slow receiver, pipes that the kernel refused, lines that the access log had no room for, segments that TCP sent again, and handshakes of clients that stay half open.',
      unit: Short,
      width: 8,
      runbook: 'SidetrackAcceptPaused',
      queries: [
        [
          `${sumPerSecond('relayAcceptPauses', ['reason'])} > 0`,
          'accept paused: {{reason}}, a second',
        ],
        [sumPerSecond('relayStalls'), 'slow receivers a second'],
        [sumPerSecond('relayPipeFailures'), 'pipe failures a second'],
        [sumPerSecond('relayAccessLogDropped'), 'log lines lost a second'],
        [
          sumPerSecond('relayRetransmittedSegments', ['leg']),
          'sent again to the {{leg}}, a second',
        ],
        [gauge('sum', 'relayHalfOpenHandshakes'), 'handshakes half open'],
      ],
    }),
  ],
};

const process: Row = {
  title: 'Process and configuration',
  panels: [
    graph({
      title: 'Memory',
      description:
        'Memory of the process in RAM, and what its pipes can hold. What rises for hours with as many connections as before is a leak: please report it.',
      unit: BytesIEC,
      width: 8,
      queries: [
        [gauge('sum', 'processResidentMemoryBytes', ['instance']), '{{instance}}'],
        [gauge('sum', 'relayPipeBytes', ['instance']), 'pipes of {{instance}}'],
      ],
    }),
    graph({
      title: 'Read ahead of slow receivers',
      description:
        "The kernel's memory for the sockets of stalled connections, by leg. relay.read_ahead bounds it for each of them, relay.read_ahead_budget_mib for all: clients over their share are cut then.",
      unit: BytesIEC,
      width: 8,
      runbook: 'SidetrackReadAheadCut',
      queries: [[gauge('sum', 'relayReadAheadBytes', ['leg']), '{{leg}}']],
    }),
    graph({
      title: 'Stalled connections',
      description:
        'Connections whose receiver has taken nothing for 200 ms, and how many directions were cut to a small window a second.',
      unit: Short,
      width: 8,
      runbook: 'SidetrackReadAheadCut',
      queries: [
        [gauge('sum', 'relayStalledConnections', ['instance']), '{{instance}}'],
        [sumPerSecond('relayReadAheadCuts'), 'cut, a second'],
      ],
    }),
    graph({
      title: 'Descriptors and pipes',
      description:
        'Open file descriptors of the process: two a connection, and two a pipe. Pipes are in use, or kept for the next bulk flow.',
      unit: Short,
      width: 8,
      runbook: 'SidetrackOutOfResources',
      queries: [
        [gauge('sum', 'processOpenFds', ['instance']), '{{instance}}'],
        [gauge('sum', 'relayPipes', ['instance']), 'pipes of {{instance}}'],
      ],
    }),
    graph({
      title: 'Configuration and main thread',
      description:
        "Reloads by result, and configurations in use: more than one for long means that old connections keep an old one. The main thread's lag in seconds delays pages and scrapes, no traffic.",
      unit: Short,
      width: 8,
      runbook: 'SidetrackReloadFailed',
      queries: [
        [
          `sum by (result) (increase(${series('relayReloads')}[$__rate_interval]))`,
          'reloads: {{result}}',
        ],
        [gauge('max', 'relayGenerations'), 'configurations in use'],
        [gauge('max', 'nodejsEventloopLagSeconds'), 'lag of the main thread, s'],
      ],
    }),
  ],
};

function gaugeRate(key: 'processCpuUserSeconds' | 'processCpuSystemSeconds'): string {
  return over('sum', key, [], perSecond(key));
}

export const relayDashboard = () =>
  dashboard({
    uid: 'sidetrack-relay',
    title: 'Sidetrack / Relay',
    description:
      'The relay of one server, or of several together: traffic, errors, latency, upstreams, what is left of each limit.',
    about: 'relayConnectionsActive',
    rows: [traffic, errors, latency, upstreams, headroom, process, connections],
  });
