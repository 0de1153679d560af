/** What Prometheus's own promtool thinks of what we export. */
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { registerClients } from '../../../monitoring/clients.js';
import { relayRegistry } from '../../../monitoring/collect.js';
import type { MetricDefinition } from '../../../monitoring/metrics/definition.js';
import { type MetricKey, metrics } from '../../../monitoring/metrics.js';
import { registerMetrics, type Samplers } from '../../../monitoring/register.js';
import { registerReloads } from '../../../monitoring/reload.js';
import { startRelay } from '../../../proxy/relay.js';
import { complaintsAbout, hasPromtool } from './promtool.js';

/** What promtool says and stays so, each with the reason; nothing so far. */
const ACCEPTED: Readonly<Record<string, string>> = {};

/** One sample for each value of each label that has a list, else one. */
function samplesOf({ labels, bounds }: MetricDefinition) {
  const sets = Object.entries(labels).reduce<Record<string, string>[]>(
    (all, [label, values]) =>
      all.flatMap((set) =>
        (typeof values === 'string' ? ['a "name"'] : values).map((value) => ({
          ...set,
          [label]: value,
        })),
      ),
    [{}],
  );
  return sets.map((set) =>
    bounds === undefined
      ? { labels: set, value: 1 }
      : { labels: set, sum: 1, count: 2, cumulative: bounds.map(() => 1) },
  );
}

/** A registry with every metric of the table, each of its label values included. */
function wholeTable(): Registry {
  const registry = new Registry();
  const all: [string, MetricDefinition][] = Object.entries(metrics);
  const samplers = Object.fromEntries(all.map(([key, one]) => [key, () => samplesOf(one)]));
  registerMetrics(registry, samplers as unknown as Samplers<MetricKey, null>, () => null);
  return registry;
}

const skipped = !hasPromtool;
if (skipped) console.warn('skipped the tests of the exposition: promtool is not installed');

describe.skipIf(skipped)('promtool check metrics', () => {
  it('has nothing to say of the table', async () => {
    const text = await wholeTable().metrics();
    for (const { name } of Object.values(metrics)) expect(text).toContain(`# TYPE ${name} `);
    expect(await complaintsAbout(text)).toEqual(Object.keys(ACCEPTED));
  });

  it('has nothing to say of a relay', async () => {
    const relay = startRelay({ port: 0, threads: 2 });
    const registry = relayRegistry(() => relay.stats(), '1.2.3', relay);
    const reloads = { success: 1, failure: 0, lastSucceeded: true, lastSuccess: 1, generations: 1 };
    registerReloads(registry, reloads);
    registerClients(registry, () => relay.clients(), 5);
    await fetch(`http://127.0.0.1:${relay.port}/`).catch(() => {});
    await expect.poll(() => relay.clients()).toMatchObject([{ address: '127.0.0.1', active: 0 }]);
    const text = await registry.metrics();
    relay.stop();
    expect(text).toContain('sidetrack_relay_client_connections_total{client="127.0.0.1"} 1');
    expect(text).toMatch(/^process_cpu_seconds_total \d/m);
    expect(text).toMatch(/^sidetrack_relay_thread_busy_seconds_total\{thread="1"\} \d/m);
    const complaints = await complaintsAbout(text);
    expect(complaints.filter((line) => !(line in ACCEPTED))).toEqual([]);
    // promtool does not look for what is there twice, and a server takes one of the two.
    const series = text.split('\n').flatMap((line) => /^[a-z].*(?= )/.exec(line) ?? []);
    expect(new Set(series).size).toBe(series.length);
  });

  it('does say what is wrong', async () => {
    const text = '# TYPE sidetrack_bytes counter\nsidetrack_bytes 1\n';
    expect((await complaintsAbout(text)).join('\n')).toMatch(/_total/);
    await expect(complaintsAbout('sidetrack_bytes{ 1\n')).rejects.toThrow(/parsing error/);
  });
});
