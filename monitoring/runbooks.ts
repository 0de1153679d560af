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
  'SidetrackClientOverShare',
  'SidetrackIcmpRedirects',
] as const;

export type AlertName = (typeof ALERTS)[number];

/** Where the package puts these pages; who serves them elsewhere generates the rules with `--set runbooks=`. */
export const RUNBOOKS = 'file:///usr/share/doc/sidetrack/runbooks/{alert}.md';

/** @param pattern a URL that has `{alert}` where the alert's name belongs. */
export const runbookUrl = (alert: AlertName, pattern = RUNBOOKS): string =>
  pattern.replaceAll('{alert}', alert);
