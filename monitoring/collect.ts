/**
 * A prom-client registry that reads the engine at every scrape. The engine counts; prom-client only
 * writes the exposition format, so its own counters are set, never incremented.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import { modes } from '../proxy/abi.js';
import { cumulative } from '../proxy/histogram.js';
import type { RelayStats, UpstreamStats } from '../proxy/stats.js';
import { type RelayLimits, registerHeadroom } from './headroom.js';
import {
  buildInfo,
  type HistogramMetric,
  histogramMetrics,
  listeningMetric,
  modeMetrics,
  type NamedMetric,
  outcomeMetrics,
  routeMetrics,
  type ScalarMetric,
  scalarMetrics,
  type UpstreamMetric,
  upstreamErrorMetric,
  upstreamFamilyMetric,
  upstreamMetrics,
  upstreamProbeMetric,
  upstreamResolvedMetric,
  upstreamSampleMetrics,
  upstreamUpMetric,
} from './metrics.js';

/**
 * @param read called once for each metric of a scrape; cheap enough for that.
 * @param limits of this relay; without them nothing is said about what is left.
 */
export function relayRegistry(
  read: () => RelayStats,
  version: string,
  limits?: RelayLimits,
): Registry {
  const registry = new Registry();
  const stats = oncePerScrape(read);
  for (const metric of scalarMetrics) registerScalar(registry, metric, stats);
  for (const { name, help, label, shows } of modeMetrics)
    registerLabelled(registry, { name, help, label }, () =>
      modes.map((mode) => [mode, stats().modes[mode][shows]]),
    );
  for (const { name, help, label, outcomes } of outcomeMetrics)
    registerLabelled(registry, { name, help, label }, () =>
      outcomes.map((outcome) => [outcome, stats().outcomes[outcome]]),
    );
  for (const metric of upstreamMetrics) registerUpstream(registry, metric, stats);
  for (const metric of upstreamSampleMetrics)
    registerNamed(registry, 'upstream', metric, () => stats().upstreams);
  for (const metric of routeMetrics) registerNamed(registry, 'route', metric, () => stats().routes);
  registerUpstreamGauge(registry, upstreamUpMetric, stats, ({ up }) => Number(up));
  registerUpstreamGauge(registry, upstreamResolvedMetric, stats, ({ resolved }) =>
    Number(resolved),
  );
  registerUpstreamGauge(
    registry,
    upstreamProbeMetric,
    stats,
    ({ counters }) => counters.probe_us / 1e6,
  );
  registerUpstreamErrors(registry, stats);
  registerUpstreamFamilies(registry, stats);
  registerListening(registry, stats);
  for (const metric of histogramMetrics) registerHistogram(registry, metric, stats);
  if (limits !== undefined) registerHeadroom(registry, stats, limits);
  const { name, help, labels } = buildInfo;
  const info = new Gauge({ name, help, labelNames: labels, registers: [registry] });
  info.set({ version, node: process.version }, 1);
  return registry;
}

/** Metrics of one scrape are collected in the same turn of the event loop and must agree. */
function oncePerScrape(read: () => RelayStats): () => RelayStats {
  let current: RelayStats | undefined;
  return () => {
    if (current === undefined) {
      current = read();
      setImmediate(() => {
        current = undefined;
      });
    }
    return current;
  };
}

function registerScalar(registry: Registry, metric: ScalarMetric, stats: () => RelayStats): void {
  const { name, help, type, labels, samples } = metric;
  const options = { name, help, labelNames: labels, registers: [] };
  if (type === 'gauge') {
    const collect = function (this: Gauge) {
      for (const { labels, counter } of samples) this.set(labels, stats().counters[counter]);
    };
    registry.registerMetric(new Gauge({ ...options, collect }));
    return;
  }
  const collect = function (this: Counter) {
    this.reset();
    for (const { labels, counter } of samples) this.inc(labels, stats().counters[counter]);
  };
  registry.registerMetric(new Counter({ ...options, collect }));
}

/** A counter of one label. @param read its values, and the count of each */
function registerLabelled(
  registry: Registry,
  { name, help, label }: { name: string; help: string; label: string },
  read: () => readonly (readonly [string, number])[],
): void {
  const collect = function (this: Counter) {
    this.reset();
    for (const [value, count] of read()) this.inc({ [label]: value }, count);
  };
  registry.registerMetric(new Counter({ name, help, labelNames: [label], registers: [], collect }));
}

function registerUpstream(
  registry: Registry,
  { name, help, type, counter }: UpstreamMetric,
  stats: () => RelayStats,
): void {
  const options = { name, help, labelNames: ['upstream'], registers: [] };
  if (type === 'gauge') {
    const collect = function (this: Gauge) {
      this.reset();
      for (const { name, counters } of stats().upstreams)
        this.set({ upstream: name }, counters[counter]);
    };
    registry.registerMetric(new Gauge({ ...options, collect }));
    return;
  }
  const collect = function (this: Counter) {
    this.reset();
    for (const { name, counters } of stats().upstreams)
      this.inc({ upstream: name }, counters[counter]);
  };
  registry.registerMetric(new Counter({ ...options, collect }));
}

function registerNamed<Name extends string>(
  registry: Registry,
  what: 'upstream' | 'route',
  { name, help, label, samples }: NamedMetric<Name>,
  read: () => readonly { name: string; counters: Readonly<Record<Name, number>> }[],
): void {
  const collect = function (this: Counter) {
    this.reset();
    for (const { name, counters } of read())
      for (const [value, counter] of Object.entries<Name>(samples))
        this.inc(
          { [what]: name, ...(label !== undefined && { [label]: value }) },
          counters[counter],
        );
  };
  const labelNames = [what, ...(label === undefined ? [] : [label])];
  registry.registerMetric(new Counter({ name, help, labelNames, registers: [], collect }));
}

function registerUpstreamGauge(
  registry: Registry,
  { name, help }: { name: string; help: string },
  stats: () => RelayStats,
  value: (upstream: UpstreamStats) => number,
): void {
  const collect = function (this: Gauge) {
    this.reset();
    for (const upstream of stats().upstreams)
      this.set({ upstream: upstream.name }, value(upstream));
  };
  registry.registerMetric(
    new Gauge({ name, help, labelNames: ['upstream'], registers: [], collect }),
  );
}

function registerUpstreamFamilies(registry: Registry, stats: () => RelayStats): void {
  const { name, help } = upstreamFamilyMetric;
  const collect = function (this: Gauge) {
    this.reset();
    for (const { name, lacking } of stats().upstreams)
      for (const family of ['ipv4', 'ipv6'] as const)
        this.set({ upstream: name, family }, Number(!lacking.includes(family)));
  };
  const labelNames = ['upstream', 'family'];
  registry.registerMetric(new Gauge({ name, help, labelNames, registers: [], collect }));
}

function registerListening(registry: Registry, stats: () => RelayStats): void {
  const { name, help } = listeningMetric;
  const collect = function (this: Gauge) {
    const { listening } = stats();
    for (const family of ['ipv4', 'ipv6'] as const)
      this.set({ family }, Number(listening.includes(family)));
  };
  const labelNames = ['family'];
  registry.registerMetric(new Gauge({ name, help, labelNames, registers: [], collect }));
}

function registerUpstreamErrors(registry: Registry, stats: () => RelayStats): void {
  const { name, help, outcomes } = upstreamErrorMetric;
  const collect = function (this: Counter) {
    this.reset();
    for (const { name, errors } of stats().upstreams)
      for (const reason of outcomes) this.inc({ upstream: name, reason }, errors[reason]);
  };
  const labelNames = ['upstream', 'reason'];
  registry.registerMetric(new Counter({ name, help, labelNames, registers: [], collect }));
}

/**
 * prom-client's own Histogram only observes single values. Its registry asks every metric for `get()`,
 * so a small object that answers with ready buckets is a histogram too.
 */
function registerHistogram(
  registry: Registry,
  { name, help, samples, bounds }: HistogramMetric,
  stats: () => RelayStats,
): void {
  const get = async () => ({
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    values: samples.flatMap(({ labels, histogram }) => {
      const { sum, buckets } = stats().histograms[histogram];
      const count = buckets.reduce((total, value) => total + value, 0);
      return [
        ...cumulative(buckets, bounds).map((value, i) => ({
          metricName: `${name}_bucket`,
          labels: { ...labels, le: bounds[i]! },
          value,
        })),
        { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
        { metricName: `${name}_sum`, labels, value: sum },
        { metricName: `${name}_count`, labels, value: count },
      ];
    }),
  });
  const metric = { name, get, reset: () => {} };
  registry.registerMetric(metric as unknown as Gauge);
}
