/** Rows about the servers, as the router judges them: a short one for the overview, a long one for the router. */
import {
  CountsPerSecond,
  PacketsPerSecond,
  Seconds,
  Short,
} from '@grafana/grafana-foundation-sdk/units';
import type { Row } from './frame.js';
import { graph, number, SERVER_STATES, states, table } from './panels.js';
import { gauge, series, serverState, serversAlive, sumPerSecond } from './queries.js';

const stateOf = (width: number) =>
  states({
    title: 'Servers',
    description:
      'Whether each server gets new flows of each family, by its heartbeats. Held: back, and not trusted yet; rising: its heartbeats have just begun; unfit: it says so itself; silent: no heartbeat. New flows of one that is not alive go to another server, or the way of on_failure.',
    unit: Short,
    width,
    words: SERVER_STATES,
    thresholds: { warning: 1, critical: 3 },
    runbook: 'SidetrackServerDown',
    queries: [[serverState(), '{{server}} {{family}}']],
  });

const steered = (width: number) =>
  graph({
    title: 'Steered by server',
    description:
      'Packets that the router handed to each server. Beside the weights: a server that gets nothing while it is alive is a backup, or its clients are quiet.',
    unit: PacketsPerSecond,
    width,
    runbook: 'SidetrackServerDown',
    queries: [[sumPerSecond('serverSteeredPackets', ['server']), '{{server}}']],
  });

/** For a state that began before the exporter did. */
const SINCE_LONGER = -1;
/** 1 for what each server says. */
const SAYS = `max by (server, reason) (${series('serverReason')} == 1)`;
const FOR_SO_LONG = `(time() - max by (server) (${series('serverStateTimestampSeconds')}))`;

export const serversInShort: Row = {
  title: 'Servers',
  panels: [
    number({
      title: 'Servers alive',
      description:
        'Servers that get new flows of some family. With none of them, new flows go the way of on_failure.',
      unit: Short,
      width: 4,
      height: 8,
      thresholds: { critical: 1, falling: true },
      words: { 0: 'none' },
      otherwise: 'none',
      runbook: 'SidetrackNoServer',
      queries: [[serversAlive(), 'servers']],
    }),
    stateOf(10),
    steered(10),
  ],
};

export const servers: Row = {
  title: 'Servers',
  panels: [
    stateOf(8),
    graph({
      title: 'Last heartbeat',
      description:
        'Time since the last heartbeat that the router believed. It comes every half second; from two seconds on, new flows go elsewhere.',
      unit: Seconds,
      width: 8,
      thresholds: { critical: 2 },
      runbook: 'SidetrackServerDown',
      queries: [[gauge('max', 'serverLastHeartbeatSeconds', ['server']), '{{server}}']],
    }),
    table({
      title: 'What they say',
      description:
        'What the last heartbeat of each server said, and for how long the router has held it to be in its state; all the time: since before the exporter began to look.',
      unit: Seconds,
      width: 8,
      columns: { server: 'Server', reason: 'Says' },
      value: 'In its state for',
      words: { [SINCE_LONGER]: 'all the time' },
      queries: [
        [`${SAYS} * on (server) group_left () ${FOR_SO_LONG} or ${SAYS} * ${SINCE_LONGER}`, ''],
      ],
    }),
    steered(8),
    graph({
      title: 'Flows and weights',
      description:
        'Flows of each server in the flow table, and its weight: 0 while it is drained. A drained server may be switched off when it has no flows left.',
      unit: Short,
      width: 8,
      queries: [
        [gauge('sum', 'serverFlows', ['server']), '{{server}}'],
        [gauge('max', 'serverWeight', ['server']), '{{server}}: weight'],
      ],
    }),
    graph({
      title: 'Ignored, lost and back',
      description:
        'Heartbeats that were not believed, by what was wrong; live flows that were reset because their server was silent for too long; times that a server came back.',
      unit: CountsPerSecond,
      width: 8,
      runbook: 'SidetrackHeartbeatForged',
      queries: [
        [
          sumPerSecond('serverHeartbeatsIgnored', ['server', 'reason']),
          '{{server}} ignored: {{reason}}',
        ],
        [sumPerSecond('serverResets', ['server']), '{{server}} resets'],
        [sumPerSecond('serverReturns', ['server']), '{{server}} came back'],
      ],
    }),
  ],
};
