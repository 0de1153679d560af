/** Alerts about router and servers as the exporter sees them: in the configured state or not. */
import { metric, selector } from '../promql.js';
import { lines, up } from './promql.js';
import type { AlertRule, Settings } from './rule.js';

const HOST = '{{ $labels.host }}';

export const hostAlerts = (settings: Settings): AlertRule[] => [
  {
    name: 'SidetrackNotApplied',
    severity: 'critical',
    expr: `${selector('hostState', { state: 'absent' })} == 1`,
    holds: 5,
    summary: 'Nothing of sidetrack is on a host that should have it.',
    description: `On ${HOST} nothing is applied: no rule, no route, no table.`,
  },
  {
    name: 'SidetrackExporterDown',
    severity: 'warning',
    expr: `${up(settings.exporter_job)} == 0`,
    holds: 5,
    summary: 'Prometheus gets no answer from the exporter, so it sees neither router nor servers.',
    description: 'The exporter {{ $labels.instance }} has not answered for five minutes.',
  },
  {
    name: 'SidetrackHostDown',
    severity: 'warning',
    expr: `${metric('hostUp')} == 0`,
    holds: 5,
    summary: 'The exporter cannot read a host.',
    description: `${HOST} has not answered the exporter {{ $labels.instance }} for five minutes.`,
  },
  readingOld(settings),
  {
    name: 'SidetrackDrifted',
    severity: 'warning',
    // The value is the number of differences; 0 where what has changed is no step of an apply.
    expr: lines(
      metric('hostDifferences'),
      'and on (job, instance, host)',
      `${selector('hostState', { state: 'drifted' })} == 1`,
    ),
    holds: 10,
    summary: 'A host is not as it was configured.',
    description: `${HOST} differs from its configuration in {{ $value }} things.`,
  },
  {
    name: 'SidetrackUnfit',
    severity: 'warning',
    expr: `${selector('hostState', { state: 'unfit' })} == 1`,
    holds: 10,
    summary: 'A host cannot be as it is configured.',
    description: `An apply would refuse to change ${HOST}.`,
  },
  {
    name: 'SidetrackKeepStopped',
    severity: 'warning',
    expr: `${metric('keepRunning')} == 0`,
    holds: 5,
    summary: 'The watcher of a host has stopped, so nothing is repaired there.',
    description: `On ${HOST} nothing has repaired what others change for five minutes.`,
  },
  {
    name: 'SidetrackKeepAlarm',
    severity: 'warning',
    expr: `${metric('keepAlarms')} > 0`,
    holds: 1,
    summary: 'Another program changes what is ours again and again, and is not fought any more.',
    description: `On ${HOST} the watcher leaves {{ $value }} things alone.`,
  },
  {
    name: 'SidetrackKeepRepairing',
    severity: 'warning',
    expr: `sum by (job, instance, host) (increase(${metric('keepRepairs')}[1h])) > 6`,
    holds: 5,
    summary: 'What is ours on a host is changed and repaired often.',
    description: `On ${HOST} the watcher has repaired {{ $value | printf "%.0f" }} things within an hour.`,
  },
];

/** Of the textfile too, which node_exporter serves for ever when it is no longer written. */
function readingOld({ reading_age_seconds: age }: Settings): AlertRule {
  return {
    name: 'SidetrackReadingOld',
    severity: 'warning',
    expr: lines(
      `time() - ${metric('hostLastReadTimestampSeconds')} > ${age}`,
      'unless on (job, instance, host)',
      `${metric('hostUp')} == 0`,
    ),
    holds: 5,
    summary: 'What is said about a host is old.',
    description: `${HOST} was read {{ $value | humanizeDuration }} ago.`,
  };
}
