/** Views of `sidetrack top` that the state feeds: rules, upstreams, hosts. Pure. */
import type { HostState, State, UpstreamState } from '../../../monitoring/state.js';
import { formatAge, formatBytes } from '../relay/connection-list.js';
import { type Picture, perSecond } from './picture.js';
import { defineView } from './view.js';

const NO_STATE = 'an older relay says no more; restart it: systemctl restart sidetrack-relay';
const NO_EXPORTER = 'not known without the exporter; start one: sidetrack exporter';

/** Counters of one thing, of a rate since the picture before. */
const rateOf = (picture: Picture, count: (state: State) => number | undefined) =>
  perSecond(picture, count) ?? 0;

interface RuleRow {
  name: string;
  where: 'router' | 'relay';
  action: string;
  /** Packets on the router, connections in the relay. */
  count: number;
  bytes: number | undefined;
  countRate: number;
  byteRate: number;
}

function routerRules(picture: Picture): RuleRow[] {
  return (picture.now.state?.router?.rules ?? []).map(({ rule, action, packets, bytes }) => {
    const same = (state: State) => state.router?.rules.find((one) => one.rule === rule);
    return {
      ...{ name: rule, where: 'router', action, count: packets, bytes },
      countRate: rateOf(picture, (state) => same(state)?.packets),
      byteRate: rateOf(picture, (state) => same(state)?.bytes),
    };
  });
}

function relayRoutes(picture: Picture): RuleRow[] {
  return (picture.now.state?.relay?.routes ?? []).map(({ name, connections, bytes }) => {
    const same = (state: State) => state.relay?.routes.find((one) => one.name === name);
    const both = (state: State) => {
      const route = same(state);
      return route && route.bytes.upload + route.bytes.download;
    };
    return {
      ...{ name, where: 'relay', action: 'route', count: connections },
      bytes: bytes.upload + bytes.download,
      countRate: rateOf(picture, (state) => same(state)?.connections),
      byteRate: rateOf(picture, both),
    };
  });
}

const amount = (bytes: number | undefined) => (bytes === undefined ? '-' : formatBytes(bytes));

export const rulesView = defineView<RuleRow>({
  name: 'rules',
  columns: [
    { title: 'rule', key: 'u', cell: (one) => one.name, by: (one) => one.name },
    { title: 'where', key: 'w', cell: (one) => one.where, by: (one) => one.where },
    { title: 'action', key: 'a', cell: (one) => one.action, by: (one) => one.action },
    {
      ...{ title: 'packets', key: 'k' },
      cell: (one) => (one.where === 'router' ? formatBytes(one.count) : '-'),
      by: (one) => (one.where === 'router' ? one.count : -1),
    },
    {
      ...{ title: 'connections', key: 'c' },
      cell: (one) => (one.where === 'relay' ? formatBytes(one.count) : '-'),
      by: (one) => (one.where === 'relay' ? one.count : -1),
    },
    { title: 'bytes', key: 'b', cell: (one) => amount(one.bytes), by: (one) => one.bytes ?? -1 },
    {
      ...{ title: 'new/s', key: 'N' },
      cell: (one) => formatBytes(one.countRate),
      by: (one) => one.countRate,
    },
    {
      ...{ title: 'B/s', key: 'r' },
      cell: (one) => formatBytes(one.byteRate),
      by: (one) => one.byteRate,
    },
    { title: 'order', key: 'o', cell: () => '', by: () => 0, hidden: true },
  ],
  importance: ['rule', 'action', 'packets', 'connections', 'B/s', 'where', 'bytes', 'new/s'],
  sortedBy: 'order',
  rows: (picture) => [...routerRules(picture), ...relayRoutes(picture)],
  id: ({ where, name }) => `${where} ${name}`,
  text: ({ where, name, action }) => `${name} ${where} ${action}`,
  note: ({ now: { state } }) => {
    if (state === undefined) return NO_STATE;
    return state.router === undefined ? NO_EXPORTER : undefined;
  },
});

interface UpstreamRow extends UpstreamState {
  uploadRate: number;
  downloadRate: number;
  failed: number;
  /** Seconds since `up` changed. */
  age: number;
}

function upstreamRows(picture: Picture): UpstreamRow[] {
  const { state } = picture.now;
  return (state?.relay?.upstreams ?? []).map((one) => {
    const same = ({ relay }: State) => relay?.upstreams.find(({ name }) => name === one.name);
    return {
      ...one,
      uploadRate: rateOf(picture, (each) => same(each)?.bytes.upload),
      downloadRate: rateOf(picture, (each) => same(each)?.bytes.download),
      failed: Object.values(one.errors).reduce((sum, number) => sum + number, 0),
      age: Math.max((state?.at ?? 0) - one.since, 0),
    };
  });
}

/** `up`, `DOWN refused`, `up, not ipv6` */
function upstreamWords({ up, reason, resolved, silent, lacking }: UpstreamState): string {
  if (!up) return `DOWN ${reason ?? (resolved ? '' : 'unresolved')}`.trim();
  if (silent) return 'up, silent';
  return lacking.length > 0 ? `up, not ${lacking.join(', ')}` : 'up';
}

export const upstreamsView = defineView<UpstreamRow>({
  name: 'upstreams',
  columns: [
    { title: 'upstream', key: 'u', cell: (one) => one.name, by: (one) => one.name },
    { title: 'state', key: 's', cell: upstreamWords, by: upstreamWords },
    { title: 'since', key: 'i', cell: (one) => formatAge(one.age), by: (one) => one.age },
    { title: 'open', key: 'o', cell: (one) => `${one.active}`, by: (one) => one.active },
    { title: 'all', key: 'l', cell: (one) => `${one.connections}`, by: (one) => one.connections },
    { title: 'failed', key: 'f', cell: (one) => `${one.failed}`, by: (one) => one.failed },
    {
      title: 'up',
      key: 'w',
      cell: (one) => formatBytes(one.bytes.upload),
      by: (one) => one.bytes.upload,
    },
    {
      title: 'down',
      key: 'd',
      cell: (one) => formatBytes(one.bytes.download),
      by: (one) => one.bytes.download,
    },
    {
      title: 'up/s',
      key: 'U',
      cell: (one) => formatBytes(one.uploadRate),
      by: (one) => one.uploadRate,
    },
    {
      title: 'down/s',
      key: 'D',
      cell: (one) => formatBytes(one.downloadRate),
      by: (one) => one.downloadRate,
    },
    {
      ...{ title: 'probe ms', key: 'm' },
      cell: ({ probeSeconds }) =>
        probeSeconds === undefined
          ? '-'
          : (probeSeconds * 1000).toFixed(probeSeconds < 0.01 ? 2 : 0),
      by: ({ probeSeconds = -1 }) => probeSeconds,
    },
  ],
  importance: [
    ...['upstream', 'state', 'open', 'down/s', 'up/s', 'failed', 'since'],
    ...['all', 'down', 'up', 'probe ms'],
  ],
  sortedBy: 'open',
  rows: upstreamRows,
  id: ({ name }) => name,
  text: (one) => `${one.name} ${upstreamWords(one)}`,
  select: (rows, { upstream }) =>
    upstream === undefined ? rows : rows.filter(({ name }) => name === upstream),
  filterFor: ({ name }) => `upstream ${name}`,
  note: ({ now: { state } }) => (state === undefined ? NO_STATE : undefined),
});

interface HostRow extends HostState {
  age: number | undefined;
  /** What it does: flows of a router, packets that a server captured. */
  work: string;
  why: string;
}

function hostRows({ now: { state } }: Picture): HostRow[] {
  return (state?.hosts ?? []).map((one) => ({
    ...one,
    age: one.lastRead === undefined ? undefined : Math.max((state?.at ?? 0) - one.lastRead, 0),
    work: workOf(one.name, state),
    why: one.error ?? one.problems[0] ?? one.differences[0] ?? '',
  }));
}

function workOf(name: string, state: State | undefined): string {
  const flows = state?.router?.flows;
  if (name === 'router')
    return flows?.entries === undefined ? '-' : `${flows.entries} of ${flows.limit} flows`;
  const captured = state?.servers?.find((one) => one.name === name)?.captured;
  return captured === undefined ? '-' : `${formatBytes(captured)} packets`;
}

const hostWords = ({ up, state }: HostState) => (up ? (state ?? '-') : 'UNREACHABLE');

export const hostsView = defineView<HostRow>({
  name: 'hosts',
  columns: [
    { title: 'host', key: 'h', cell: (one) => one.name, by: (one) => one.name },
    { title: 'state', key: 's', cell: hostWords, by: hostWords },
    {
      ...{ title: 'differences', key: 'd' },
      cell: (one) => `${one.differences.length}`,
      by: (one) => one.differences.length,
    },
    {
      ...{ title: 'problems', key: 'm' },
      cell: (one) => `${one.problems.length}`,
      by: (one) => one.problems.length,
    },
    { title: 'steers', key: 'e', cell: (one) => one.work, by: (one) => one.work },
    {
      ...{ title: 'read', key: 'r' },
      cell: ({ age }) => (age === undefined ? 'never' : `${formatAge(age)} ago`),
      by: ({ age = Number.POSITIVE_INFINITY }) => age,
    },
    { title: 'address', key: 'a', cell: (one) => one.address, by: (one) => one.address },
    { title: 'why', key: 'w', cell: (one) => one.why || '-', by: (one) => one.why },
    { title: 'order', key: 'o', cell: () => '', by: () => 0, hidden: true },
  ],
  importance: ['host', 'state', 'why', 'steers', 'differences', 'problems', 'read', 'address'],
  sortedBy: 'order',
  rows: hostRows,
  id: ({ name }) => name,
  text: (one) => `${one.name} ${one.address} ${hostWords(one)} ${one.why}`,
  note: ({ now: { state } }) => {
    if (state === undefined) return NO_STATE;
    return state.hosts === undefined ? NO_EXPORTER : undefined;
  },
});
