import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { registerMetrics, type Samplers, single } from '../../../monitoring/register.js';

type Key = 'relayBytes' | 'relayUpstreamUp' | 'relayRttSeconds' | 'relayPipes';

interface Reading {
  bytes: number;
  upstreams: string[];
}

let readings = 0;

const samplers: Samplers<Key, Reading> = {
  relayBytes: ({ bytes }) => [
    { labels: { direction: 'upload' }, value: bytes },
    { labels: { direction: 'download' }, value: 1 },
    { labels: { direction: 'upload' }, value: 2 },
  ],
  relayUpstreamUp: ({ upstreams }) =>
    upstreams.map((upstream, i) => ({ labels: { upstream }, value: i % 2 })),
  relayRttSeconds: () => [
    { labels: { leg: 'client' }, sum: 0.5, count: 3, cumulative: Array(16).fill(2) },
  ],
  relayPipes: () => single(undefined),
};

function registryOf(read: () => Reading | Promise<Reading>): Registry {
  const registry = new Registry();
  registerMetrics(registry, samplers, () => {
    readings++;
    return read();
  });
  return registry;
}

const samplesOf = (text: string) => text.split('\n').filter((line) => /^[a-z]/.test(line));

describe('registerMetrics', () => {
  it('writes what a reading says, in the order of the table, after a promise too', async () => {
    const registry = registryOf(async () => ({ bytes: 40, upstreams: ['a"b\\c\nd'] }));
    const text = await registry.metrics();
    expect(text).toContain('# TYPE sidetrack_relay_bytes_total counter');
    expect(text).toContain('# TYPE sidetrack_relay_rtt_seconds histogram');
    const samples = samplesOf(text);
    expect(samples).toContain('sidetrack_relay_upstream_up{upstream="a\\"b\\\\c\\nd"} 0');
    expect(samples).toContain('sidetrack_relay_rtt_seconds_bucket{le="10",leg="client"} 2');
    expect(samples).toContain('sidetrack_relay_rtt_seconds_bucket{le="+Inf",leg="client"} 3');
    expect(samples).toContain('sidetrack_relay_rtt_seconds_count{leg="client"} 3');
    expect(text).toContain('# TYPE sidetrack_relay_pipes gauge');
    expect(samples.filter((line) => line.startsWith('sidetrack_relay_pipes'))).toEqual([]);
  });

  it('makes one sample of those with the same labels', async () => {
    const registry = registryOf(() => ({ bytes: 40, upstreams: ['vps', 'vps'] }));
    const samples = samplesOf(await registry.metrics());
    expect(samples).toContain('sidetrack_relay_bytes_total{direction="upload"} 42');
    expect(samples).toContain('sidetrack_relay_upstream_up{upstream="vps"} 1');
    expect(new Set(samples.map((line) => line.split(' ')[0])).size).toBe(samples.length);
  });

  it('reads once for a scrape, and forgets series that are gone', async () => {
    const upstreams = ['vps', 'office'];
    const registry = registryOf(() => ({ bytes: 1, upstreams: [...upstreams] }));
    readings = 0;
    expect(await registry.metrics()).toContain('upstream="office"');
    expect(readings).toBe(1);
    upstreams.pop();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await registry.metrics()).not.toContain('upstream="office"');
    expect(readings).toBe(2);
  });

  it('fails a scrape when the reading fails, and the next one works', async () => {
    let isBroken = true;
    const registry = registryOf(() => {
      if (isBroken) throw new Error('no answer');
      return { bytes: 1, upstreams: [] };
    });
    await expect(registry.metrics()).rejects.toThrow('no answer');
    isBroken = false;
    expect(await registry.metrics()).toContain('sidetrack_relay_bytes_total');
  });
});
