/** The text of docs/metrics.md; `make docs` writes it. */
import { pathToFileURL } from 'node:url';
import type { LabelDefinition, MetricDefinition, MetricTable } from './metrics/definition.js';
import { metricGroups } from './metrics.js';

const GROUPS: Readonly<Record<keyof typeof metricGroups, { title: string; text: string }>> = {
  relay: {
    title: 'Relay',
    text: 'From `sidetrack relay`, at `relay.metrics`.',
  },
  hosts: {
    title: 'Hosts',
    text: 'From `sidetrack exporter`: the router and each server, as it last read them.',
  },
  router: { title: 'Router', text: 'From `sidetrack exporter`, about the router.' },
  servers: { title: 'Servers', text: 'From `sidetrack exporter`, about each server.' },
  sets: {
    title: 'Sets',
    text: 'From `sidetrack exporter`, about the files behind the sets, and the lists that are fetched.',
  },
  process: {
    title: 'Process',
    text: 'From both, about the program itself, under the names that Prometheus client libraries share.',
  },
};

/** Every metric with its type, label values and meaning, as Markdown. */
export function metricsReference(): string {
  const groups: Readonly<Record<string, MetricTable>> = metricGroups;
  return [
    '# Metrics',
    '',
    'Generated from `monitoring/metrics.ts`; `make docs` writes it anew. Histograms are in seconds.',
    '',
    ...Object.entries(GROUPS).flatMap(([group, { title, text }]) => [
      `## ${title}`,
      '',
      text,
      '',
      '| metric | type | labels | meaning |',
      '| --- | --- | --- | --- |',
      ...Object.values(groups[group] ?? {}).map(row),
      '',
    ]),
  ].join('\n');
}

function row({ name, type, labels, help }: MetricDefinition): string {
  const written = Object.entries(labels).map(
    ([label, values]) => `${label}: ${valuesText(values)}`,
  );
  if (type === 'histogram') written.push('le');
  return `| \`${name}\` | ${type} | ${written.join('; ')} | ${help} |`;
}

const valuesText = (values: LabelDefinition): string =>
  typeof values === 'string' ? values : values.join(', ');

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.stdout.write(metricsReference());
