/** Alerts about what the relay connects through. */
import { metric, selector } from '../promql.js';
import { increase, lines, sumWithout } from './promql.js';
import { RECORDED } from './recording.js';
import type { AlertRule, Settings } from './rule.js';

const RELAY = '{{ $labels.instance }}';
const UPSTREAM = '"{{ $labels.upstream }}"';

export const upstreamAlerts = (settings: Settings): AlertRule[] => [
  allDown(settings),
  oneDown(settings),
  {
    name: 'SidetrackUpstreamUnresolved',
    severity: 'warning',
    expr: `${metric('relayUpstreamResolved')} == 0`,
    holds: 5,
    summary: 'The name of an upstream has no address.',
    description: `The relay ${RELAY} knows no address of the upstream ${UPSTREAM} and never uses it.`,
  },
  connectErrors(settings),
  connectSlow(settings),
  {
    name: 'SidetrackUpstreamPorts',
    severity: 'warning',
    expr: `${RECORDED.ports} > ${settings.ceiling}`,
    holds: 5,
    summary: 'The local ports towards an upstream run out.',
    description: `The relay ${RELAY} uses {{ $value | humanizePercentage }} of its local ports towards the upstream ${UPSTREAM}.`,
  },
];

/**
 * An upstream is down from a failure until the next success. Where it is not tried there is neither,
 * so at night one failure would say for hours that it is down; therefore failures must go on.
 */
function oneDown({ minutes }: Settings): AlertRule {
  // Backoff ends after a minute at most.
  const window = minutes(3);
  const errors = sumWithout(['reason'], increase(metric('relayUpstreamErrors'), window));
  return {
    name: 'SidetrackUpstreamDown',
    severity: 'warning',
    expr: lines(
      `${metric('relayUpstreamUp')} == 0`,
      'and on (job, instance, upstream)',
      '(',
      `  ${errors} > 0`,
      `  or ${increase(selector('relayUpstreamProbes', { result: 'failure' }), window)} > 0`,
      ')',
    ),
    holds: 5,
    lasts: 5,
    summary: 'An upstream does not work.',
    description: `The relay ${RELAY} cannot connect through the upstream ${UPSTREAM}.`,
  };
}

function allDown({ minutes }: Settings): AlertRule {
  const window = minutes(5);
  const refused = selector('relayRejected', { reason: 'no_upstream' });
  const probes = increase(selector('relayUpstreamProbes', { result: 'failure' }), window);
  return {
    name: 'SidetrackAllUpstreamsDown',
    severity: 'critical',
    // One connection that failed at night is no reason for a call.
    expr: lines(
      `max without (upstream) (${metric('relayUpstreamUp')}) == 0`,
      'and on (job, instance)',
      '(',
      `  ${sumWithout(['reason'], increase(metric('relayConnectErrors'), window))} > 2`,
      `  or ${increase(refused, window)} > 2`,
      `  or ${sumWithout(['upstream', 'result'], probes)} > 2`,
      ')',
    ),
    holds: 2,
    summary: 'No upstream works: clients of the relay reach nothing.',
    description: `The relay ${RELAY} cannot connect through any of its upstreams.`,
  };
}

function connectErrors(settings: Settings): AlertRule {
  return {
    name: 'SidetrackConnectErrors',
    severity: 'warning',
    expr: lines(
      `${RECORDED.connectErrors} > ${settings.connect_error_share}`,
      'and on (job, instance)',
      `${sumWithout(['family'], increase(metric('relayConnections'), settings.minutes(5)))} > ${settings.connections_least}`,
    ),
    holds: 10,
    summary: 'Many connections fail, because no upstream can connect.',
    description: `{{ $value | humanizePercentage }} of the new connections of the relay ${RELAY} are reset, because no upstream could connect.`,
  };
}

function connectSlow(settings: Settings): AlertRule {
  const connected = increase(metric('relayConnectSeconds', 'count'), settings.minutes(5));
  return {
    name: 'SidetrackConnectSlow',
    severity: 'warning',
    expr: lines(
      `${RECORDED.connectP99} > ${settings.connect_p99_seconds}`,
      'and on (job, instance)',
      `${connected} > ${settings.connections_least}`,
    ),
    holds: 10,
    summary: 'Connecting through the relay takes long.',
    description: `Of a hundred connections of the relay ${RELAY} one takes {{ $value | humanizeDuration }} or longer until bytes can pass.`,
  };
}
