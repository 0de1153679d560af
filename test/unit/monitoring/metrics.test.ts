import { describe, expect, it } from 'vitest';
import type { MetricDefinition } from '../../../monitoring/metrics/definition.js';
import { metricGroups, metrics } from '../../../monitoring/metrics.js';

const all: [string, MetricDefinition][] = Object.entries(metrics);

/** `sidetrack_relay_bytes_total` is `relayBytes`. */
const keyOf = (name: string) =>
  name
    .replace(/^sidetrack_/, '')
    .replace(/_total$/, '')
    .replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());

describe('the metrics table', () => {
  it('has each key and each name once', () => {
    const groups = Object.values(metricGroups).flatMap((group) => Object.keys(group));
    expect(groups).toEqual(Object.keys(metrics));
    expect(new Set(all.map(([, { name }]) => name)).size).toBe(all.length);
  });

  it.each(all)('%s follows the naming rules of Prometheus', (key, metric) => {
    const { name, type, unit, labels, help, bounds } = metric;
    expect(name).toMatch(/^(sidetrack|process|nodejs)_[a-z0-9_]+$/);
    expect(key).toBe(keyOf(name));
    expect(name.endsWith('_total')).toBe(type === 'counter');
    const plain = name.replace(/_total$/, '');
    expect(plain.endsWith('_info')).toBe(unit === 'info');
    expect(plain.endsWith('_timestamp_seconds')).toBe(unit === 'timestamp' && !isStartTime(name));
    expect(plain.endsWith('_seconds')).toBe(['seconds', 'timestamp'].includes(unit));
    expect(plain.endsWith('_bytes')).toBe(unit === 'bytes');
    expect(help).toMatch(/^[A-Z0-9].*\.$/);
    for (const label of Object.keys(labels)) expect(label).toMatch(/^[a-z_]+$/);
    expect(Object.keys(labels)).not.toContain('le');
    expect(bounds !== undefined).toBe(type === 'histogram');
    expect(bounds ?? []).toEqual([...(bounds ?? [])].sort((a, b) => a - b));
  });
});

/** The name that all client libraries give it. */
const isStartTime = (name: string) => name === 'process_start_time_seconds';
