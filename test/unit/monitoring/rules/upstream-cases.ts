/** When alerts about upstreams and resources fire, and when they nearly do. */
import { selector } from '../../../../monitoring/promql.js';
import { type CasesOfAlert, RELAY } from './case.js';

const up = (upstream: string) => selector('relayUpstreamUp', { ...RELAY, upstream });
const resolved = selector('relayUpstreamResolved', { ...RELAY, upstream: 'vps' });
const tried = selector('relayUpstreamErrors', { ...RELAY, upstream: 'vps', reason: 'refused' });
const probes = (result: 'success' | 'failure') =>
  selector('relayUpstreamProbes', { ...RELAY, upstream: 'vps', result });
const failed = (reason: 'refused' | 'no_ports') =>
  selector('relayConnectErrors', { ...RELAY, reason });
const noUpstream = selector('relayRejected', { ...RELAY, reason: 'no_upstream' });
const accepted = selector('relayConnections', { ...RELAY, family: 'ipv4' });
const portsUsed = selector('relayUpstreamPortsUsed', { ...RELAY, upstream: 'vps' });
const portsLimit = selector('relayUpstreamPortsLimit', { ...RELAY, upstream: 'vps' });
const used = (resource: 'connections' | 'pipes' | 'conntrack') =>
  selector('relayResourceUsed', { ...RELAY, resource });
const limit = (resource: 'connections' | 'pipes' | 'conntrack') =>
  selector('relayResourceLimit', { ...RELAY, resource });

/** Connections a minute of which none took `fast` seconds or less, and none more than `slow`. */
const connectTimes = (connections: number, fast: string, slow: string) => {
  const bucket = (bound: string) =>
    selector('relayConnectSeconds', RELAY, 'bucket').replace('}', `,le="${bound}"}`);
  return {
    [bucket(fast)]: '0x30',
    [bucket(slow)]: `0+${connections}x30`,
    [bucket('+Inf')]: `0+${connections}x30`,
    [selector('relayConnectSeconds', RELAY, 'count')]: `0+${connections}x30`,
  };
};

export const upstreamCases = {
  SidetrackAllUpstreamsDown: {
    fires: [
      {
        when: 'all are down and connections fail',
        series: { [up('vps')]: '0x20', [up('backup')]: '0x20', [failed('refused')]: '0+1x20' },
        at: 10,
        labels: RELAY,
        description: 'The relay server1:9150 cannot connect through any of its upstreams.',
      },
      {
        when: 'the only one is down, as its probes say',
        series: { [up('vps')]: '0x20', [probes('failure')]: '0+6x20' },
        at: 10,
        labels: RELAY,
        description: 'The relay server1:9150 cannot connect through any of its upstreams.',
      },
      {
        when: 'none has an address',
        series: { [up('vps')]: '0x20', [noUpstream]: '0+1x20' },
        at: 10,
        labels: RELAY,
        description: 'The relay server1:9150 cannot connect through any of its upstreams.',
      },
    ],
    quiet: [
      {
        when: 'one works',
        series: { [up('vps')]: '0x20', [up('backup')]: '1x20', [failed('refused')]: '0+1x20' },
        at: 10,
      },
      {
        when: 'one connection failed at night, and none was tried since',
        series: { [up('vps')]: '0x20', [failed('refused')]: '0x3 1x17' },
        at: 7,
      },
      {
        when: 'it was for a minute',
        series: { [up('vps')]: '1x5 0 1x14', [failed('refused')]: '0x5 9x15' },
        at: 8,
      },
      {
        when: 'a client tries ports that are closed',
        series: { [up('direct')]: '1x20', [failed('refused')]: '0+99x20' },
        at: 10,
      },
    ],
  },
  SidetrackUpstreamDown: {
    fires: [
      {
        when: 'it fails again and again',
        series: { [up('vps')]: '0x20', [up('backup')]: '1x20', [tried]: '0+1x20' },
        at: 10,
        labels: { ...RELAY, upstream: 'vps' },
        description: 'The relay server1:9150 cannot connect through the upstream "vps".',
      },
      {
        when: 'its probes fail',
        series: { [up('vps')]: '0x20', [probes('failure')]: '0+6x20', [probes('success')]: '9x20' },
        at: 10,
        labels: { ...RELAY, upstream: 'vps' },
        description: 'The relay server1:9150 cannot connect through the upstream "vps".',
      },
      {
        when: 'the relay was restarted meanwhile',
        series: { [up('vps')]: '0x20', [tried]: '500+1x8 0+1x11' },
        at: 12,
        labels: { ...RELAY, upstream: 'vps' },
        description: 'The relay server1:9150 cannot connect through the upstream "vps".',
      },
    ],
    quiet: [
      {
        when: 'it failed once, and was not tried since',
        series: { [up('vps')]: '0x30', [tried]: '0x2 1x28' },
        at: 20,
      },
      {
        when: 'it comes and goes',
        series: { [up('vps')]: '0 0 1 0 0 1 0 0 1 0 0 1 0', [tried]: '0+1x12' },
        at: 12,
      },
      {
        when: 'it has been down for four minutes',
        series: { [up('vps')]: '1x5 0x20', [tried]: '0x5 1+1x19' },
        at: 10,
      },
      {
        when: 'destinations refuse',
        series: { [up('vps')]: '1x20', [tried]: '0+9x20' },
        at: 15,
      },
    ],
  },
  SidetrackUpstreamUnresolved: {
    fires: [
      {
        when: 'its name has no address',
        series: { [resolved]: '0x10' },
        at: 6,
        labels: { ...RELAY, upstream: 'vps' },
        description:
          'The relay server1:9150 knows no address of the upstream "vps" and never uses it.',
      },
    ],
    quiet: [
      {
        when: 'the machine boots and the resolver comes late',
        series: { [resolved]: '0x3 1x10' },
        at: 9,
      },
      { when: 'it has one', series: { [resolved]: '1x10' }, at: 9 },
    ],
  },
  SidetrackConnectErrors: {
    fires: [
      {
        when: 'a third fails',
        series: { [accepted]: '0+20x30', [failed('refused')]: '0+6x30' },
        at: 16,
        labels: RELAY,
        description:
          '30% of the new connections of the relay server1:9150 are reset, because no upstream could connect.',
      },
      {
        when: 'there is no usable upstream',
        series: { [accepted]: '0+20x30', [failed('refused')]: '0x30', [noUpstream]: '0+20x30' },
        at: 16,
        labels: RELAY,
        description:
          '100% of the new connections of the relay server1:9150 are reset, because no upstream could connect.',
      },
    ],
    quiet: [
      {
        when: 'a tenth fails',
        series: { [accepted]: '0+20x30', [failed('refused')]: '0+2x30' },
        at: 20,
      },
      {
        when: 'one phone tries one dead address at night',
        series: { [accepted]: '0+1x30', [failed('refused')]: '0+1x30' },
        at: 20,
      },
      {
        when: 'there is no traffic',
        series: { [accepted]: '9x30', [failed('refused')]: '9x30' },
        at: 20,
      },
      {
        when: 'it lasted for some minutes',
        series: { [accepted]: '0+20x30', [failed('refused')]: '0x5 10+10x5 60x20' },
        at: 20,
      },
    ],
  },
  SidetrackConnectSlow: {
    fires: [
      {
        when: 'connections take seconds',
        series: connectTimes(20, '2.5', '5'),
        at: 17,
        labels: RELAY,
        description:
          'Of a hundred connections of the relay server1:9150 one takes 4.975s or longer until bytes can pass.',
      },
    ],
    quiet: [
      { when: 'they take milliseconds', series: connectTimes(20, '0.01', '0.025'), at: 20 },
      { when: 'there are hardly any', series: connectTimes(2, '2.5', '5'), at: 20 },
      { when: 'there are none', series: connectTimes(0, '2.5', '5'), at: 20 },
    ],
  },
  SidetrackUpstreamPorts: {
    fires: [
      {
        when: 'few are left',
        series: { [portsUsed]: '25000x10', [portsLimit]: '28232x10' },
        at: 6,
        labels: { ...RELAY, upstream: 'vps' },
        description:
          'The relay server1:9150 uses 88.55% of its local ports towards the upstream "vps".',
      },
    ],
    quiet: [
      {
        when: 'enough are left',
        series: { [portsUsed]: '20000x10', [portsLimit]: '28232x10' },
        at: 9,
      },
      { when: 'the upstream has no limit', series: { [portsUsed]: '90000x10' }, at: 9 },
      {
        when: 'the limit is unknown',
        series: { [portsUsed]: '5x10', [portsLimit]: '0x10' },
        at: 9,
      },
    ],
  },
  SidetrackOutOfResources: {
    fires: [
      {
        when: 'connections fail for want of ports',
        series: { [failed('no_ports')]: '0x3 2x20' },
        at: 5,
        labels: { ...RELAY, reason: 'no_ports' },
        description: 'The relay server1:9150 could not connect 2 times in five minutes: no_ports.',
      },
    ],
    quiet: [
      { when: 'it was long ago', series: { [failed('no_ports')]: '0x3 2x30' }, at: 20 },
      { when: 'the relay was restarted', series: { [failed('no_ports')]: '2x3 0x20' }, at: 5 },
      { when: 'destinations refuse', series: { [failed('refused')]: '0+9x20' }, at: 9 },
    ],
  },
  SidetrackHeadRoom: {
    fires: [
      {
        when: 'nine tenths of the connections are open',
        series: { [used('connections')]: '900x10', [limit('connections')]: '1000x10' },
        at: 6,
        labels: { ...RELAY, resource: 'connections' },
        description: 'The relay server1:9150 uses 90% of its connections.',
      },
    ],
    quiet: [
      {
        when: 'it was for three minutes',
        series: { [used('conntrack')]: '900x3 100x10', [limit('conntrack')]: '1000x13' },
        at: 9,
      },
      {
        when: 'pipes are short, which costs time only',
        series: { [used('pipes')]: '64x10', [limit('pipes')]: '64x10' },
        at: 9,
      },
      { when: 'there is no limit', series: { [used('connections')]: '900x10' }, at: 9 },
      {
        when: 'conntrack is switched off',
        series: { [used('conntrack')]: '9x10', [limit('conntrack')]: '0x10' },
        at: 9,
      },
    ],
  },
  SidetrackPipesShort: {
    fires: [
      {
        when: 'all are in use',
        series: { [used('pipes')]: '64x10', [limit('pipes')]: '64x10' },
        at: 6,
        labels: { ...RELAY, resource: 'pipes' },
        description: 'The relay server1:9150 uses 100% of its pipes.',
      },
    ],
    quiet: [
      {
        when: 'some are free',
        series: { [used('pipes')]: '40x10', [limit('pipes')]: '64x10' },
        at: 9,
      },
      {
        when: 'a burst came by',
        series: { [used('pipes')]: '64x3 4x10', [limit('pipes')]: '64x13' },
        at: 9,
      },
    ],
  },
} as const satisfies Readonly<Record<string, CasesOfAlert>>;
