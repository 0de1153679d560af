/** Alerts about the servers as the router judges them by their heartbeats. */
import { metric, selector } from '../promql.js';
import { increase, lines } from './promql.js';
import type { AlertRule, Settings } from './rule.js';

const SERVER = '{{ $labels.server }}';

/** The router gives it new flows, or would if it were asked. */
const taken = selector('serverState', { state: { matches: 'alive|held' } });
const lost = selector('serverState', { state: { matches: 'unfit|silent|unknown' } });
const drained = metric('serverDrained');

/** All of them: what a drained one is fit for does not count. */
export const noServer = (): AlertRule => ({
  name: 'SidetrackNoServer',
  severity: 'critical',
  expr: lines(
    'max without (server, family, state) (',
    `  ${taken} * on (job, instance, server) group_left () (1 - ${drained})`,
    ') == 0',
  ),
  holds: 1,
  summary: 'No server is alive, so new connections go the way of on_failure.',
  description: 'The router that {{ $labels.instance }} reads has had no server for a minute.',
});

/** One of two families is no failure: an upstream may carry IPv4 alone. */
export const serverDown = (): AlertRule => ({
  name: 'SidetrackServerDown',
  severity: 'warning',
  expr: lines(
    `min without (family) (sum without (state) (${lost})) == 1`,
    'unless on (job, instance, server)',
    `${drained} == 1`,
  ),
  holds: 1,
  summary:
    'A server gets no new connections, because its heartbeats are missing or say that it is unfit.',
  description: `${SERVER} has been silent or unfit for a minute.`,
});

/** Coming back is told by since when it is alive, so that it is not missed between two scrapes. */
export const serverFlapping = ({ minutes, server_returns: most }: Settings): AlertRule => ({
  name: 'SidetrackServerFlapping',
  severity: 'warning',
  expr: `${increase(metric('serverReturns'), minutes(15))} > ${most}`,
  lasts: 15,
  summary: 'A server is lost and comes back again and again.',
  description: `${SERVER} came back {{ $value | humanize }} times in 15 minutes.`,
});

/** A few are strays: a port scan, or a heartbeat that was repeated by a bridge. */
export const heartbeatForged = ({ minutes, heartbeats_ignored: most }: Settings): AlertRule => ({
  name: 'SidetrackHeartbeatForged',
  severity: 'warning',
  expr: `${increase(metric('serverHeartbeatsIgnored'), minutes(5))} > ${most}`,
  lasts: 5,
  summary: "Heartbeats that are not the server's reach the router, and are ignored.",
  description: `{{ $value | humanize }} heartbeats in the name of ${SERVER} were ignored in five minutes: {{ $labels.reason }}.`,
});
