/**
 * The alerts by name, and where the page about each is. Rules and dashboards
 * link to them.
 */

/** In the order of docs/monitoring.md: what is worst comes first in each group. */
export const ALERTS = [
  'SidetrackRelayDown',
  'SidetrackNothingSteered',
  'SidetrackLoop',
  'SidetrackRelayRestarting',
  'SidetrackReloadFailed',
  'SidetrackThreadSaturated',
  'SidetrackResidencyHigh',
  'SidetrackAcceptPaused',
  'SidetrackHalfOpenHandshakes',
  'SidetrackGuardRefusalsRising',
  'SidetrackAccessLogDropping',
  'SidetrackReadAheadCut',
  'SidetrackFamilyRefused',
  'SidetrackAllUpstreamsDown',
  'SidetrackUpstreamDown',
  'SidetrackUpstreamUnresolved',
  'SidetrackConnectErrors',
  'SidetrackConnectSlow',
  'SidetrackUpstreamPorts',
  'SidetrackOutOfResources',
  'SidetrackHeadRoom',
  'SidetrackPipesShort',
  'SidetrackNotApplied',
  'SidetrackExporterDown',
  'SidetrackHostDown',
  'SidetrackReadingOld',
  'SidetrackDrifted',
  'SidetrackUnfit',
  'SidetrackKeepStopped',
  'SidetrackKeepAlarm',
  'SidetrackKeepRepairing',
  'SidetrackNoServer',
  'SidetrackRouteGone',
  'SidetrackNextHopUnreachable',
  'SidetrackServerDown',
  'SidetrackServerFlapping',
  'SidetrackHeartbeatForged',
  'SidetrackOnFailureUsed',
  'SidetrackFlowTableNearlyFull',
  'SidetrackRouterConntrack',
  'SidetrackListStale',
  'SidetrackListFailing',
  'SidetrackClientOverShare',
  'SidetrackIcmpRedirects',
] as const;

export type AlertName = (typeof ALERTS)[number];

/**
 * Relay and exporter serve the same pages, on loopback unless they are told otherwise. Who asks them by another name
 * generates the rules with `--set runbooks=`.
 */
export const RUNBOOKS = 'http://localhost:{port}/runbooks/{alert}';

/** Of the relay, and of the exporter, when nothing else is configured. */
const PORTS = { relay: '9150', exporter: '9151' };

/** The relay answers nothing while these fire; the other alerts may be all that there is without an exporter. */
const WITHOUT_RELAY: ReadonlySet<AlertName> = new Set([
  'SidetrackRelayDown',
  'SidetrackRelayRestarting',
]);

/**
 * @param pattern a URL that has `{alert}` where the alert's name belongs, and may have `{port}`: 9150, or 9151 where
 *   the relay cannot answer
 */
export const runbookUrl = (alert: AlertName, pattern = RUNBOOKS): string =>
  pattern
    .replaceAll('{alert}', alert)
    .replaceAll('{port}', WITHOUT_RELAY.has(alert) ? PORTS.exporter : PORTS.relay);
