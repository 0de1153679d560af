/**
 * The one way in which metrics get into a prom-client registry: by key of the table, with a function
 * from a reading to samples. What is measured counts by itself (the engine, the kernel), so nothing is
 * incremented here; each scrape takes a reading and writes what it says.
 */
import type { Gauge, Registry } from 'prom-client';
import type { MetricDefinition, MetricType } from './metrics/definition.js';
import { type HistogramKey, type LabelsOf, type MetricKey, metrics } from './metrics.js';

export interface Sample<K extends MetricKey> {
  readonly labels: LabelsOf<K>;
  readonly value: number;
}

export interface HistogramSample<K extends MetricKey> {
  readonly labels: LabelsOf<K>;
  /** In the metric's unit. */
  readonly sum: number;
  readonly count: number;
  /** Observations at or below each of the table's bounds. */
  readonly cumulative: readonly number[];
}

export type SampleOf<K extends MetricKey> = K extends HistogramKey ? HistogramSample<K> : Sample<K>;

/**
 * What a reading says of each metric; none, and it is left out of this scrape. Samples with the same
 * labels become one: added up in a counter, and of a gauge the last one counts.
 */
export type Samplers<K extends MetricKey, Reading> = {
  readonly [Key in K]: (reading: Reading) => readonly SampleOf<Key>[];
};

/** Of a metric without labels; `undefined` when it is not known. */
export const single = (value: number | undefined) =>
  value === undefined ? [] : [{ labels: {}, value }];

/**
 * @param read called once for all these metrics of a scrape. When it fails, the scrape does.
 * @throws Error when the registry has one of them already.
 */
export function registerMetrics<K extends MetricKey, Reading>(
  registry: Registry,
  samplers: Samplers<K, Reading>,
  read: () => Reading | Promise<Reading>,
): void {
  const reading = oncePerScrape(read);
  const all: Readonly<Record<string, (reading: Reading) => readonly AnySample[]>> = samplers;
  for (const [key, samples] of Object.entries(all)) {
    const definition: MetricDefinition = metrics[key as K];
    register(registry, definition, async () => samples(await reading()));
  }
}

type LabelValues = Readonly<Record<string, string>>;
type Measured = { readonly value: number } | Omit<HistogramSample<HistogramKey>, 'labels'>;
type AnySample = Measured & { readonly labels: LabelValues };

/** All metrics of a scrape are asked in the same turn of the event loop, and must agree. */
export function oncePerScrape<Reading>(read: () => Reading): () => Reading {
  let current: { reading: Reading } | undefined;
  return () => {
    if (current === undefined) {
      current = { reading: read() };
      setImmediate(() => {
        current = undefined;
      });
    }
    return current.reading;
  };
}

/**
 * A registry asks its metrics for `get()` and writes what that answers. prom-client's own classes keep
 * values and compare labels at each change, and its histogram only observes single values; so a small
 * object that answers with ready values stands for all of them.
 */
function register(
  registry: Registry,
  { name, type, help, labels, bounds = [] }: MetricDefinition,
  read: () => Promise<readonly AnySample[]>,
): void {
  const series = seriesOf(Object.keys(labels), type);
  const get = async () => ({
    name,
    help,
    type,
    values: series(await read()).flatMap((one) =>
      'value' in one ? [one] : bucketValues(name, bounds, one),
    ),
  });
  const metric = { name, type, get, reset: () => {} };
  registry.registerMetric(metric as unknown as Gauge);
}

/** prom-client turns an object of shared labels into text once, and remembers that by the object. */
type Series = Measured & { readonly sharedLabels: LabelValues };

/** Each set of labels once, in the table's order; the same object as in the scrape before. */
function seriesOf(names: readonly string[], type: MetricType) {
  const known = new Map<string, LabelValues>();
  return (samples: readonly AnySample[]): Series[] => {
    const series = new Map<string, Series>();
    for (const sample of samples) {
      const key = keyOf(names, sample.labels);
      let sharedLabels = known.get(key);
      if (sharedLabels === undefined) {
        sharedLabels = chosen(names, sample.labels);
        known.set(key, sharedLabels);
      }
      series.set(key, combined(type, series.get(key), sample, sharedLabels));
    }
    if (known.size > series.size)
      for (const key of known.keys()) if (!series.has(key)) known.delete(key);
    return [...series.values()];
  };
}

function keyOf(names: readonly string[], labels: LabelValues): string {
  if (names.length < 2) return names.length === 0 ? '' : labels[names[0]!]!;
  return names.map((name) => labels[name]).join('\0');
}

const chosen = (names: readonly string[], labels: LabelValues): LabelValues =>
  Object.fromEntries(names.map((name) => [name, String(labels[name])]));

/** @param before with the same labels, in this scrape. */
function combined(
  type: MetricType,
  before: Series | undefined,
  sample: AnySample,
  sharedLabels: LabelValues,
): Series {
  if (!('value' in sample)) {
    const { sum, count, cumulative } = sample;
    return { sum, count, cumulative, sharedLabels };
  }
  const isAdded = type === 'counter' && before !== undefined && 'value' in before;
  return { value: isAdded ? before.value + sample.value : sample.value, sharedLabels };
}

function bucketValues(
  name: string,
  bounds: readonly number[],
  { sharedLabels, sum, count, cumulative }: Omit<HistogramSample<HistogramKey>, 'labels'> & Series,
) {
  const bucket = (le: number | '+Inf', value: number) => ({
    metricName: `${name}_bucket`,
    labels: { le },
    sharedLabels,
    value,
  });
  return [
    ...bounds.map((bound, i) => bucket(bound, cumulative[i]!)),
    bucket('+Inf', count),
    { metricName: `${name}_sum`, sharedLabels, value: sum },
    { metricName: `${name}_count`, sharedLabels, value: count },
  ];
}
