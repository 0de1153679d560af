/** What alerts and people ask for again and again, computed once. Names are `level:metric:operations`. */
import { metric, selector } from '../promql.js';
import { rate, ratio, sumWithout } from './promql.js';
import type { RecordingRule, Settings } from './rule.js';

/** Rates and percentiles are of five minutes. */
export const RECORDED = {
  connections: 'instance:sidetrack_relay_connections:rate',
  bytes: 'instance_direction:sidetrack_relay_bytes:rate',
  connectErrors: 'instance:sidetrack_relay_connect_errors:ratio',
  connectP99: 'instance:sidetrack_relay_connect_seconds:p99',
  residencyP99: 'instance:sidetrack_relay_residency_seconds:p99',
  resources: 'instance_resource:sidetrack_relay_resource:ratio',
  ports: 'instance_upstream:sidetrack_relay_upstream_ports:ratio',
  steered: 'instance:sidetrack_router_steered_bytes:rate',
  flows: 'instance:sidetrack_router_flows:ratio',
  conntrack: 'instance:sidetrack_router_conntrack:ratio',
} as const;

type Expressions = Readonly<Record<keyof typeof RECORDED, string>>;

function expressions({ minutes }: Settings): Expressions {
  const recent = (series: string) => rate(series, minutes(5));
  const accepted = sumWithout(['family'], recent(metric('relayConnections')));
  const failed = sumWithout(
    ['reason'],
    [
      recent(metric('relayConnectErrors')),
      recent(selector('relayRejected', { reason: 'no_upstream' })),
    ].join(' or '),
  );
  const residency = recent(metric('relayResidencySeconds', 'bucket'));
  return {
    connections: accepted,
    bytes: recent(metric('relayBytes')),
    connectErrors: ratio(failed, accepted),
    connectP99: percentile(recent(metric('relayConnectSeconds', 'bucket'))),
    residencyP99: percentile(sumWithout(['direction'], residency)),
    resources: ratio(metric('relayResourceUsed'), metric('relayResourceLimit')),
    ports: ratio(metric('relayUpstreamPortsUsed'), metric('relayUpstreamPortsLimit')),
    steered: recent(metric('routerSteeredBytes')),
    // The fullest part: each has a limit of its own.
    flows: ratio(`max without (table) (${metric('routerFlows')})`, metric('routerFlowsLimit')),
    conntrack: ratio(metric('routerConntrackEntries'), metric('routerConntrackLimit')),
  };
}

/** NaN where nothing was observed, which is more than no threshold. */
const percentile = (buckets: string) => `histogram_quantile(0.99, ${buckets})`;

/** Beside the alerts that use them: rules of a group are evaluated one after the other. */
const GROUPS = {
  relay: ['connections', 'bytes', 'residencyP99'],
  upstreams: ['connectErrors', 'connectP99', 'ports'],
  resources: ['resources'],
  hosts: [],
  router: ['steered', 'flows', 'conntrack'],
} as const satisfies Readonly<Record<string, readonly (keyof typeof RECORDED)[]>>;

export type GroupName = keyof typeof GROUPS;
export const GROUP_NAMES = [
  'relay',
  'upstreams',
  'resources',
  'hosts',
  'router',
] as const satisfies GroupName[];

export function recordingRules(settings: Settings, group: GroupName): RecordingRule[] {
  const all = expressions(settings);
  return GROUPS[group].map((key) => ({ record: RECORDED[key], expr: all[key] }));
}
