/** Metrics that are on no panel, and why; a test compares this list with the dashboards. */
import type { MetricKey } from '../metrics.js';

export const UNPLOTTED: Readonly<Partial<Record<MetricKey, string>>> = {
  relayRetransmittedBytes: 'segments that were sent again are on the Relay dashboard',
  hostComparedTimestampSeconds: 'says how old the state is, which is there',
  listRefreshSeconds: 'a setting; the age of each list is on the Router dashboard',
  listFailures: 'sidetrack refresh --status says which, and why; SidetrackListFailing fires',
  listFailing: 'as above',
  relayExpressConnections: 'bytes by mode are on the Relay dashboard',
  relayExpressRefused: 'as above',
  relayExpressAbandoned: 'as above',
  relayExpressLate: 'as above',
  relayExpressHoldSeconds: 'as above',
  processCpuSeconds: 'its parts, user and system, are there',
  processVirtualMemoryBytes: 'address space costs nothing; memory in RAM is there',
  processMaxFds: 'the resource `descriptors` shows the share of it that is in use',
};
