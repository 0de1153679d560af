import { describe, expect, it } from 'vitest';
import { relayRegistry } from '../../../monitoring/collect.js';
import { metrics } from '../../../monitoring/metrics.js';
import {
  COUNTERS_SIZE,
  counterOffset,
  histogramOffset,
  MODE_BYTES_OFFSET,
  MODE_CHANGES_OFFSET,
  modes,
  OUTCOME_COUNTERS_OFFSET,
  outcomes,
  ROUTE_COUNTERS_OFFSET,
  ROUTE_COUNTERS_SIZE,
  routeCounterOffset,
  UPSTREAM_COUNTERS_OFFSET,
  UPSTREAM_COUNTERS_SIZE,
  UPSTREAM_ERRORS_OFFSET,
  upstreamCounterOffset,
} from '../../../proxy/abi.js';
import { type Outcome, sumStats } from '../../../proxy/stats.js';

/** Counter pages as the engine would write them. */
class Pages {
  readonly pages = [Buffer.alloc(COUNTERS_SIZE), Buffer.alloc(COUNTERS_SIZE)];

  add(offset: number, amount: number, thread = 0): this {
    const page = this.pages[thread]!;
    page.writeBigUInt64LE(page.readBigUInt64LE(offset) + BigInt(amount), offset);
    return this;
  }

  end(outcome: Outcome, amount: number): this {
    return this.add(OUTCOME_COUNTERS_OFFSET + 8 * outcomes.indexOf(outcome), amount);
  }

  upstream(index: number, offset: number, amount: number, thread = 0): this {
    const start = UPSTREAM_COUNTERS_OFFSET + index * UPSTREAM_COUNTERS_SIZE;
    return this.add(start + offset, amount, thread);
  }

  /** Whole microseconds below 100, which have a bucket each. */
  observe(name: keyof typeof histogramOffset, microseconds: number, thread = 0): this {
    const offset = histogramOffset[name];
    this.add(offset, microseconds, thread);
    return this.add(offset + 8 * (microseconds + 1), 1, thread);
  }

  registry() {
    return relayRegistry(
      () =>
        sumStats(this.pages, { upstreams: ['vps', 'direct'], routes: ['default', 'lan'] }, HEALTH),
      '1.2.3',
      undefined,
      () => ({ client: 'cubic', upstream: 'bbr' }),
    );
  }
}

/** The second upstream has failed, and the name of the first has no address. */
const HEALTH = {
  isFailing: (slot: number) => slot === 1,
  isResting: () => false,
  isUnresolved: (slot: number) => slot === 0,
  isSilent: () => false,
  isListening: (family: string) => family === 'ipv4',
  isRefused: (family: string) => family === 'ipv6',
  isLacking: (slot: number, family: string) => slot === 1 && family === 'ipv6',
  forbiddenPorts: () => [],
};

const lines = async (pages: Pages) => (await pages.registry().metrics()).split('\n');

describe('the registry', () => {
  it('adds up the threads', async () => {
    const pages = new Pages().add(counterOffset.accepted_ipv4, 3).add(counterOffset.active, 1);
    pages.add(counterOffset.accepted_ipv4, 4, 1).add(counterOffset.active, 2, 1);
    const text = await lines(pages);
    expect(text).toContain('sidetrack_relay_connections_total{family="ipv4"} 7');
    expect(text).toContain('sidetrack_relay_connections_total{family="ipv6"} 0');
    expect(text).toContain('sidetrack_relay_connections_active 3');
  });

  it('shows every reason from the start, at zero', async () => {
    const text = await lines(new Pages());
    for (const { name, labels } of [
      metrics.relayConnectErrors,
      metrics.relayRejected,
      metrics.relayClosed,
    ])
      for (const reason of labels.reason) expect(text).toContain(`${name}{reason="${reason}"} 0`);
  });

  it('says why connections failed', async () => {
    const text = await lines(new Pages().end('refused', 5).end('loop', 2).end('finished', 9));
    expect(text).toContain('sidetrack_relay_connect_errors_total{reason="refused"} 5');
    expect(text).toContain('sidetrack_relay_rejected_total{reason="loop"} 2');
    expect(text).toContain('sidetrack_relay_closed_total{reason="finished"} 9');
  });

  it('tells the upstreams apart', async () => {
    const { connections, active } = upstreamCounterOffset;
    const refused = UPSTREAM_ERRORS_OFFSET + 8 * outcomes.indexOf('refused');
    const pages = new Pages().upstream(0, connections, 5).upstream(0, active, 1);
    pages.upstream(0, connections, 2, 1).upstream(1, connections, 1).upstream(0, refused, 4);
    const text = await lines(pages);
    expect(text).toContain('sidetrack_relay_upstream_connections_total{upstream="vps"} 7');
    expect(text).toContain('sidetrack_relay_upstream_connections_total{upstream="direct"} 1');
    expect(text).toContain('sidetrack_relay_upstream_active{upstream="vps"} 1');
    const errors = 'sidetrack_relay_upstream_errors_total';
    expect(text).toContain(`${errors}{upstream="vps",reason="refused"} 4`);
    expect(text).toContain(`${errors}{upstream="direct",reason="upstream_auth"} 0`);
  });

  it('stays monotonic from scrape to scrape', async () => {
    const pages = new Pages().add(counterOffset.download_bytes, 1000);
    const registry = pages.registry();
    const sample = 'sidetrack_relay_bytes_total{direction="download"}';
    expect(await registry.metrics()).toContain(`${sample} 1000\n`);
    expect(await registry.metrics()).toContain(`${sample} 1000\n`);
    pages.add(counterOffset.download_bytes, 500);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await registry.metrics()).toContain(`${sample} 1500\n`);
  });

  it.each(modes.map((mode, i) => [mode, i] as const))('counts what goes by %s', async (mode, i) => {
    const pages = new Pages().add(MODE_BYTES_OFFSET + 8 * i, 7).add(MODE_CHANGES_OFFSET + 8 * i, 2);
    pages.add(MODE_BYTES_OFFSET + 8 * i, 1, 1);
    const text = await lines(pages);
    expect(text).toContain(`sidetrack_relay_transferred_bytes_total{mode="${mode}"} 8`);
    expect(text).toContain(`sidetrack_relay_mode_changes_total{to="${mode}"} 2`);
    expect(text.filter((line) => /^sidetrack_relay_(tr|mode).* [1-9]/.test(line))).toHaveLength(2);
  });

  it('exports histograms with cumulative buckets, sum and count', async () => {
    const pages = new Pages().observe('connect', 50).observe('connect', 99, 1);
    const text = await lines(pages);
    const name = 'sidetrack_relay_connect_seconds';
    expect(text).toContain(`# TYPE ${name} histogram`);
    expect(text).toContain(`${name}_bucket{le="0.0001"} 2`);
    expect(text).toContain(`${name}_bucket{le="10"} 2`);
    expect(text).toContain(`${name}_bucket{le="+Inf"} 2`);
    expect(text).toContain(`${name}_sum 0.000149`);
    expect(text).toContain(`${name}_count 2`);
  });

  it('tells the versions', async () => {
    expect(await lines(new Pages())).toContain(
      `sidetrack_build_info{version="1.2.3",node="${process.version}",congestion_client="cubic",congestion_upstream="bbr"} 1`,
    );
  });

  it('shows what routes and upstreams moved, and which are in favour', async () => {
    const upstream = UPSTREAM_COUNTERS_OFFSET + UPSTREAM_COUNTERS_SIZE;
    const route = ROUTE_COUNTERS_OFFSET + ROUTE_COUNTERS_SIZE;
    const pages = new Pages()
      .add(upstream + upstreamCounterOffset.upload_bytes, 5)
      .add(upstream + upstreamCounterOffset.upload_bytes, 2, 1)
      .add(upstream + upstreamCounterOffset.probes_failed, 3)
      .add(upstream + upstreamCounterOffset.probe_us, 1500)
      .add(route + routeCounterOffset.connections, 4)
      .add(route + routeCounterOffset.download_bytes, 9, 1);
    expect(await lines(pages)).toEqual(
      expect.arrayContaining([
        'sidetrack_relay_upstream_bytes_total{upstream="direct",direction="upload"} 7',
        'sidetrack_relay_upstream_bytes_total{upstream="vps",direction="upload"} 0',
        'sidetrack_relay_upstream_probes_total{upstream="direct",result="failure"} 3',
        'sidetrack_relay_upstream_probe_seconds{upstream="direct"} 0.0015',
        'sidetrack_relay_upstream_up{upstream="vps"} 0',
        'sidetrack_relay_upstream_carries{upstream="direct",family="ipv6"} 0',
        'sidetrack_relay_upstream_carries{upstream="direct",family="ipv4"} 1',
        'sidetrack_relay_listening{family="ipv4"} 1',
        'sidetrack_relay_listening{family="ipv6"} 0',
        'sidetrack_relay_upstream_resolved{upstream="vps"} 0',
        'sidetrack_relay_upstream_resolved{upstream="direct"} 1',
        'sidetrack_relay_upstream_up{upstream="direct"} 0',
        'sidetrack_relay_route_connections_total{route="lan"} 4',
        'sidetrack_relay_route_bytes_total{route="lan",direction="download"} 9',
        'sidetrack_relay_route_connections_total{route="default"} 0',
      ]),
    );
  });

  it('shows every counter, outcome and histogram of the engine', async () => {
    const pages = new Pages();
    const shown: [string, number][] = [];
    const put = (name: string, offset: number, inText = (value: number) => value) => {
      const value = 1_000_001 + shown.length;
      pages.add(offset, value);
      shown.push([name, inText(value)]);
    };
    outcomes.forEach((name, i) => {
      if (name !== 'open') put(name, OUTCOME_COUNTERS_OFFSET + 8 * i);
    });
    const seconds = (value: number) => value / 1e6;
    for (const [name, offset] of Object.entries(counterOffset))
      put(name, offset, name.endsWith('_us') ? seconds : undefined);
    for (const [name, offset] of Object.entries(upstreamCounterOffset))
      put(name, UPSTREAM_COUNTERS_OFFSET + offset, name === 'probe_us' ? seconds : undefined);
    for (const [name, offset] of Object.entries(routeCounterOffset))
      put(name, ROUTE_COUNTERS_OFFSET + offset);
    for (const [name, offset] of Object.entries(histogramOffset)) put(name, offset, seconds);
    const values = new Set((await lines(pages)).map((line) => line.split(' ').at(-1)));
    expect(shown.filter(([, value]) => !values.has(String(value)))).toEqual([]);
  });
});
