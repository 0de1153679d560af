/** When alerts about the relay itself fire, and when they nearly do. */
import { selector } from '../../../../monitoring/promql.js';
import { type CasesOfAlert, RELAY } from './case.js';

const up = 'up{job="sidetrack-relay",instance="server1:9150"}';
const accepted = (family: 'ipv4' | 'ipv6') => selector('relayConnections', { ...RELAY, family });
const proxied = selector('routerRulePackets', {
  job: 'sidetrack-exporter',
  instance: 'server1:9151',
  rule: 'rest',
  action: 'proxy',
});
const leftToOnFailure = (reason: 'no_server' | 'over_share') =>
  selector('routerOnFailurePackets', { job: 'sidetrack-exporter', reason });
const rejected = (reason: 'loop' | 'denied') => selector('relayRejected', { ...RELAY, reason });
const started = selector('processStartTimeSeconds', RELAY);
const reloaded = selector('relayReloadLastSuccessful', RELAY);
const busy = selector('relayThreadBusySeconds', { ...RELAY, thread: '0' });
const stalls = selector('relayStalls', RELAY);
const cuts = selector('relayReadAheadCuts', RELAY);
const paused = selector('relayAcceptPauses', { ...RELAY, reason: 'connections' });
const halfOpen = selector('relayHalfOpenHandshakes', RELAY);
const dropped = selector('relayAccessLogDropped', RELAY);
const listening = selector('relayListening', { ...RELAY, family: 'ipv6' });
const carries = (upstream: string) =>
  selector('relayUpstreamCarries', { ...RELAY, upstream, family: 'ipv6' });

/** Writes a minute of which none was as fast as `slow` seconds, and all as fast as `fast`. */
const residency = (writes: number, slow: string, fast: string) => {
  const labels = { ...RELAY, direction: 'download' } as const;
  const bucket = selector('relayResidencySeconds', labels, 'bucket');
  const withBound = (bound: string) => bucket.replace('}', `,le="${bound}"}`);
  return {
    [withBound(slow)]: '0x40',
    [withBound(fast)]: `0+${writes}x40`,
    [withBound('+Inf')]: `0+${writes}x40`,
    [selector('relayResidencySeconds', labels, 'count')]: `0+${writes}x40`,
  };
};

export const relayCases = {
  SidetrackRelayDown: {
    fires: [
      {
        when: 'it does not answer for two minutes',
        series: { [up]: '1x5 0x10' },
        at: 8,
        labels: RELAY,
        description: 'The relay server1:9150 has not answered for two minutes.',
      },
      {
        when: 'there is no target',
        series: { 'up{job="node"}': '1x10' },
        at: 3,
        labels: { job: RELAY.job },
        description:
          'The relay of job sidetrack-relay (no target) has not answered for two minutes.',
      },
    ],
    quiet: [
      { when: 'it has not answered for a minute', series: { [up]: '1x5 0x10' }, at: 7 },
      { when: 'a scrape was lost in a hand-over', series: { [up]: '1x5 0 1x10' }, at: 9 },
    ],
  },
  SidetrackNothingSteered: {
    fires: [
      {
        when: 'the router hands flows over and the relay accepts none',
        series: { [proxied]: '0+2x30', [accepted('ipv4')]: '7x30', [accepted('ipv6')]: '0x30' },
        at: 15,
        labels: {},
        description:
          'The router handed over 10 new flows in five minutes; no relay accepted a connection.',
      },
      {
        when: 'some more are left to on_failure',
        series: {
          [proxied]: '0+5x30',
          [leftToOnFailure('over_share')]: '0+3x30',
          [accepted('ipv4')]: '7x30',
        },
        at: 15,
        labels: {},
        description:
          'The router handed over 10 new flows in five minutes; no relay accepted a connection.',
      },
    ],
    quiet: [
      { when: 'it is night', series: { [proxied]: '90x30', [accepted('ipv4')]: '80x30' }, at: 20 },
      {
        when: 'the relay gets them',
        series: { [proxied]: '0+2x30', [accepted('ipv4')]: '0+2x30' },
        at: 20,
      },
      {
        when: 'one family only is used, the other one is what it gets',
        series: { [proxied]: '0+2x30', [accepted('ipv4')]: '9x30', [accepted('ipv6')]: '0+2x30' },
        at: 20,
      },
      {
        when: 'all are of a family that no server has',
        series: {
          [proxied]: '0+2x30',
          [leftToOnFailure('no_server')]: '0+2x30',
          [accepted('ipv4')]: '9x30',
        },
        at: 20,
      },
      {
        when: 'the relay is down, which is an alert of its own',
        series: { [proxied]: '0+2x30', [accepted('ipv4')]: '9x3 stale' },
        at: 20,
      },
      {
        when: 'it has lasted for four minutes',
        series: { [proxied]: '0x10 8+8x20', [accepted('ipv4')]: '9x30' },
        at: 15,
      },
      {
        when: 'the relay has just been restarted',
        series: { [proxied]: '0+2x30', [accepted('ipv4')]: '500+2x14 0+2x15' },
        at: 17,
      },
      {
        when: "the router's table was made anew, and its counters with it",
        series: { [proxied]: '900x10 0x20', [accepted('ipv4')]: '80x30' },
        at: 17,
      },
    ],
  },
  SidetrackLoop: {
    fires: [
      {
        when: 'it goes on for minutes',
        series: { [rejected('loop')]: '0+4x20' },
        at: 10,
        labels: { ...RELAY, reason: 'loop' },
        description:
          'The relay server1:9150 rejected 20 connections in five minutes that come from this machine or lead to it.',
      },
    ],
    quiet: [
      { when: 'a client scanned it once', series: { [rejected('loop')]: '0x5 8x20' }, at: 8 },
      { when: 'a burst was a minute ago', series: { [rejected('loop')]: '0x5 20x20' }, at: 7 },
      { when: 'the relay was restarted', series: { [rejected('loop')]: '90x5 0x20' }, at: 9 },
      { when: 'the guard refuses', series: { [rejected('denied')]: '0+9x20' }, at: 15 },
    ],
  },
  SidetrackRelayRestarting: {
    fires: [
      {
        when: 'it has started three times',
        series: { [started]: '100x2 200x2 300x2 400x10' },
        at: 11,
        labels: RELAY,
        description: 'The relay server1:9150 has started 3 times in 15 minutes.',
      },
    ],
    quiet: [
      { when: 'it handed over twice', series: { [started]: '100x2 200x2 300x10' }, at: 11 },
      {
        when: 'the exporter does',
        series: { [started.replace('relay', 'exporter')]: '1+1x20' },
        at: 15,
      },
    ],
  },
  SidetrackReloadFailed: {
    fires: [
      {
        when: 'the last one failed',
        series: { [reloaded]: '1x5 0x10' },
        at: 7,
        labels: RELAY,
        description:
          'The last reload of the relay server1:9150 failed. It works by the configuration of before.',
      },
    ],
    quiet: [
      { when: 'it was mended within a minute', series: { [reloaded]: '1x5 0 1x10' }, at: 7 },
      { when: 'there was none', series: { [reloaded]: '1x10' }, at: 9 },
    ],
  },
  SidetrackThreadSaturated: {
    fires: [
      {
        when: 'it has no time left for ten minutes',
        series: { [busy]: '0+58.8x30' },
        at: 18,
        labels: { ...RELAY, thread: '0' },
        description: 'Thread 0 of the relay server1:9150 is busy for 98% of the time.',
      },
    ],
    quiet: [
      { when: 'a tenth is left', series: { [busy]: '0+54x30' }, at: 20 },
      { when: 'a download took some minutes', series: { [busy]: '0x5 60+60x8 540x20' }, at: 20 },
      { when: 'the relay was restarted', series: { [busy]: '9000x10 0x20' }, at: 20 },
    ],
  },
  SidetrackResidencyHigh: {
    fires: [
      {
        when: 'bytes wait though no receiver is slow',
        series: { ...residency(600, '0.05', '0.1'), [stalls]: '0x40' },
        at: 20,
        labels: RELAY,
        description:
          'Of a hundred writes of the relay server1:9150 one takes 99.5ms or longer, and it is not for slow receivers.',
      },
    ],
    quiet: [
      {
        when: 'receivers are slow',
        series: { ...residency(600, '0.05', '0.1'), [stalls]: '0+60x40' },
        at: 20,
      },
      {
        when: 'bytes leave at once',
        series: { ...residency(600, '0.0001', '0.001'), [stalls]: '0x40' },
        at: 20,
      },
      {
        when: 'there is no traffic',
        series: { ...residency(0, '0.05', '0.1'), [stalls]: '0x40' },
        at: 20,
      },
    ],
  },
  SidetrackAcceptPaused: {
    fires: [
      {
        when: 'it goes on',
        series: { [paused]: '0+2x20' },
        at: 10,
        labels: { ...RELAY, reason: 'connections' },
        description:
          'The relay server1:9150 stopped accepting 10 times in five minutes (reason: connections).',
      },
      {
        when: 'it ended a few minutes ago, and may come back',
        series: { [paused]: '0x5 7x20' },
        at: 12,
        labels: { ...RELAY, reason: 'connections' },
        description:
          'The relay server1:9150 stopped accepting 7 times in five minutes (reason: connections).',
      },
    ],
    quiet: [
      { when: 'it was long ago', series: { [paused]: '0x5 7x30' }, at: 20 },
      { when: 'the relay was restarted', series: { [paused]: '7x5 0x10' }, at: 9 },
    ],
  },
  SidetrackHalfOpenHandshakes: {
    fires: [
      {
        when: 'there are many for five minutes',
        series: { [halfOpen]: '25x10' },
        at: 6,
        labels: RELAY,
        description:
          '25 handshakes with the relay server1:9150 are incomplete after three answers.',
      },
    ],
    quiet: [
      { when: 'there are a few', series: { [halfOpen]: '15x10' }, at: 9 },
      { when: 'a scan came by', series: { [halfOpen]: '400x3 0x10' }, at: 9 },
    ],
  },
  SidetrackGuardRefusalsRising: {
    fires: [
      {
        when: 'there were none before',
        series: { [rejected('denied')]: '0x60 10+10x30' },
        at: 75,
        labels: { ...RELAY, reason: 'denied' },
        description:
          'The relay server1:9150 refused 100 connections to forbidden destinations in ten minutes.',
      },
      {
        when: 'nothing is known of before',
        series: { [rejected('denied')]: '0+10x30' },
        at: 16,
        labels: { ...RELAY, reason: 'denied' },
        description:
          'The relay server1:9150 refused 100 connections to forbidden destinations in ten minutes.',
      },
    ],
    quiet: [
      { when: 'it is like this always', series: { [rejected('denied')]: '0+10x120' }, at: 119 },
      { when: 'they are few', series: { [rejected('denied')]: '0x60 4+4x30' }, at: 75 },
      { when: 'the relay was restarted', series: { [rejected('denied')]: '900x60 0x30' }, at: 75 },
    ],
  },
  SidetrackAccessLogDropping: {
    fires: [
      {
        when: 'lines are lost',
        series: { [dropped]: '0+20x10' },
        at: 8,
        labels: RELAY,
        description:
          'The relay server1:9150 could not write 100 lines of its access log in five minutes.',
      },
    ],
    quiet: [
      { when: 'some were lost long ago', series: { [dropped]: '0x2 20x30' }, at: 20 },
      { when: 'the relay was restarted', series: { [dropped]: '20x5 0x10' }, at: 9 },
    ],
  },
  SidetrackReadAheadCut: {
    fires: [
      {
        when: 'clients are over their share',
        series: { [cuts]: '0+20x10' },
        at: 8,
        labels: RELAY,
        description:
          'The relay server1:9150 gave 100 directions of stalled connections a small window in five minutes.',
      },
    ],
    quiet: [
      { when: 'they were long ago', series: { [cuts]: '0x2 20x30' }, at: 20 },
      { when: 'the relay was restarted', series: { [cuts]: '20x5 0x10' }, at: 9 },
    ],
  },
  SidetrackFamilyRefused: {
    fires: [
      {
        when: 'probes fail through every upstream',
        series: { [listening]: '0x10', [carries('vps')]: '0x10', [carries('backup')]: '0x10' },
        at: 6,
        labels: { ...RELAY, family: 'ipv6' },
        description:
          'The relay server1:9150 refuses ipv6: the probes for it fail through every upstream.',
      },
    ],
    quiet: [
      {
        when: 'the server has no address of it',
        series: { [listening]: '0x10', [carries('vps')]: '1x10' },
        at: 9,
      },
      {
        when: 'one upstream carries it',
        series: { [listening]: '1x10', [carries('vps')]: '0x10', [carries('backup')]: '1x10' },
        at: 9,
      },
    ],
  },
} as const satisfies Readonly<Record<string, CasesOfAlert>>;
