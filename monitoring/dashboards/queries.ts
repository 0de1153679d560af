/**
 * PromQL of the panels: metrics by key of the table, of the jobs and instances that the reader chose,
 * and rates over `$__rate_interval`, which has four scrapes in it at any scrape interval.
 */

import type { FamilyState } from '../../bpf/server-health.js';
import type { HistogramKey, LabelName, MetricKey } from '../metrics.js';
import { by, type Matchers, selector, type TargetLabel } from '../promql.js';
import { DEFAULTS } from '../rules/parameters.js';

/** The dashboard's variables; regular expressions, for several can be chosen. */
const SCOPE = { job: { matches: '$job' }, instance: { matches: '$instance' } } as const;

/**
 * What no table knows: Prometheus's own series. The jobs that the rules ask for are among the targets even
 * when they have been down for so long that no variable knows them any more.
 */
export const TARGETS_UP = `up{job=~"$job|${DEFAULTS.relay_job}|${DEFAULTS.exporter_job}"}`;
export const ALERTS_FIRING = 'ALERTS{alertname=~"Sidetrack.+",alertstate="firing"}';

export type PlainKey = Exclude<MetricKey, HistogramKey>;

/** Nothing but the variables is asked of labels. */
export type Asked<K extends MetricKey> = Omit<Matchers<K>, TargetLabel>;

type Labels<K extends MetricKey> = readonly (LabelName<K> | TargetLabel)[];

/** The series of a counter or gauge. */
export function series<K extends PlainKey>(key: K, asked?: Asked<K>): string {
  return selector<MetricKey>(key, { ...asked, ...SCOPE });
}

export const perSecond = <K extends PlainKey>(key: K, asked?: Asked<K>): string =>
  `rate(${series(key, asked)}[$__rate_interval])`;

/** Added up over everything but `labels`. */
export const sumPerSecond = <K extends PlainKey>(
  key: K,
  labels: Labels<K> = [],
  asked?: Asked<K>,
): string => over('sum', key, labels, perSecond(key, asked));

/** A gauge, put together over everything but `labels`. */
export const gauge = <K extends PlainKey>(
  how: 'sum' | 'min' | 'max',
  key: K,
  labels: Labels<K> = [],
  asked?: Asked<K>,
): string => over(how, key, labels, series(key, asked));

/** Bits, as networks count. */
export const bits = (bytesPerSecond: string): string => `8 * ${bytesPerSecond}`;

export const over = <K extends MetricKey>(
  how: 'sum' | 'min' | 'max',
  key: K,
  labels: Labels<K>,
  expression: string,
): string => `${how}${labels.length === 0 ? ' ' : ` ${by(key, ...labels)} `}(${expression})`;

/** Of each host 0 in sync, 1 drifted, 2 not applied, 3 unfit, 4 when it does not answer. */
export function hostState(): string {
  const is = (state: 'drifted' | 'absent' | 'unfit') =>
    gauge('max', 'hostState', ['host'], { state });
  // Its state of before says nothing about a host that is silent now.
  const silent = `4 + (${gauge('min', 'hostUp', ['host'])} == 0)`;
  return `(${silent} or ${is('drifted')} + 2 * ${is('absent')} + 3 * ${is('unfit')})`;
}

/** Of each server and family 0 alive, 1 held or rising, 2 drained, 3 unfit, 4 silent, 5 when none was ever heard. */
export function serverState(): string {
  const is = (state: FamilyState) => gauge('max', 'serverState', ['server', 'family'], { state });
  const judged = [
    is('held'),
    is('rising'),
    `3 * ${is('unfit')}`,
    `4 * ${is('silent')}`,
    `5 * ${is('unknown')}`,
  ].join(' + ');
  // What a drained one is fit for does not matter.
  const isDrained = `(max by (server) (${series('serverDrained')}) == 1)`;
  return `((2 + 0 * ${is('alive')}) * on (server) group_left () ${isDrained} or ${judged})`;
}

/** Servers that get new flows of some family. */
export const serversAlive = (): string => {
  const is = (state: FamilyState) => series('serverState', { state });
  const isDrained = `max by (server) (${series('serverDrained')})`;
  return `count(max by (server) (${is('alive')} or ${is('held')}) > ${isDrained}) or 0 * max(${series('serverDrained')})`;
};

/** Each part has room for so many flows: a sum would hide that one of them is full. */
export const flowTableUse = (): string =>
  `max by (table) (${series('routerFlows')} / on (job, instance) group_left () ${series('routerFlowsLimit')})`;

/** Observations in each bucket, for a heat map. */
export const buckets = <K extends HistogramKey>(key: K, asked?: Asked<K>): string =>
  `sum by (le) (increase(${bucket(key, asked)}[$__rate_interval]))`;

/** @param share 0.99 is the 99th percentile. */
export const quantile = <K extends HistogramKey>(
  share: number,
  key: K,
  labels: readonly LabelName<K>[] = [],
  asked?: Asked<K>,
): string => {
  const kept = ['le', ...labels].join(', ');
  return `histogram_quantile(${share}, sum by (${kept}) (rate(${bucket(key, asked)}[$__rate_interval])))`;
};

const bucket = <K extends HistogramKey>(key: K, asked?: Asked<K>): string =>
  selector<HistogramKey>(key, { ...asked, ...SCOPE }, 'bucket');
