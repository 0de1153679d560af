/** The text of docs/metrics.md; `make docs` writes it. */
import { pathToFileURL } from 'node:url';
import { modes } from '../proxy/abi.js';
import { RESOURCES } from './headroom.js';
import {
  buildInfo,
  halfOpenMetric,
  histogramMetrics,
  listeningMetric,
  modeMetrics,
  type NamedMetric,
  outcomeMetrics,
  portMetrics,
  reloadMetrics,
  resourceMetrics,
  routeMetrics,
  scalarMetrics,
  upstreamErrorMetric,
  upstreamFamilyMetric,
  upstreamMetrics,
  upstreamProbeMetric,
  upstreamResolvedMetric,
  upstreamSampleMetrics,
  upstreamUpMetric,
} from './metrics.js';

interface Row {
  name: string;
  type: string;
  labels: string;
  help: string;
}

const labelValues = (
  labels: readonly string[],
  samples: readonly { labels: Readonly<Record<string, string>> }[],
) => labels.map((label) => `${label}: ${samples.map((one) => one.labels[label]).join(', ')}`);
function namedRow(what: string, { name, type, help, label, samples }: NamedMetric<string>): Row {
  const second = label === undefined ? '' : `; ${label}: ${Object.keys(samples).join(', ')}`;
  return { name, type, help, labels: `${what}${second}` };
}

/** Every metric with its type, label values and meaning, as Markdown. */
export function metricsReference(): string {
  const rows: Row[] = [
    ...scalarMetrics.map(({ name, type, help, labels, samples }) => ({
      name,
      type,
      help,
      labels: labelValues(labels, samples).join('; '),
    })),
    ...modeMetrics.map(({ name, type, help, label }) => ({
      name,
      type,
      help,
      labels: `${label}: ${modes.join(', ')}`,
    })),
    ...outcomeMetrics.map(({ name, type, help, label, outcomes }) => ({
      name,
      type,
      help,
      labels: `${label}: ${outcomes.join(', ')}`,
    })),
    ...upstreamMetrics.map(({ name, type, help }) => ({
      name,
      type,
      help,
      labels: 'upstream: names of the configuration',
    })),
    ...upstreamSampleMetrics.map((metric) => namedRow('upstream', metric)),
    ...routeMetrics.map((metric) => namedRow('route', metric)),
    { ...upstreamUpMetric, labels: 'upstream' },
    { ...upstreamResolvedMetric, labels: 'upstream' },
    { ...upstreamFamilyMetric, labels: 'upstream; family: ipv4, ipv6' },
    { ...listeningMetric, labels: 'family: ipv4, ipv6' },
    { ...upstreamProbeMetric, labels: 'upstream' },
    ...Object.values(reloadMetrics),
    {
      ...upstreamErrorMetric,
      labels: `upstream; reason: ${upstreamErrorMetric.outcomes.join(', ')}`,
    },
    ...histogramMetrics.map(({ name, type, help, labels, samples }) => ({
      name,
      type,
      help,
      labels: ['le', ...labelValues(labels, samples)].join('; '),
    })),
    { ...halfOpenMetric, labels: '' },
    ...Object.values(resourceMetrics).map((metric) => ({
      ...metric,
      labels: `resource: ${RESOURCES.join(', ')}`,
    })),
    ...Object.values(portMetrics).map((metric) => ({
      ...metric,
      labels: 'upstream: names of the configuration',
    })),
    { ...buildInfo, labels: buildInfo.labels.join(', ') },
  ];
  const lines = rows.map(
    ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels} | ${help} |`,
  );
  return [
    '# Metrics of the relay',
    '',
    'Generated from `monitoring/metrics.ts`; `make docs` writes it anew. Histograms are in seconds.',
    '',
    '| metric | type | labels | meaning |',
    '| --- | --- | --- | --- |',
    ...lines,
    '',
  ].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.stdout.write(metricsReference());
