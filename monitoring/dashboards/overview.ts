/** Sidetrack / Overview: whether it works, how fast, and what is wrong. */
import {
  BitsPerSecondSI,
  CountsPerSecond,
  PacketsPerSecond,
  PercentUnit,
  Seconds,
  Short,
} from '@grafana/grafana-foundation-sdk/units';
import { dashboard, type Row } from './frame.js';
import { graph, HOST_STATES, number, states, table, UP_OR_DOWN } from './panels.js';
import {
  ALERTS_FIRING,
  bits,
  flowTableUse,
  gauge,
  hostState,
  over,
  quantile,
  series,
  sumPerSecond,
  TARGETS_UP,
} from './queries.js';
import { serversInShort } from './servers.js';

const FAILED = `(${sumPerSecond('relayConnectErrors')} + ${sumPerSecond('relayRejected')})`;

const health: Row = {
  title: 'Is it working?',
  panels: [
    number({
      title: 'Alerts',
      description:
        "Sidetrack's alerts that fire now; Alerting → Alert rules lists them. Needs the rule file that is shipped with the dashboards.",
      unit: Short,
      width: 4,
      thresholds: { warning: 1 },
      words: { 0: 'none' },
      queries: [[`count(${ALERTS_FIRING}) or vector(0)`, 'alerts']],
    }),
    number({
      title: 'Programs not answering',
      description: 'Relays and exporters that Prometheus could not scrape last time.',
      unit: Short,
      width: 4,
      thresholds: { critical: 1 },
      words: { 0: 'all answer' },
      otherwise: 'nothing scraped',
      runbook: 'SidetrackRelayDown',
      queries: [[`count(${TARGETS_UP}) - sum(${TARGETS_UP})`, 'targets']],
    }),
    number({
      title: 'Hosts out of order',
      description:
        'Router and servers that are not as the configuration wants them, or do not answer. `sidetrack status` and `sidetrack plan` say more.',
      unit: Short,
      width: 4,
      thresholds: { warning: 1 },
      words: { 0: 'all in sync' },
      otherwise: 'no exporter',
      runbook: 'SidetrackDrifted',
      queries: [[`count(${hostState()} > 0) or 0 * max(${series('hostUp')})`, 'hosts']],
    }),
    number({
      title: 'Upstreams down',
      description: 'Upstreams that do not work now. The relay goes on with those that do.',
      unit: Short,
      width: 4,
      thresholds: { warning: 1 },
      words: { 0: 'all up' },
      otherwise: 'no relay',
      runbook: 'SidetrackUpstreamDown',
      queries: [[`sum(1 - ${series('relayUpstreamUp')})`, 'upstreams']],
    }),
    number({
      title: 'Connections that fail',
      description: 'Share of new connections that were reset before any byte passed.',
      unit: PercentUnit,
      width: 4,
      decimals: 1,
      thresholds: { warning: 0.05, critical: 0.2 },
      otherwise: 'no connections',
      runbook: 'SidetrackConnectErrors',
      queries: [[`${FAILED} / (${sumPerSecond('relayConnections')} > 0)`, 'failed']],
    }),
    number({
      title: 'Configuration',
      description:
        'Whether the last reload of the relay was taken. A failed one changes nothing: the relay goes on with what it had.',
      unit: Short,
      width: 4,
      thresholds: { critical: 1, falling: true },
      words: { 0: 'reload failed', 1: 'in force' },
      otherwise: 'no relay',
      runbook: 'SidetrackReloadFailed',
      queries: [[gauge('min', 'relayReloadLastSuccessful'), 'reload']],
    }),
  ],
};

const traffic: Row = {
  title: 'Traffic',
  panels: [
    graph({
      title: 'Throughput',
      description: 'Payload that relays handed on. Upload is client to upstream.',
      unit: BitsPerSecondSI,
      queries: [[bits(sumPerSecond('relayBytes', ['direction'])), '{{direction}}']],
    }),
    graph({
      title: 'Steered packets',
      description:
        'Packets from clients that the router handed to servers, and packets that rules sent another way.',
      unit: PacketsPerSecond,
      runbook: 'SidetrackNothingSteered',
      queries: [
        [sumPerSecond('routerSteeredPackets'), 'steered'],
        [
          sumPerSecond('routerRulePackets', ['action'], { action: 'direct' }),
          'first packets left {{action}}',
        ],
        [sumPerSecond('routerOnFailurePackets'), 'on_failure'],
      ],
    }),
    graph({
      title: 'Connections',
      description: 'Connections that clients open a second, and those that fail.',
      unit: CountsPerSecond,
      runbook: 'SidetrackConnectErrors',
      queries: [
        [sumPerSecond('relayConnections'), 'new'],
        [FAILED, 'failed'],
      ],
    }),
    graph({
      title: 'Open now',
      description:
        "Connections open in relays, and flows in the router's table. Flows are more: those that were closed stay for minutes.",
      unit: Short,
      queries: [
        [gauge('sum', 'relayConnectionsActive'), 'connections'],
        [gauge('sum', 'routerFlows'), 'flows'],
      ],
    }),
  ],
};

const latency: Row = {
  title: 'Latency and head-room',
  panels: [
    graph({
      title: 'What people wait for',
      description:
        'Time until an upstream is connected and until its first byte is there; the half of connections that is faster, and 99 of 100.',
      unit: Seconds,
      width: 8,
      logarithmic: true,
      runbook: 'SidetrackConnectSlow',
      queries: [
        [quantile(0.5, 'relayConnectSeconds'), 'connect, half'],
        [quantile(0.99, 'relayConnectSeconds'), 'connect, 99 %'],
        [quantile(0.5, 'relayFirstByteSeconds'), 'first byte, half'],
        [quantile(0.99, 'relayFirstByteSeconds'), 'first byte, 99 %'],
      ],
    }),
    graph({
      title: 'Limits in use',
      description:
        'The fullest limit of relays, the flow table, and connection tracking. At 100 % new connections fail.',
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
          'relay: {{resource}}',
        ],
        [`max(${flowTableUse()})`, 'router: flow table'],
        [
          `max(${series('routerConntrackEntries')} / ${series('routerConntrackLimit')})`,
          'router: conntrack',
        ],
      ],
    }),
    graph({
      title: 'Busiest thread',
      description: 'Of each relay the thread with the least time left; 100 % is all of a core.',
      unit: PercentUnit,
      width: 8,
      max: 1,
      thresholds: { warning: 0.8, critical: 0.95 },
      runbook: 'SidetrackThreadSaturated',
      queries: [
        [
          `max by (instance) (rate(${series('relayThreadBusySeconds')}[$__rate_interval]))`,
          '{{instance}}',
        ],
      ],
    }),
  ],
};

const parts: Row = {
  title: 'Parts',
  panels: [
    states({
      title: 'Hosts',
      description: 'Router and servers, as the exporter sees them.',
      unit: Short,
      width: 6,
      words: HOST_STATES,
      thresholds: { warning: 1, critical: 2 },
      runbook: 'SidetrackDrifted',
      queries: [[hostState(), '{{host}}']],
    }),
    states({
      title: 'Upstreams',
      description: 'Upstreams of relays: down from a failure until the next success.',
      unit: Short,
      width: 6,
      words: UP_OR_DOWN,
      thresholds: { critical: 1, falling: true },
      runbook: 'SidetrackUpstreamDown',
      queries: [[gauge('min', 'relayUpstreamUp', ['upstream']), '{{upstream}}']],
    }),
    table({
      title: 'Running',
      description: 'What runs where, in which version, and for how long.',
      unit: Seconds,
      width: 12,
      columns: { job: 'Job', instance: 'Instance', version: 'Version', node: 'Node.js' },
      value: 'Running for',
      queries: [
        [
          `(time() - ${series('processStartTimeSeconds')}) * on (job, instance) group_right () ${series('buildInfo')}`,
          '',
        ],
      ],
    }),
  ],
};

export const overviewDashboard = () =>
  dashboard({
    uid: 'sidetrack-overview',
    title: 'Sidetrack / Overview',
    description:
      'Both machines at a glance: whether it works, how fast, and what is wrong. The Relay and Router dashboards say more.',
    about: 'buildInfo',
    rows: [health, traffic, serversInShort, latency, parts],
  });
