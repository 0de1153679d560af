/** Sidetrack / Router: what is steered and what is not, the flow table, and the kernel around it. */
import {
  BitsPerSecondSI,
  BytesIEC,
  CountsPerSecond,
  PacketsPerSecond,
  PercentUnit,
  Seconds,
  Short,
} from '@grafana/grafana-foundation-sdk/units';
import { dashboard, type Row } from './frame.js';
import { graph, HEIGHT, HOST_STATES, number, states, table, UP_OR_DOWN } from './panels.js';
import { bits, flowTableUse, gauge, hostState, over, series, sumPerSecond } from './queries.js';
import { servers } from './servers.js';

const hosts: Row = {
  title: 'State',
  panels: [
    states({
      title: 'Hosts',
      description:
        'Whether router and servers are as the configuration wants them. Drifted: something was changed since the last apply; `sidetrack plan` shows what, `sidetrack apply` mends it.',
      unit: Short,
      width: 8,
      words: HOST_STATES,
      thresholds: { warning: 1, critical: 2 },
      runbook: 'SidetrackDrifted',
      queries: [[hostState(), '{{host}}']],
    }),
    graph({
      title: 'Differences',
      description:
        'Things on each host that differ from what the configuration wants. None is the only good number.',
      unit: Short,
      width: 6,
      thresholds: { warning: 1 },
      runbook: 'SidetrackDrifted',
      queries: [[gauge('max', 'hostDifferences', ['host']), '{{host}}']],
    }),
    graph({
      title: 'Reading the hosts',
      description:
        'How long the exporter took to read each host, and how old the last answer is. Prometheus gives up after scrape_timeout, which is 10 s unless you set it.',
      unit: Seconds,
      width: 6,
      thresholds: { warning: 5, critical: 10 },
      runbook: 'SidetrackHostDown',
      queries: [
        [gauge('max', 'hostReadSeconds', ['host']), '{{host}}'],
        [
          over(
            'max',
            'hostLastReadTimestampSeconds',
            ['host'],
            // Clocks of two machines, or of two moments of one scrape, differ by little.
            `clamp_min(time() - ${series('hostLastReadTimestampSeconds')}, 0)`,
          ),
          '{{host}}: age',
        ],
        [`${sumPerSecond('hostReadErrors', ['host'])} > 0`, '{{host}}: errors a second'],
      ],
    }),
    number({
      title: 'Classifier',
      description: 'What judges packets on the router, and how it passes steered ones on.',
      unit: Short,
      width: 4,
      height: HEIGHT.graph,
      names: true,
      otherwise: 'not applied',
      queries: [
        [
          gauge('max', 'routerClassifierInfo', ['classifier', 'forwarding']),
          '{{classifier}}, {{forwarding}}',
        ],
      ],
    }),
  ],
};

/** What others change is put back, and lists are fetched again: what there is of it depends on the configuration. */
const stays: Row = {
  title: 'It stays',
  panels: [
    graph({
      title: 'Repairs',
      description:
        'What the watcher of each host has put back, by kind; `sidetrack status` says what and why. Now and then is what it is there for; all the time means that another program wants it otherwise. Empty without `apply --persist`.',
      unit: CountsPerSecond,
      width: 8,
      runbook: 'SidetrackKeepRepairing',
      queries: [[sumPerSecond('keepRepairs', ['host', 'kind']), '{{host}}: {{kind}}']],
    }),
    graph({
      title: 'Not repaired',
      description:
        'Things that the watcher leaves alone, because another program changed them again and again, and things that it cannot repair now; watchers that have stopped. None is the only good number.',
      unit: Short,
      width: 8,
      thresholds: { warning: 1 },
      runbook: 'SidetrackKeepAlarm',
      queries: [
        [gauge('max', 'keepAlarms', ['host']), '{{host}}: left alone'],
        [gauge('max', 'keepOpen', ['host']), '{{host}}: not yet'],
        [`1 - ${gauge('min', 'keepRunning', ['host'])}`, '{{host}}: its watcher has stopped'],
      ],
    }),
    graph({
      title: 'Age of lists',
      description:
        'Time since the file behind each set was last written. A list that should be fetched every day and is a week old is not fetched any more.',
      unit: Seconds,
      width: 8,
      runbook: 'SidetrackListStale',
      queries: [
        [
          over(
            'max',
            'setFileTimestampSeconds',
            ['set'],
            `time() - ${series('setFileTimestampSeconds')}`,
          ),
          '{{set}}',
        ],
        [
          over(
            'max',
            'listLastSuccessTimestampSeconds',
            ['set'],
            `time() - ${series('listLastSuccessTimestampSeconds')}`,
          ),
          '{{set}}, fetched',
        ],
      ],
    }),
  ],
};

const steering: Row = {
  title: 'Steering',
  panels: [
    graph({
      title: 'Steered',
      description:
        'IP packets, with their headers, that the router handed to servers: only those from clients, because answers go past the router. Compare with upload on the Relay dashboard.',
      unit: BitsPerSecondSI,
      width: 8,
      runbook: 'SidetrackNothingSteered',
      queries: [[bits(sumPerSecond('routerSteeredBytes')), 'steered']],
    }),
    graph({
      title: 'Packets',
      description:
        'Packets that the router steered, and packets that servers took over for their program (with capture: redirect only the first one of each connection). Steered but never captured: the server lacks its half, or they get lost between them.',
      unit: PacketsPerSecond,
      width: 8,
      runbook: 'SidetrackNothingSteered',
      queries: [
        [sumPerSecond('routerSteeredPackets'), 'steered'],
        [sumPerSecond('serverCapturedPackets', ['server']), 'captured by {{server}}'],
      ],
    }),
    graph({
      title: 'Verdicts',
      description:
        'Packets that a rule decided on, by its action. These are first packets of flows; what follows in a known flow is not judged again.',
      unit: PacketsPerSecond,
      width: 8,
      stacked: true,
      queries: [[sumPerSecond('routerRulePackets', ['action']), '{{action}}']],
    }),
    graph({
      title: 'Rules',
      description:
        'Packets by the rule that decided, in the order of the configuration. A rule that never decides is behind one that takes everything.',
      unit: PacketsPerSecond,
      queries: [[sumPerSecond('routerRulePackets', ['rule', 'action']), '{{rule}} → {{action}}']],
    }),
    table({
      title: 'Bytes by rule',
      description: 'Bytes of the packets that each rule decided on, over the time that is shown.',
      unit: BytesIEC,
      columns: { rule: 'Rule', action: 'Action' },
      value: 'Bytes',
      queries: [
        [
          over(
            'sum',
            'routerRuleBytes',
            ['rule', 'action'],
            `increase(${series('routerRuleBytes')}[$__range])`,
          ),
          '',
        ],
      ],
    }),
  ],
};

const failures: Row = {
  title: 'Not steered',
  panels: [
    graph({
      title: 'on_failure',
      description:
        'Packets that should have been steered and met on_failure: the flow table is full, the client has used up its share, or the policy route is missing. Anything above nothing needs a look.',
      unit: PacketsPerSecond,
      width: 8,
      runbook: 'SidetrackOnFailureUsed',
      queries: [[sumPerSecond('routerOnFailurePackets', ['reason']), '{{reason}}']],
    }),
    graph({
      title: 'Guards',
      description:
        "Packets that a check before all rules kept from being steered, by its name, such as local destinations and the servers' own.",
      unit: PacketsPerSecond,
      width: 8,
      queries: [[sumPerSecond('routerGuardPackets', ['guard']), '{{guard}}']],
    }),
    graph({
      title: 'eBPF classifier',
      description:
        'Packets by what the eBPF classifier did with them. Empty with classifier: nftables: then the other panels say it all.',
      unit: PacketsPerSecond,
      width: 8,
      queries: [[sumPerSecond('routerClassifierEvents', ['event']), '{{event}}']],
    }),
  ],
};

const tables: Row = {
  title: 'Flow table and sets',
  panels: [
    graph({
      title: 'Tables in use',
      description:
        "Share of the flow table and of connection tracking that is in use. A full flow table sends new flows to on_failure; a full conntrack table drops everybody's new connections.",
      unit: PercentUnit,
      width: 8,
      max: 1,
      thresholds: { warning: 0.7, critical: 0.85 },
      runbook: 'SidetrackFlowTableNearlyFull',
      queries: [
        [flowTableUse(), 'flow table: {{table}}'],
        [
          `max(${series('routerConntrackEntries')} / ${series('routerConntrackLimit')})`,
          'conntrack',
        ],
      ],
    }),
    graph({
      title: 'Flows',
      description:
        'Steered flows in the flow table, entries of connection tracking, and clients that have used up their share of the flow table.',
      unit: Short,
      width: 8,
      runbook: 'SidetrackClientOverShare',
      queries: [
        [gauge('sum', 'routerFlows', ['table']), 'flows: {{table}}'],
        [gauge('sum', 'routerConntrackEntries'), 'conntrack entries'],
        [gauge('sum', 'routerClientsOverShare'), 'clients over their share'],
      ],
    }),
    graph({
      title: 'Sets',
      description:
        'Elements of each set in the kernel, and prefixes in the file behind it. They differ from a change of the file until the next apply.',
      unit: Short,
      width: 8,
      queries: [
        [gauge('max', 'routerSetElements', ['set', 'family']), '{{set}} {{family}}'],
        [gauge('max', 'setEntries', ['set', 'family']), '{{set}} {{family}}, file'],
        [gauge('max', 'listEntries', ['set']), '{{set}}, fetched'],
      ],
    }),
  ],
};

const network: Row = {
  title: 'Network',
  panels: [
    states({
      title: 'Way to the servers',
      description:
        'Whether the router knows a MAC of each server, and whether the policy route to it is there. Down: steered clients wait in vain, or meet on_failure.',
      unit: Short,
      width: 8,
      words: UP_OR_DOWN,
      thresholds: { critical: 1, falling: true },
      runbook: 'SidetrackNextHopUnreachable',
      queries: [
        [
          gauge('min', 'routerNextHopReachable', ['server', 'family']),
          '{{server}} {{family}}: next hop',
        ],
        [gauge('min', 'routerRoutePresent', ['server', 'family']), '{{server}} {{family}}: route'],
      ],
    }),
    graph({
      title: 'Dropped by the kernel',
      description:
        'ICMP redirects that were kept from clients, packets with an impossible source or destination, and those that failed the reverse-path check. The last two are of all IPv4 traffic of the router.',
      unit: PacketsPerSecond,
      width: 8,
      runbook: 'SidetrackIcmpRedirects',
      queries: [
        [sumPerSecond('routerIcmpRedirectsDropped'), 'ICMP redirects'],
        [sumPerSecond('routerMartianPackets', ['direction']), 'martian {{direction}}'],
        [sumPerSecond('routerReversePathFilteredPackets'), 'reverse-path filter'],
      ],
    }),
    graph({
      title: 'Interfaces',
      description:
        "All traffic of the interfaces of the configuration, steered or not. Steered traffic passes the clients' interface twice: in from the client and out to the server.",
      unit: BitsPerSecondSI,
      width: 8,
      queries: [
        [
          bits(sumPerSecond('routerInterfaceBytes', ['interface', 'direction'])),
          '{{interface}} {{direction}}',
        ],
      ],
    }),
  ],
};

export const routerDashboard = () =>
  dashboard({
    uid: 'sidetrack-router',
    title: 'Sidetrack / Router',
    description:
      'The router and the servers as the exporter reads them: state, rules, verdicts, flow table, sets, network.',
    about: 'hostUp',
    rows: [hosts, stays, servers, steering, failures, tables, network],
  });
