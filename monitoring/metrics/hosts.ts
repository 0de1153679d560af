/** What the exporter says of hosts as such, of servers and of the files behind sets. */
import {
  FAMILY_STATES,
  HEARTBEAT_REASON_NAMES,
  IGNORED_HEARTBEATS,
} from '../../bpf/server-health.js';
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
  keepRunning: {
    name: 'sidetrack_keep_running',
    type: 'gauge',
    unit: 'boolean',
    labels: { host: HOST },
    help: 'Whether the watcher of the host runs, which repairs what others change. Absent where none has run since the host was started.',
  },
  keepRepairs: {
    name: 'sidetrack_keep_repairs_total',
    type: 'counter',
    unit: 'count',
    labels: { host: HOST, kind: 'sysctl, route, rule and so on, as in sidetrack plan' },
    help: 'Repairs by the watcher of the host since that was started; sidetrack status says what and why.',
  },
  keepAlarms: {
    name: 'sidetrack_keep_alarms',
    type: 'gauge',
    unit: 'count',
    labels: { host: HOST },
    help: 'Things that another program changed again and again, so that the watcher leaves them alone until it is told to go on.',
  },
  keepOpen: {
    name: 'sidetrack_keep_open',
    type: 'gauge',
    unit: 'count',
    labels: { host: HOST },
    help: 'Things that are not as they were applied and cannot be repaired now, a route by an interface that is down among them.',
  },
} as const satisfies MetricTable;

const SERVER = 'names of the configuration';

export const serverMetrics = {
  serverState: {
    name: 'sidetrack_server_state',
    type: 'gauge',
    unit: 'boolean',
    labels: { server: SERVER, family: FAMILY, state: FAMILY_STATES },
    help: '1 for the state that the router holds the server to be in for new flows of the family: alive; held, back but not trusted yet because it came back often; rising, its heartbeats have begun; unfit, its heartbeats say that it cannot serve; silent, no heartbeat any more; unknown, none so far. With health: route it is alive while its route is there, and silent without; with health: none always alive. Absent for a family that the server has no address of.',
  },
  serverStateTimestampSeconds: {
    name: 'sidetrack_server_state_timestamp_seconds',
    type: 'gauge',
    unit: 'timestamp',
    labels: { server: SERVER, family: FAMILY },
    help: 'When the server came into that state, as the router or the exporter saw it; absent where that was before both.',
  },
  serverReason: {
    name: 'sidetrack_server_reason',
    type: 'gauge',
    unit: 'boolean',
    labels: { server: SERVER, reason: HEARTBEAT_REASON_NAMES },
    help: '1 for what the last heartbeat said: ok, or why new flows should go elsewhere (starting, leaving; listener: it does not accept; threads: one does not turn; upstreams: none is up; descriptors or memory short; check or port of an external program failed).',
  },
  serverLastHeartbeatSeconds: {
    name: 'sidetrack_server_last_heartbeat_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: { server: SERVER },
    help: 'Time since the last heartbeat that the router believed, to a second; absent where none was heard for long.',
  },
  serverHeartbeatsIgnored: {
    name: 'sidetrack_server_heartbeats_ignored_total',
    type: 'counter',
    unit: 'packets',
    labels: { server: SERVER, reason: IGNORED_HEARTBEATS },
    help: "Packets to the port of heartbeats that the router did not believe, by what was wrong: a tag that is not the server's, another address or MAC, a counter that did not go up (replay; the eBPF classifier sees it), no heartbeat at all (malformed).",
  },
  serverDrained: {
    name: 'sidetrack_server_drained',
    type: 'gauge',
    unit: 'boolean',
    labels: { server: SERVER },
    help: '1 while the server gets no new flows because of sidetrack drain, or because it has left the configuration.',
  },
  serverWeight: {
    name: 'sidetrack_server_weight',
    type: 'gauge',
    unit: 'count',
    labels: { server: SERVER },
    help: 'Its share of new flows beside the other weights: weight of the configuration; 0 while it is drained.',
  },
  serverFlows: {
    name: 'sidetrack_server_flows',
    type: 'gauge',
    unit: 'count',
    labels: { server: SERVER },
    help: 'Flows of the server in the flow table, opening and closing ones among them; counted as often as sidetrack_router_flows.',
  },
  serverSteeredPackets: {
    name: 'sidetrack_server_steered_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: { server: SERVER },
    help: 'Packets of steered flows that the router handed to the server; with the eBPF classifier absent where there are several servers. One that the network card has put together from several counts once.',
  },
  serverResets: {
    name: 'sidetrack_server_resets_total',
    type: 'counter',
    unit: 'packets',
    labels: { server: SERVER },
    help: 'Packets of live flows that the router answered with a TCP reset, because the server had been silent for health.reset_after_seconds.',
  },
  serverReturns: {
    name: 'sidetrack_server_returns_total',
    type: 'counter',
    unit: 'count',
    labels: { server: SERVER },
    help: 'Times that the router took the server again after it had lost it, as the exporter saw it: from since when the server is alive, so that none between two readings is missed, but several are one.',
  },
  serverCapturedPackets: {
    name: 'sidetrack_server_captured_packets_total',
    type: 'counter',
    unit: 'packets',
    labels: { server: SERVER },
    help: 'Packets that the server took over from the router for its program; with capture: redirect the first one of each connection.',
  },
} as const satisfies MetricTable;

const SET = 'names of the configuration';

/** What `control/lists/failure.ts` calls it. */
export const LIST_REASONS = [
  'unreachable',
  'timeout',
  'http_status',
  'disk',
  'redirect',
  'too_large',
  'checksum',
  'signature',
  'malformed',
  'empty',
  'shrunken',
] as const;

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
  listEntries: {
    name: 'sidetrack_list_entries',
    type: 'gauge',
    unit: 'count',
    labels: { set: SET },
    help: 'CIDRs in the copy of a list that is fetched for the set.',
  },
  listLastSuccessTimestampSeconds: {
    name: 'sidetrack_list_last_success_timestamp_seconds',
    type: 'gauge',
    unit: 'timestamp',
    labels: { set: SET },
    help: 'When the list was last fetched, or its server said that it has not changed. Absent before the first time.',
  },
  listRefreshSeconds: {
    name: 'sidetrack_list_refresh_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: { set: SET },
    help: 'How often the list is to be fetched: refresh of the set.',
  },
  listFailures: {
    name: 'sidetrack_list_failures_total',
    type: 'counter',
    unit: 'count',
    labels: { set: SET },
    help: 'Attempts to fetch the list that failed, or brought a list that was refused. Kept with the copy.',
  },
  listFailing: {
    name: 'sidetrack_list_failing',
    type: 'gauge',
    unit: 'boolean',
    labels: { set: SET, reason: LIST_REASONS },
    help: '1 for why the last attempt to fetch the list failed; absent after a success. unreachable, timeout, http_status, disk: it did not come; redirect, too_large, checksum, signature, malformed, empty, shrunken: it was refused.',
  },
} as const satisfies MetricTable;
