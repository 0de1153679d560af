/** Views of `sidetrack top` that the state feeds: rules, upstreams. Pure. */
import type { State, UpstreamState } from '../../../monitoring/state.js';
import { actionText } from '../../../monitoring/web/servers.js';
import { formatAge, formatBits, formatBytes } from '../relay/connection-list.js';
import { type Picture, perSecond } from './picture.js';
import { defineView } from './view.js';

export const NO_STATE =
  'an older relay says no more; restart it: systemctl restart sidetrack-relay';
export const NO_EXPORTER = 'not known without the exporter; start one: sidetrack exporter';

/** Counters of one thing, of a rate since the picture before. */
export const rateOf = (picture: Picture, count: (state: State) => number | undefined) =>
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
  return (picture.now.state?.router?.rules ?? []).map((one) => {
    const { rule, packets, bytes } = one;
    const same = (state: State) => state.router?.rules.find((one) => one.rule === rule);
    return {
      ...{ name: rule, where: 'router', action: actionText(one), count: packets, bytes },
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
      ...{ title: 'bit/s', key: 'r' },
      cell: (one) => formatBits(one.byteRate),
      by: (one) => one.byteRate,
    },
    { title: 'order', key: 'o', cell: () => '', by: () => 0, hidden: true },
  ],
  importance: ['rule', 'action', 'packets', 'connections', 'bit/s', 'where', 'bytes', 'new/s'],
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
      cell: (one) => formatBits(one.uploadRate),
      by: (one) => one.uploadRate,
    },
    {
      title: 'down/s',
      key: 'D',
      cell: (one) => formatBits(one.downloadRate),
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
