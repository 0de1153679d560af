/** When alerts about servers fire, and when they nearly do. */
import {
  FAMILY_STATES,
  type FamilyState,
  type IgnoredHeartbeat,
} from '../../../../bpf/server-health.js';
import { selector } from '../../../../monitoring/promql.js';
import { type CasesOfAlert, EXPORTER } from './case.js';

type Family = 'ipv4' | 'ipv6';

const state = (server: string, family: Family, name: FamilyState) =>
  selector('serverState', { ...EXPORTER, server, family, state: name });
const drained = (server: string) => selector('serverDrained', { ...EXPORTER, server });
const returns = selector('serverReturns', { ...EXPORTER, server: 's2' });
const ignored = (reason: IgnoredHeartbeat) =>
  selector('serverHeartbeatsIgnored', { ...EXPORTER, server: 's2', reason });

/** Series of one server's family, by its states. */
const series = (server: string, family: Family, values: Partial<Record<FamilyState, string>>) =>
  Object.fromEntries(
    FAMILY_STATES.flatMap((name) => {
      const text = values[name];
      return text === undefined ? [] : [[state(server, family, name), text]];
    }),
  );

const LOST = { alive: '1x3 0x20', silent: '0x3 1x20' } as const;
const BACK = { alive: '0x3 1x20', silent: '1x3 0x20' } as const;
const FINE = { alive: '1x23', silent: '0x23', unfit: '0x23' } as const;
const SILENT = { alive: '0x23', silent: '1x23', unfit: '0x23' } as const;
const UNFIT = { alive: '0x23', silent: '0x23', unfit: '1x23' } as const;
const RESTARTED = { alive: '1x3 0 1x9', silent: '0x3 1 0x9' } as const;

export const serverCases = {
  SidetrackNoServer: {
    fires: [
      {
        when: 'both are silent',
        series: {
          ...series('s1', 'ipv4', LOST),
          ...series('s2', 'ipv4', SILENT),
          [drained('s1')]: '0x23',
          [drained('s2')]: '0x23',
        },
        at: 6,
        labels: EXPORTER,
        description: 'The router that server1:9151 reads has had no server for a minute.',
      },
      {
        when: 'the one that is alive is drained',
        series: {
          ...series('s1', 'ipv4', LOST),
          ...series('s2', 'ipv4', FINE),
          [drained('s1')]: '0x23',
          [drained('s2')]: '1x23',
        },
        at: 6,
        labels: EXPORTER,
        description: 'The router that server1:9151 reads has had no server for a minute.',
      },
    ],
    quiet: [
      {
        when: 'one of two is alive',
        series: {
          ...series('s1', 'ipv4', LOST),
          ...series('s2', 'ipv4', FINE),
          [drained('s1')]: '0x23',
          [drained('s2')]: '0x23',
        },
        at: 9,
      },
      {
        when: 'one is back and held',
        series: {
          [state('s1', 'ipv4', 'alive')]: '0x23',
          [state('s1', 'ipv4', 'held')]: '1x23',
          [drained('s1')]: '0x23',
        },
        at: 9,
      },
      {
        when: 'IPv4 goes on',
        series: {
          ...series('s1', 'ipv4', FINE),
          ...series('s1', 'ipv6', UNFIT),
          [drained('s1')]: '0x23',
        },
        at: 9,
      },
      {
        when: 'it was restarted',
        series: {
          ...series('s1', 'ipv4', RESTARTED),
          [drained('s1')]: '0x13',
        },
        at: 4,
      },
    ],
  },
  SidetrackServerDown: {
    fires: [
      {
        when: 'it is silent',
        series: { ...series('s2', 'ipv4', LOST), [drained('s2')]: '0x23' },
        at: 6,
        labels: { ...EXPORTER, server: 's2' },
        description: 's2 has been silent or unfit for a minute.',
      },
      {
        when: 'it is unfit for one family, and silent for the other',
        series: {
          ...series('s2', 'ipv4', UNFIT),
          ...series('s2', 'ipv6', SILENT),
          [drained('s2')]: '0x23',
        },
        at: 3,
        labels: { ...EXPORTER, server: 's2' },
        description: 's2 has been silent or unfit for a minute.',
      },
      {
        when: 'no heartbeat has ever come',
        series: { [state('s2', 'ipv4', 'unknown')]: '1x9', [drained('s2')]: '0x9' },
        at: 3,
        labels: { ...EXPORTER, server: 's2' },
        description: 's2 has been silent or unfit for a minute.',
      },
    ],
    quiet: [
      {
        when: 'it is back',
        series: { ...series('s2', 'ipv4', BACK), [drained('s2')]: '0x23' },
        at: 9,
      },
      {
        when: 'it is drained, and away',
        series: { ...series('s2', 'ipv4', LOST), [drained('s2')]: '1x23' },
        at: 9,
      },
      {
        when: 'IPv6 alone is missing',
        series: {
          ...series('s2', 'ipv4', FINE),
          ...series('s2', 'ipv6', UNFIT),
          [drained('s2')]: '0x23',
        },
        at: 9,
      },
      {
        when: 'it was restarted',
        series: {
          ...series('s2', 'ipv4', RESTARTED),
          [drained('s2')]: '0x13',
        },
        at: 4,
      },
    ],
  },
  SidetrackServerFlapping: {
    fires: [
      {
        when: 'it comes back every three minutes',
        series: { [returns]: '0x2 1x2 2x2 3x2 4x2 5x9' },
        at: 15,
        labels: { ...EXPORTER, server: 's2' },
        description: 's2 came back 5 times in 15 minutes.',
      },
    ],
    quiet: [
      { when: 'it was restarted twice', series: { [returns]: '0x5 1x5 2x20' }, at: 14 },
      { when: 'it flapped yesterday', series: { [returns]: '40x30' }, at: 20 },
      { when: 'the table was made anew', series: { [returns]: '40x5 0x20' }, at: 12 },
    ],
  },
  SidetrackHeartbeatForged: {
    fires: [
      {
        when: 'a client sends them with a tag of its own',
        series: { [ignored('tag')]: '0+60x10' },
        at: 8,
        labels: { ...EXPORTER, server: 's2', reason: 'tag' },
        description: '300 heartbeats in the name of s2 were ignored in five minutes: tag.',
      },
      {
        when: 'old ones are sent again',
        series: { [ignored('replay')]: '0+3x10' },
        at: 8,
        labels: { ...EXPORTER, server: 's2', reason: 'replay' },
        description: '15 heartbeats in the name of s2 were ignored in five minutes: replay.',
      },
    ],
    quiet: [
      { when: 'a port scan came by', series: { [ignored('malformed')]: '0x3 2x20' }, at: 6 },
      { when: 'it was long ago', series: { [ignored('tag')]: '0x3 900x30' }, at: 20 },
      { when: 'the table was made anew', series: { [ignored('tag')]: '900x5 0x20' }, at: 8 },
    ],
  },
} as const satisfies Readonly<Record<string, CasesOfAlert>>;
