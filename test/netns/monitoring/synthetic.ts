/**
 * Every metric of the table as if it had been scraped, in the format that `promtool tsdb
 * create-blocks-from openmetrics` reads: so an hour at any scrape interval takes a second, and each
 * rate is known beforehand.
 */
import type { MetricDefinition } from '../../../monitoring/metrics/definition.js';
import { metricGroups } from '../../../monitoring/metrics.js';

export interface Scraping {
  /** Label `instance` of everything. */
  instance: string;
  /** Seconds. */
  interval: number;
  /** Seconds since 1970, a multiple of the interval. */
  from: number;
  to: number;
  /** Every so many scrapes one fails; none when absent. */
  lost?: number;
}

/** The n-th series of a counter rises by so much a second. */
export const slope = (n: number): number => 1000 * (n + 1);

/** What a label may be that the table only describes. */
const MADE_UP = ['one', 'two'];
const PROCESSES = {
  relay: ['sidetrack-relay'],
  process: ['sidetrack-relay', 'sidetrack-exporter'],
};

type Labels = Readonly<Record<string, string>>;
/** Value by time since the beginning, and by Unix time. */
type Value = (elapsed: number, now: number) => number;

/** @param more lines of others */
export function exposition(scrapings: readonly Scraping[], more: readonly string[] = []): string {
  const lines = scrapings.flatMap((scraping) =>
    allSeries(scraping.instance).flatMap(([series, value]) =>
      timesOf(scraping).map((now) => `${series} ${value(now - scraping.from, now)} ${now}`),
    ),
  );
  return [...lines, ...more, '# EOF', ''].join('\n');
}

function timesOf({ from, to, interval, lost = 0 }: Scraping): number[] {
  const count = Math.floor((to - from) / interval) + 1;
  const times = Array.from({ length: count }, (_, index) => from + index * interval);
  return times.filter((_, index) => lost === 0 || index % lost !== lost - 1);
}

function allSeries(instance: string): [string, Value][] {
  const all: [string, Value][] = [];
  const add = (name: string, labels: Labels, value: Value) => {
    const pairs = Object.entries({ ...labels, instance }).map(([key, text]) => `${key}="${text}"`);
    all.push([`${name}{${pairs.join(',')}}`, value]);
  };
  for (const job of PROCESSES.process) add('up', { job }, () => 1);
  for (const [group, metrics] of Object.entries(metricGroups)) {
    const jobs =
      group in PROCESSES ? PROCESSES[group as keyof typeof PROCESSES] : ['sidetrack-exporter'];
    for (const metric of Object.values<MetricDefinition>(metrics))
      for (const job of jobs)
        combinations(metric.labels).forEach((labels, n) => {
          for (const [suffix, more, value] of parts(metric, labels, n))
            add(`${metric.name}${suffix}`, { job, ...labels, ...more }, value);
        });
  }
  return all;
}

function combinations(labels: MetricDefinition['labels']): Labels[] {
  return Object.entries(labels).reduce<Labels[]>(
    (all, [name, values]) =>
      all.flatMap((one) =>
        (typeof values === 'string' ? MADE_UP : values).map((value) => ({ ...one, [name]: value })),
      ),
    [{}],
  );
}

/** Suffix, labels and value of each series of a metric. */
function parts(
  { type, unit, bounds = [], labels: { state: states = [] } }: MetricDefinition,
  labels: Labels,
  n: number,
): (readonly [string, Labels, Value])[] {
  if (type === 'counter') return [['', {}, (elapsed) => slope(n) * elapsed]];
  if (type === 'gauge') {
    if (unit === 'timestamp') return [['', {}, (_elapsed, now) => now - 60]];
    // What has states is in the first one.
    return [['', {}, () => (labels.state === undefined || labels.state === states[0] ? 1 : 0)]];
  }
  // One observation a second in each bucket, and one beyond the last.
  const buckets = [...bounds, '+Inf'].map(
    (bound, index) => ['_bucket', { le: String(bound) }, (e: number) => e * (index + 1)] as const,
  );
  const all = (elapsed: number) => elapsed * (bounds.length + 1);
  return [...buckets, ['_count', {}, all], ['_sum', {}, all]];
}
