/** What the metrics table says of each metric. */

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** Of the values; `info` is a constant 1 with what there is to know in its labels, `boolean` is 0 or 1. */
export type Unit =
  | 'boolean'
  | 'bytes'
  | 'connections'
  | 'count'
  | 'info'
  | 'packets'
  | 'seconds'
  | 'timestamp';

/** A label's values: all that there can be, or a sentence that says what they are. */
export type LabelDefinition = readonly string[] | string;

export interface MetricDefinition {
  /** As Prometheus sees it. Names and units follow prometheus.io/docs/practices/naming. */
  readonly name: string;
  readonly type: MetricType;
  readonly unit: Unit;
  readonly labels: Readonly<Record<string, LabelDefinition>>;
  /** One or more sentences, for people who see the metric for the first time. */
  readonly help: string;
  /** Of a histogram: upper bounds of its buckets, in its unit; `+Inf` comes by itself. */
  readonly bounds?: readonly number[];
}

/** By key: the name in camel case, without `sidetrack_` and `_total`. */
export type MetricTable = Readonly<Record<string, MetricDefinition>>;

export const FAMILY = ['ipv4', 'ipv6'] as const;
/** Upload is client to upstream. */
export const DIRECTION = ['upload', 'download'] as const;
