/** What every program of ours says of itself, under the names that client libraries share. */
import type { MetricTable } from './definition.js';

export const processMetrics = {
  processCpuUserSeconds: {
    name: 'process_cpu_user_seconds_total',
    type: 'counter',
    unit: 'seconds',
    labels: {},
    help: 'User CPU time of the process, all threads.',
  },
  processCpuSystemSeconds: {
    name: 'process_cpu_system_seconds_total',
    type: 'counter',
    unit: 'seconds',
    labels: {},
    help: 'System CPU time of the process, all threads.',
  },
  processCpuSeconds: {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    unit: 'seconds',
    labels: {},
    help: 'User and system CPU time of the process, all threads.',
  },
  processStartTimeSeconds: {
    name: 'process_start_time_seconds',
    type: 'gauge',
    unit: 'timestamp',
    labels: {},
    help: 'When the process started.',
  },
  processResidentMemoryBytes: {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    unit: 'bytes',
    labels: {},
    help: 'Memory of the process that is in RAM.',
  },
  processVirtualMemoryBytes: {
    name: 'process_virtual_memory_bytes',
    type: 'gauge',
    unit: 'bytes',
    labels: {},
    help: 'Address space of the process.',
  },
  processOpenFds: {
    name: 'process_open_fds',
    type: 'gauge',
    unit: 'count',
    labels: {},
    help: 'Open file descriptors of the process.',
  },
  processMaxFds: {
    name: 'process_max_fds',
    type: 'gauge',
    unit: 'count',
    labels: {},
    help: 'Most file descriptors that the process may open; absent when there is no limit.',
  },
  nodejsEventloopLagSeconds: {
    name: 'nodejs_eventloop_lag_seconds',
    type: 'gauge',
    unit: 'seconds',
    labels: {},
    help: 'Time that the main thread let the last scrape wait for its turn; no traffic passes through this thread.',
  },
  buildInfo: {
    name: 'sidetrack_build_info',
    type: 'gauge',
    unit: 'info',
    labels: {
      version: 'of sidetrack',
      node: 'of Node.js',
      congestion_client:
        "TCP congestion control of the relay's new connections from clients on attached networks",
      congestion_upstream: 'the same, to upstreams',
    },
    help: 'Constant 1, labelled with the versions that run, and in the relay with the congestion control of each leg.',
  },
} as const satisfies MetricTable;
