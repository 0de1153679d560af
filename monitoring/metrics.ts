/**
 * Every metric, in one table: what programs export, docs/metrics.md, dashboards and rules come from it,
 * and no name is written twice.
 */
import type { LabelDefinition } from './metrics/definition.js';
import { hostMetrics, serverMetrics, setMetrics } from './metrics/hosts.js';
import { processMetrics } from './metrics/process.js';
import { relayMetrics } from './metrics/relay.js';
import { routerMetrics } from './metrics/router.js';

/** By what they are about, in the order of docs/metrics.md. */
export const metricGroups = {
  relay: relayMetrics,
  hosts: hostMetrics,
  router: routerMetrics,
  servers: serverMetrics,
  sets: setMetrics,
  process: processMetrics,
} as const;

export const metrics = {
  ...relayMetrics,
  ...hostMetrics,
  ...routerMetrics,
  ...serverMetrics,
  ...setMetrics,
  ...processMetrics,
} as const;

type Metrics = typeof metrics;
export type MetricKey = keyof Metrics;
export type HistogramKey = {
  [K in MetricKey]: Metrics[K]['type'] extends 'histogram' ? K : never;
}[MetricKey];

type LabelValue<D extends LabelDefinition> = D extends readonly (infer Value)[] ? Value : string;

/** A value for each label of a metric; only those of the list where the table has one. */
export type LabelsOf<K extends MetricKey> = {
  readonly [L in keyof Metrics[K]['labels']]: Metrics[K]['labels'][L] extends LabelDefinition
    ? LabelValue<Metrics[K]['labels'][L]>
    : never;
};

/** Names of a metric's labels. */
export type LabelName<K extends MetricKey> = keyof Metrics[K]['labels'] & string;
