/** Alerts about the relay as a program: it runs, it gets connections, it keeps up. */
import { metric, selector } from '../promql.js';
import { increase, lines, onSite, rate, sumOfSite, sumWithout, up } from './promql.js';
import { RECORDED } from './recording.js';
import type { AlertRule, Settings } from './rule.js';

const RELAY = '{{ $labels.instance }}';

export const relayAlerts = (settings: Settings): AlertRule[] => [
  relayDown(settings),
  nothingSteered(settings),
  loop(settings),
  restarting(settings),
  {
    name: 'SidetrackReloadFailed',
    severity: 'warning',
    expr: `${metric('relayReloadLastSuccessful')} == 0`,
    holds: 1,
    summary: 'The relay goes on with an older configuration, because the new one has a mistake.',
    description: `The last reload of the relay ${RELAY} failed. It works by the configuration of before.`,
  },
  {
    name: 'SidetrackThreadSaturated',
    severity: 'warning',
    expr: `${rate(metric('relayThreadBusySeconds'), settings.minutes(5))} > ${settings.thread_busy}`,
    holds: 10,
    summary: 'A thread of the relay has no time left.',
    description: `Thread {{ $labels.thread }} of the relay ${RELAY} is busy for {{ $value | humanizePercentage }} of the time.`,
  },
  residencyHigh(settings),
  {
    name: 'SidetrackAcceptPaused',
    severity: 'warning',
    expr: `${increase(metric('relayAcceptPauses'), settings.minutes(5))} > 0`,
    holds: 1,
    lasts: 5,
    summary: 'The relay lets new connections wait, because something has run out.',
    description: `The relay ${RELAY} stopped accepting {{ $value | humanize }} times in five minutes (reason: {{ $labels.reason }}).`,
  },
  {
    name: 'SidetrackHalfOpenHandshakes',
    severity: 'warning',
    expr: `${metric('relayHalfOpenHandshakes')} > ${settings.half_open}`,
    holds: 5,
    summary: 'Clients begin connections to the relay and never finish the handshake.',
    description: `{{ $value }} handshakes with the relay ${RELAY} are incomplete after three answers.`,
  },
  guardRefusalsRising(settings),
  {
    name: 'SidetrackAccessLogDropping',
    severity: 'warning',
    expr: `${increase(metric('relayAccessLogDropped'), settings.minutes(5))} > 0`,
    holds: 1,
    lasts: 5,
    summary: 'The access log of the relay loses lines.',
    description: `The relay ${RELAY} could not write {{ $value | humanize }} lines of its access log in five minutes.`,
  },
  {
    name: 'SidetrackReadAheadCut',
    severity: 'warning',
    expr: `${increase(metric('relayReadAheadCuts'), settings.minutes(5))} > 0`,
    holds: 1,
    lasts: 5,
    summary: 'Clients that take nothing hold more memory of the relay than they may.',
    description: `The relay ${RELAY} gave {{ $value | humanize }} directions of stalled connections a small window in five minutes.`,
  },
  {
    name: 'SidetrackFamilyRefused',
    severity: 'info',
    // A family that is not configured is not listened for either, but no probe failed for it.
    expr: lines(
      `${metric('relayListening')} == 0`,
      `and on (job, instance, family)`,
      `${metric('relayUpstreamCarries')} == 0`,
    ),
    holds: 5,
    summary: 'The relay refuses a family of addresses, for no upstream carries it.',
    description: `The relay ${RELAY} refuses {{ $labels.family }}: the probes for it fail through every upstream.`,
  },
];

function relayDown({ relay_job: job }: Settings): AlertRule {
  return {
    name: 'SidetrackRelayDown',
    severity: 'critical',
    // Without any target there is no `up` that could be 0.
    expr: lines(`${up(job)} == 0`, `or absent(${up(job)})`),
    holds: 2,
    summary: 'Prometheus gets no answer from a relay.',
    description:
      'The relay {{ with $labels.instance }}{{ . }}{{ else }}of job {{ $labels.job }} (no target){{ end }} has not answered for two minutes.',
  };
}

/**
 * New flows that the router handed over, of which the relay accepted none. Keep-alives of idle flows
 * at night are no new flows; while there are none, nothing is said.
 */
function nothingSteered(settings: Settings): AlertRule {
  const window = settings.minutes(5);
  return {
    name: 'SidetrackNothingSteered',
    severity: 'critical',
    expr: lines(
      sumOfSite(
        settings,
        `\n  ${increase(selector('routerRulePackets', { action: 'proxy' }), window)}` +
          `\n  or -${increase(metric('routerOnFailurePackets'), window)}\n`,
      ),
      `> ${settings.unsteered_flows}`,
      `and ${onSite(settings)}`,
      `${sumOfSite(settings, increase(metric('relayConnections'), window))} == 0`,
    ),
    holds: 5,
    summary: 'The router hands connections over, and the relay gets none of them.',
    description:
      'The router handed over {{ $value | humanize }} new flows in five minutes; no relay accepted a connection.',
  };
}

function loop(settings: Settings): AlertRule {
  return {
    name: 'SidetrackLoop',
    severity: 'critical',
    expr: `${increase(selector('relayRejected', { reason: 'loop' }), settings.minutes(5))} > ${settings.loops}`,
    holds: 2,
    summary: "The relay's own connections come back to it.",
    description: `The relay ${RELAY} rejected {{ $value | humanize }} connections in five minutes that come from this machine or lead to it.`,
  };
}

function restarting(settings: Settings): AlertRule {
  const started = selector('processStartTimeSeconds', { job: settings.relay_job });
  return {
    name: 'SidetrackRelayRestarting',
    severity: 'warning',
    expr: `changes(${started}[${settings.minutes(15)}]) > ${settings.restarts}`,
    summary: 'The relay starts again and again.',
    description: `The relay ${RELAY} has started {{ $value }} times in 15 minutes.`,
  };
}

/** Waiting for a slow receiver counts as residency, so only what stalls cannot explain is ours. */
function residencyHigh(settings: Settings): AlertRule {
  const window = settings.minutes(5);
  const writes = sumWithout(['direction'], rate(metric('relayResidencySeconds', 'count'), window));
  return {
    name: 'SidetrackResidencyHigh',
    severity: 'warning',
    expr: lines(
      `${RECORDED.residencyP99} > ${settings.residency_p99_seconds}`,
      'and on (job, instance)',
      `${rate(metric('relayStalls'), window)} < 0.005 * ${writes}`,
    ),
    holds: 10,
    summary: 'Bytes stay in the relay for long.',
    description: `Of a hundred writes of the relay ${RELAY} one takes {{ $value | humanizeDuration }} or longer, and it is not for slow receivers.`,
  };
}

/** Compared with the hour before, if that is known: a client that always tries is no news. */
function guardRefusalsRising(settings: Settings): AlertRule {
  const { minutes, denied_least: least, denied_growth: growth } = settings;
  const denied = selector('relayRejected', { reason: 'denied' });
  const now = increase(denied, minutes(10));
  const before = `increase(${denied}[${minutes(60)}] offset ${minutes(10)})`;
  return {
    name: 'SidetrackGuardRefusalsRising',
    severity: 'warning',
    expr: lines(`${now} > ${least}`, 'unless', `${now} <= ${growth} * ${before} / 6`),
    holds: 5,
    summary: 'The guard of the relay refuses many more connections than before.',
    description: `The relay ${RELAY} refused {{ $value | humanize }} connections to forbidden destinations in ten minutes.`,
  };
}
