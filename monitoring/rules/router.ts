/** Alerts about the router: ways to the servers, the flow table, what is left to on_failure. */
import { metric, selector } from '../promql.js';
import { increase } from './promql.js';
import { RECORDED } from './recording.js';
import type { AlertRule, Settings } from './rule.js';
import { heartbeatForged, noServer, serverDown, serverFlapping } from './servers.js';

const DAY = 86_400;
const WAY = '{{ $labels.server }} ({{ $labels.family }})';

export const routerAlerts = (settings: Settings): AlertRule[] => [
  noServer(),
  {
    name: 'SidetrackRouteGone',
    severity: 'critical',
    expr: `${metric('routerRoutePresent')} == 0`,
    holds: 2,
    summary: 'The route to a server is gone, so nothing is steered to it.',
    description: `The router has no route to ${WAY} in its policy table.`,
  },
  {
    name: 'SidetrackNextHopUnreachable',
    severity: 'critical',
    expr: `${metric('routerNextHopReachable')} == 0`,
    holds: 2,
    summary: 'A server does not answer the router, and what is steered to it is lost.',
    description: `${WAY} does not answer ARP or neighbour discovery of the router.`,
  },
  serverDown(),
  serverFlapping(settings),
  heartbeatForged(settings),
  onFailureUsed(settings),
  {
    name: 'SidetrackFlowTableNearlyFull',
    severity: 'warning',
    expr: `${RECORDED.flows} > ${settings.ceiling}`,
    holds: 5,
    summary: 'The flow table of the router is nearly full.',
    description: '{{ $value | humanizePercentage }} of the flow table is in use.',
  },
  {
    name: 'SidetrackRouterConntrack',
    severity: 'warning',
    expr: `${RECORDED.conntrack} > ${settings.ceiling}`,
    holds: 5,
    summary: 'The conntrack table of the router is nearly full.',
    description: '{{ $value | humanizePercentage }} of nf_conntrack_max of the router is in use.',
  },
  listStale(settings),
  listFailing(),
  {
    name: 'SidetrackClientOverShare',
    severity: 'info',
    expr: `${metric('routerClientsOverShare')} > 0`,
    holds: 5,
    summary: 'A client opens more connections than its share of the flow table.',
    description:
      '{{ $value }} clients are over their share; what is over it is left to on_failure.',
  },
  {
    name: 'SidetrackIcmpRedirects',
    severity: 'info',
    expr: `${increase(metric('routerIcmpRedirectsDropped'), settings.minutes(15))} > 0`,
    lasts: 15,
    summary: 'The router tries to redirect clients past itself.',
    description:
      'The router made {{ $value | humanize }} ICMP redirects in 15 minutes. They were dropped, but something has switched them on.',
  },
];

/** Three refreshes were missed, or what came is not what it should be: that mends itself seldom. */
function listFailing(): AlertRule {
  const age = `time() - ${metric('listLastSuccessTimestampSeconds')}`;
  const refused = selector('listFailing', {
    reason: {
      matches: 'redirect|too_large|checksum|signature|malformed|empty|shrunken|disk',
    },
  });
  return {
    name: 'SidetrackListFailing',
    severity: 'warning',
    expr: `(${age} > 3 * ${metric('listRefreshSeconds')}) or (${refused} == 1)`,
    holds: 10,
    summary: 'A list of addresses cannot be refreshed, and its last good copy is in use.',
    description:
      'The list of the set "{{ $labels.set }}" {{ with $labels.reason }}was refused or failed ({{ . }}){{ else }}has not come for three times its refresh{{ end }}; sidetrack refresh --status says why.',
  };
}

/** A client over its share has an alert of its own. */
function onFailureUsed({ minutes }: Settings): AlertRule {
  const refused = selector('routerOnFailurePackets', {
    reason: { matches: 'full|no_route|none_alive' },
  });
  return {
    name: 'SidetrackOnFailureUsed',
    severity: 'warning',
    expr: `${increase(refused, minutes(5))} > 0`,
    holds: 1,
    lasts: 5,
    summary: 'Flows that should be handed over are left to on_failure.',
    description:
      '{{ $value | humanize }} packets of new flows could not be handed over in five minutes: {{ $labels.reason }}.',
  };
}

function listStale({ list_age_days: days, list_static: fixed }: Settings): AlertRule {
  const file = selector(
    'setFileTimestampSeconds',
    fixed === '' ? {} : { set: { notMatches: fixed } },
  );
  return {
    name: 'SidetrackListStale',
    severity: 'warning',
    expr: `time() - ${file} > ${days * DAY}`,
    holds: 10,
    summary: 'A list of addresses has not been updated for long.',
    description:
      'The file behind the set "{{ $labels.set }}" was last written {{ $value | humanizeDuration }} ago.',
  };
}
