/** What the exporter says of hosts as such, of servers and of the files behind sets. */
import { FAMILY, type MetricTable } from './definition.js';

const HOST = 'router, or the name of a server';

export const hostMetrics = {
  hostUp: {
    name: 'sidetrack_host_up',
    type: 'gauge',
    unit: 'boolean',
    labels: { host: HOST },
    help: 'Whether the host answered the last reading.',
  },
  hostState: {
    name: 'sidetrack_host_state',
    type: 'gauge',
    unit: 'boolean',
    labels: { host: HOST, state: ['in-sync', 'drifted', 'absent', 'unfit'] },
    help: '1 for the state that the host was in when it was compared last: as the configuration wants it, changed since, without anything of sidetrack, or unable to have it. Absent before the first comparison and while the host does not answer.',
  },
  hostDifferences: {
    name: 'sidetrack_host_differences',
    type: 'gauge',
    unit: 'count',
    labels: { host: HOST },
    help: 'Things on the host that differ from what the configuration wants; sidetrack plan lists them.',
  },
  hostComparedTimestampSeconds: {
    name: 'sidetrack_host_compared_timestamp_seconds',
    type: 'gauge',
    unit: 'timestamp',
    labels: { host: HOST },
    help: 'When the host was last compared with the configuration: state and differences are as of then. Once in exporter.compare_seconds, since it takes more than counters do.',
  },
  hostReadSeconds: {
    name: 'sidetrack_host_read_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: { host: HOST },
    help: 'Time that the last reading of the host took.',
  },
  hostReadErrors: {
    name: 'sidetrack_host_read_errors_total',
    type: 'counter',
    unit: 'count',
    labels: { host: HOST },
    help: 'Readings of the host that failed: no way there, no answer in time, or an answer that makes no sense.',
  },
  hostLastReadTimestampSeconds: {
    name: 'sidetrack_host_last_read_timestamp_seconds',
    type: 'gauge',
    unit: 'timestamp',
    labels: { host: HOST },
    help: 'When the host last answered; absent before the first answer.',
  },
} as const satisfies MetricTable;

export const serverMetrics = {
  serverCapturedPackets: {
    name: 'sidetrack_server_captured_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: { server: 'names of the configuration' },
    help: 'Packets that the server took over from the router for its program; with capture: redirect the first one of each connection.',
  },
} as const satisfies MetricTable;

const SET = 'names of the configuration';

export const setMetrics = {
  setFileTimestampSeconds: {
    name: 'sidetrack_set_file_timestamp_seconds',
    type: 'gauge',
    unit: 'timestamp',
    labels: { set: SET },
    help: 'When the file behind the set was last written.',
  },
  setEntries: {
    name: 'sidetrack_set_entries',
    type: 'gauge',
    unit: 'count',
    labels: { set: SET, family: FAMILY },
    help: 'Prefixes in the file behind the set, overlapping ones merged.',
  },
} as const satisfies MetricTable;
