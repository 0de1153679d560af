/** When alerts about hosts and the router fire, and when they nearly do. */
import { selector } from '../../../../monitoring/promql.js';
import { type CasesOfAlert, EXPORTER } from './case.js';
import { serverCases } from './server-cases.js';

const up = 'up{job="sidetrack-exporter",instance="server1:9151"}';
const ROUTER = { ...EXPORTER, host: 'router' } as const;
const state = (name: 'in-sync' | 'drifted' | 'absent' | 'unfit') =>
  selector('hostState', { ...ROUTER, state: name });
const hostUp = selector('hostUp', ROUTER);
const lastRead = selector('hostLastReadTimestampSeconds', ROUTER);
const differences = selector('hostDifferences', ROUTER);
const WAY = { ...EXPORTER, server: 'server1', family: 'ipv6' } as const;
const route = selector('routerRoutePresent', WAY);
const nextHop = selector('routerNextHopReachable', WAY);
const leftToOnFailure = (reason: 'full' | 'over_share' | 'no_route' | 'no_server' | 'none_alive') =>
  selector('routerOnFailurePackets', { ...EXPORTER, reason });
const flows = (table: string) => selector('routerFlows', { ...EXPORTER, table });
const flowsLimit = selector('routerFlowsLimit', EXPORTER);
const conntrack = selector('routerConntrackEntries', EXPORTER);
const conntrackLimit = selector('routerConntrackLimit', EXPORTER);
const file = selector('setFileTimestampSeconds', { ...EXPORTER, set: 'china' });
const CHINA = { ...EXPORTER, set: 'china' } as const;
const listChecked = selector('listLastSuccessTimestampSeconds', CHINA);
const listRefresh = selector('listRefreshSeconds', CHINA);
const listRefused = (reason: 'shrunken' | 'timeout') =>
  selector('listFailing', { ...CHINA, reason });
const overShare = selector('routerClientsOverShare', EXPORTER);
const redirects = selector('routerIcmpRedirectsDropped', EXPORTER);
const keepRunning = selector('keepRunning', ROUTER);
const keepAlarms = selector('keepAlarms', ROUTER);
const keepRepairs = (kind: string) => selector('keepRepairs', { ...ROUTER, kind });

export const routerCases = {
  SidetrackNotApplied: {
    fires: [
      {
        when: 'nothing is there, as after a reboot',
        series: { [state('absent')]: '0x3 1x10' },
        at: 9,
        labels: { ...ROUTER, state: 'absent' },
        description: 'On router nothing is applied: no rule, no route, no table.',
      },
    ],
    quiet: [
      {
        when: 'a down is followed by an apply',
        series: { [state('absent')]: '0x3 1x3 0x9' },
        at: 9,
      },
      {
        when: 'the host does not answer',
        series: { [state('absent')]: '0x15', [state('in-sync')]: '0x15', [hostUp]: '0x15' },
        at: 14,
      },
    ],
  },
  SidetrackExporterDown: {
    fires: [
      {
        when: 'it does not answer',
        series: { [up]: '0x10' },
        at: 6,
        labels: EXPORTER,
        description: 'The exporter server1:9151 has not answered for five minutes.',
      },
    ],
    quiet: [
      { when: 'it is not used', series: { 'up{job="node"}': '1x10' }, at: 9 },
      { when: 'it was restarted', series: { [up]: '1x3 0 1x10' }, at: 9 },
    ],
  },
  SidetrackHostDown: {
    fires: [
      {
        when: 'it does not answer',
        series: { [hostUp]: '1x3 0x10' },
        at: 9,
        labels: ROUTER,
        description: 'router has not answered the exporter server1:9151 for five minutes.',
      },
    ],
    quiet: [
      { when: 'it reboots', series: { [hostUp]: '1x3 0x3 1x10' }, at: 9 },
      { when: 'the exporter is gone', series: { [hostUp]: '0x3 stale' }, at: 9 },
    ],
  },
  SidetrackReadingOld: {
    fires: [
      {
        when: 'the textfile is not written any more',
        series: { [lastRead]: '0x40', [hostUp]: '1x40' },
        at: 15,
        labels: ROUTER,
        description: 'router was read 15m 0s ago.',
      },
    ],
    quiet: [
      {
        when: 'it is read each minute',
        series: { [lastRead]: '0+60x40', [hostUp]: '1x40' },
        at: 30,
      },
      {
        when: 'the host is down, which is an alert of its own',
        series: { [lastRead]: '0x40', [hostUp]: '0x40' },
        at: 30,
      },
      { when: 'it has never been read', series: { [hostUp]: '1x40' }, at: 30 },
    ],
  },
  SidetrackDrifted: {
    fires: [
      {
        when: 'something is different',
        series: { [differences]: '3x20', [state('drifted')]: '1x20' },
        at: 11,
        labels: ROUTER,
        description: 'router differs from its configuration in 3 things.',
      },
      {
        when: 'what has changed is no step of an apply',
        series: { [differences]: '0x20', [state('drifted')]: '1x20' },
        at: 11,
        labels: ROUTER,
        description: 'router differs from its configuration in 0 things.',
      },
    ],
    quiet: [
      {
        when: 'an apply mends it',
        series: { [differences]: '3x8 0x12', [state('drifted')]: '1x8 0x12' },
        at: 15,
      },
      {
        when: 'nothing was ever applied',
        series: { [differences]: '40x20', [state('drifted')]: '0x20', [state('absent')]: '1x20' },
        at: 15,
      },
    ],
  },
  SidetrackKeepStopped: {
    fires: [
      {
        when: 'it has run, and does not any more',
        series: { [keepRunning]: '1x5 0x15' },
        at: 15,
        labels: ROUTER,
        description: 'On router nothing has repaired what others change for five minutes.',
      },
    ],
    quiet: [{ when: 'it is started anew', series: { [keepRunning]: '1x5 0x3 1x12' }, at: 15 }],
  },
  SidetrackKeepAlarm: {
    fires: [
      {
        when: 'two things are left alone',
        series: { [keepAlarms]: '0x5 2x15' },
        at: 10,
        labels: ROUTER,
        description: 'On router the watcher leaves 2 things alone.',
      },
    ],
    quiet: [{ when: 'it was told to go on', series: { [keepAlarms]: '2x5 0x15' }, at: 10 }],
  },
  SidetrackKeepRepairing: {
    fires: [
      {
        when: 'a link goes up and down',
        series: { [keepRepairs('route')]: '0+1x60' },
        at: 59,
        labels: ROUTER,
        description: 'On router the watcher has repaired 59 things within an hour.',
      },
    ],
    quiet: [
      {
        when: 'a firewall is reloaded twice',
        series: {
          [keepRepairs('nft table')]: '0x20 1x20 2x20',
          [keepRepairs('rule')]: '0x20 1x40',
        },
        at: 59,
      },
    ],
  },
  SidetrackUnfit: {
    fires: [
      {
        when: 'an apply would refuse',
        series: { [state('unfit')]: '1x20' },
        at: 11,
        labels: { ...ROUTER, state: 'unfit' },
        description: 'An apply would refuse to change router.',
      },
    ],
    quiet: [
      {
        when: 'an interface comes up late at boot',
        series: { [state('unfit')]: '1x5 0x15' },
        at: 12,
      },
    ],
  },
  SidetrackNoServer: serverCases.SidetrackNoServer,
  SidetrackRouteGone: {
    fires: [
      {
        when: 'it stays away',
        series: { [route]: '1x3 0x10' },
        at: 6,
        labels: WAY,
        description: 'The router has no route to server1 (ipv6) in its policy table.',
      },
    ],
    quiet: [{ when: 'a link flapped', series: { [route]: '1x3 0 1x10' }, at: 6 }],
  },
  SidetrackNextHopUnreachable: {
    fires: [
      {
        when: 'it stays silent',
        series: { [nextHop]: '1x3 0x10' },
        at: 6,
        labels: WAY,
        description: 'server1 (ipv6) does not answer ARP or neighbour discovery of the router.',
      },
    ],
    quiet: [{ when: 'it was asked once in vain', series: { [nextHop]: '1x3 0 1x10' }, at: 6 }],
  },
  SidetrackServerDown: serverCases.SidetrackServerDown,
  SidetrackServerFlapping: serverCases.SidetrackServerFlapping,
  SidetrackHeartbeatForged: serverCases.SidetrackHeartbeatForged,
  SidetrackOnFailureUsed: {
    fires: [
      {
        when: 'there is no route',
        series: { [leftToOnFailure('no_route')]: '0+1x10' },
        at: 8,
        labels: { ...EXPORTER, reason: 'no_route' },
        description: '5 packets of new flows could not be handed over in five minutes: no_route.',
      },
      {
        when: 'no server is alive',
        series: { [leftToOnFailure('none_alive')]: '0+1x10' },
        at: 8,
        labels: { ...EXPORTER, reason: 'none_alive' },
        description: '5 packets of new flows could not be handed over in five minutes: none_alive.',
      },
      {
        when: 'the flow table is full',
        series: { [leftToOnFailure('full')]: '0+1x10' },
        at: 8,
        labels: { ...EXPORTER, reason: 'full' },
        description: '5 packets of new flows could not be handed over in five minutes: full.',
      },
    ],
    quiet: [
      {
        when: 'one client is over its share',
        series: { [leftToOnFailure('over_share')]: '0+9x10' },
        at: 8,
      },
      { when: 'no server has IPv6', series: { [leftToOnFailure('no_server')]: '0+9x10' }, at: 8 },
      { when: 'it was long ago', series: { [leftToOnFailure('full')]: '0x3 9x30' }, at: 20 },
      { when: 'the table was made anew', series: { [leftToOnFailure('full')]: '9x5 0x10' }, at: 8 },
    ],
  },
  SidetrackFlowTableNearlyFull: {
    fires: [
      {
        when: 'one part of it is',
        series: {
          [flows('flows4')]: '60000x10',
          [flows('closing4')]: '9x10',
          [flowsLimit]: '65536x10',
        },
        at: 6,
        labels: EXPORTER,
        description: '91.55% of the flow table is in use.',
      },
    ],
    quiet: [
      {
        when: 'all parts together have more than one may',
        series: {
          [flows('flows4')]: '30000x10',
          [flows('flows6')]: '30000x10',
          [flows('closing4')]: '30000x10',
          [flowsLimit]: '65536x10',
        },
        at: 9,
      },
      {
        when: 'a burst came by',
        series: { [flows('flows4')]: '60000x3 9x10', [flowsLimit]: '65536x13' },
        at: 9,
      },
    ],
  },
  SidetrackRouterConntrack: {
    fires: [
      {
        when: 'it is nearly full',
        series: { [conntrack]: '60000x10', [conntrackLimit]: '65536x10' },
        at: 6,
        labels: EXPORTER,
        description: '91.55% of nf_conntrack_max of the router is in use.',
      },
    ],
    quiet: [
      {
        when: 'there is room',
        series: { [conntrack]: '30000x10', [conntrackLimit]: '65536x10' },
        at: 9,
      },
      {
        when: 'the router has none',
        series: { [conntrack]: '0x10', [conntrackLimit]: '0x10' },
        at: 9,
      },
    ],
  },
  SidetrackListStale: {
    fires: [
      {
        when: 'its file is older than eight days',
        series: { [file]: '-700000x90' },
        at: 12,
        labels: { ...EXPORTER, set: 'china' },
        description: 'The file behind the set "china" was last written 8d 2h 38m 40s ago.',
      },
    ],
    quiet: [
      { when: 'it is a week old', series: { [file]: '-604800x90' }, at: 80 },
      { when: 'it is written again', series: { [file]: '-700000x5 360x60' }, at: 15 },
    ],
  },
  SidetrackListFailing: {
    fires: [
      {
        when: 'it has not come for more than three days',
        series: { [listChecked]: '-260000x90', [listRefresh]: '86400x90' },
        at: 12,
        labels: { ...EXPORTER, set: 'china' },
        description:
          'The list of the set "china" has not come for three times its refresh; sidetrack refresh --status says why.',
      },
      {
        when: 'it was refused',
        series: { [listRefused('shrunken')]: '1x20' },
        at: 12,
        labels: { ...EXPORTER, set: 'china', reason: 'shrunken' },
        description:
          'The list of the set "china" was refused or failed (shrunken); sidetrack refresh --status says why.',
      },
    ],
    quiet: [
      {
        when: 'it is two days old',
        series: { [listChecked]: '-172800x90', [listRefresh]: '86400x90' },
        at: 80,
      },
      {
        when: 'its server was away for an hour',
        series: { [listRefused('timeout')]: '1x60' },
        at: 59,
      },
    ],
  },
  SidetrackClientOverShare: {
    fires: [
      {
        when: 'two are',
        series: { [overShare]: '2x10' },
        at: 6,
        labels: EXPORTER,
        description: '2 clients are over their share; what is over it is left to on_failure.',
      },
    ],
    quiet: [
      { when: 'none is', series: { [overShare]: '0x10' }, at: 9 },
      { when: 'one was for a moment', series: { [overShare]: '1x3 0x10' }, at: 9 },
    ],
  },
  SidetrackIcmpRedirects: {
    fires: [
      {
        when: 'the kernel makes one',
        series: { [redirects]: '0x3 1x20' },
        at: 5,
        labels: EXPORTER,
        description:
          'The router made 1 ICMP redirects in 15 minutes. They were dropped, but something has switched them on.',
      },
    ],
    quiet: [
      { when: 'it made some yesterday', series: { [redirects]: '4x20' }, at: 15 },
      { when: 'the table was made anew', series: { [redirects]: '4x5 0x10' }, at: 9 },
    ],
  },
} as const satisfies Readonly<Record<string, CasesOfAlert>>;
