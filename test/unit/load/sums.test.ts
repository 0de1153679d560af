/** What `make load` calls a violation: each of these must be one, and a leak must not hide in noise. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { metrics } from '../../../monitoring/metrics.js';
import { parseMetrics, Scrape } from '../../load/steered/counters.js';
import { trendOf } from '../../load/steered/leak.js';
import { isFine, renderHtml, renderText } from '../../load/steered/report.js';
import { leakChecks, type Sample } from '../../load/steered/soak.js';
import { type Check, type Counted, checkSums, type Done } from '../../load/steered/sums.js';

const DONE: Done = {
  connections: 10,
  upload: { least: 1_000_000, most: 1_100_000 },
  download: { least: 500_000, most: 500_100 },
};

type Key = Parameters<Counted['grown']>[0];

/** All that agrees, with some of it changed: `key` or `key direction`. */
function violations(changes: Readonly<Record<string, number>> = {}, router = {}): string[] {
  const bytes = { upload: 1_050_000, download: 500_050 };
  const usual: Partial<Record<Key, number>> = {
    relayTransferredBytes: bytes.upload + bytes.download,
    relayConnectErrors: 0,
    relayRejected: 0,
  };
  const grown: Counted['grown'] = (key, labels = {}) => {
    const changed = changes[`${key} ${labels.direction ?? ''}`.trim()];
    if (changed !== undefined) return changed;
    if (!key.endsWith('Bytes') || key in usual) return usual[key] ?? 10;
    if (labels.direction === 'upload') return bytes.upload;
    return labels.direction === 'download' ? bytes.download : bytes.upload + bytes.download;
  };
  const checks = checkSums(DONE, {
    grown,
    now: (key) => changes[`now ${key}`] ?? 0,
    router: {
      steered: { packets: 1000, bytes: 1_050_000 + 60_000 },
      ...{ rules: { lan: 0, rest: 11 }, refused: 0 },
      ...router,
    },
  });
  return checks.filter(({ ok }) => !ok).map(({ name }) => name);
}

describe('sums', () => {
  it('that agree are fine', () => expect(violations()).toEqual([]));

  it.each([
    [{ 'relayRouteBytes upload': 1_049_999 }, 'upload: bytes of routes'],
    [{ 'relayUpstreamBytes download': 500_051 }, 'download: bytes of routes'],
    [{ 'relayBytes upload': 999_999 }, 'upload: what was received'],
    [{ 'relayBytes download': 500_101 }, 'download: what was received'],
    [{ relayTransferredBytes: 1 }, 'bytes of modes'],
    [{ relayConnections: 9 }, 'connections that were opened'],
    [{ relayClosed: 9 }, 'connections that were opened'],
    [{ relayConnectErrors: 1 }, 'no connection failed'],
    [{ 'now relayConnectionsActive': 1 }, 'no connection failed'],
    [{ 'now relayUpstreamActive': 1 }, 'no connection failed'],
  ])('%j is a violation', (changes, name) =>
    expect(violations(changes)).toEqual(expect.arrayContaining([expect.stringContaining(name)])),
  );

  it.each([
    [{ steered: { packets: 1000, bytes: 1_000_000 } }, 'steered bytes'],
    [{ steered: { packets: 1000, bytes: 9_000_000 } }, 'steered bytes'],
    [{ rules: { rest: 9 } }, 'packets that opened flows'],
    [{ refused: 1 }, 'no flow was left'],
  ])('%j of the router is a violation', (router, name) =>
    expect(violations({}, router)).toEqual([expect.stringContaining(name)]),
  );
});

describe('the page of the relay', () => {
  const { name } = metrics.relayBytes;
  const text = `# HELP x y\n${name}{direction="upload"} 3\n${name}{direction="download",odd="a\\"}b"} 4.5\nother 1e3\n`;

  it('is read as Prometheus writes it', () => {
    expect(parseMetrics(text)).toEqual([
      { name, labels: { direction: 'upload' }, value: 3 },
      { name, labels: { direction: 'download', odd: 'a\\"}b' }, value: 4.5 },
      { name: 'other', labels: {}, value: 1000 },
    ]);
    const page = new Scrape(parseMetrics(text));
    expect(page.sum('relayBytes')).toBe(7.5);
    expect(page.sum('relayBytes', { direction: 'upload' })).toBe(3);
    expect(page.sum('relayStalls')).toBe(0);
  });

  it('that is none is an error', () =>
    expect(() => parseMetrics('<html>\n')).toThrow('this is no sample: <html>'));
});

describe('a leak', () => {
  const ROUND = 2072;
  const samples = (perConnection: number, noise: (i: number) => number): Sample[] =>
    Array.from({ length: 20 }, (_, i) => ({
      memory: 90e6 + i * ROUND * perConnection + noise(i),
      ...{ descriptors: 34, pipes: 8 },
    }));
  const bad = (all: readonly Sample[]) =>
    leakChecks(all)
      .filter(({ ok }) => !ok)
      .map(({ name }) => name);

  it('of one record for each connection is seen through a megabyte of noise', () => {
    const noise = fc.array(fc.double({ min: -5e5, max: 5e5, noNaN: true }), {
      minLength: 20,
      maxLength: 20,
    });
    fc.assert(
      fc.property(noise, (values) => {
        expect(bad(samples(520, (i) => values[i]!))).toEqual(['resident memory is flat']);
        expect(bad(samples(0, (i) => values[i]! / 50))).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('of descriptors is seen', () => {
    const all = samples(0, () => 0).map((one, i) => ({ ...one, descriptors: 34 + 10 * i }));
    expect(bad(all)).toEqual(['descriptors are flat']);
    // What fills in the first rounds stays.
    const filling = all.map((one, i) => ({ ...one, descriptors: 34 + Math.min(i, 6) }));
    expect(bad(filling)).toEqual([]);
  });

  it('has a slope', () => {
    expect(trendOf([1, 3, 5, 7])).toEqual({ slope: 2, least: 2 });
    expect(trendOf([1, 9, 1, 9, 1]).least).toBeLessThan(0);
    expect(() => trendOf([1, 2])).toThrow('three samples');
  });
});

describe('the report', () => {
  const check = (ok: boolean): Check => ({ name: 'bytes | sums', ok, detail: '1 ≤ 2' });
  const report = (ok: boolean) => ({
    ...{ version: 1 as const, date: '2026-01-01', machine: 'a machine' },
    phases: [
      { name: '1 flows', seconds: 3, connections: 2, bitsPerSecond: 2.5e9, checks: [check(ok)] },
    ],
  });

  it('is fine when every check is', () => {
    expect(isFine(report(true))).toBe(true);
    expect(isFine(report(false))).toBe(false);
    expect(isFine({ ...report(true), error: 'no' })).toBe(false);
    expect(renderText(report(true))).toBe(
      'load     connections  seconds  Gbit/s  retransmits  checks\n1 flows            2      3.0    2.50            -    1 ok',
    );
  });

  it('names what is violated', () => {
    const text = renderText({ ...report(false), error: 'it broke' });
    expect(text).toContain(
      '1 of 1 VIOLATED\nVIOLATED 1 flows: bytes | sums: 1 ≤ 2\nit ended early: it broke',
    );
    const page = renderHtml({ ...report(false), machine: '<script>' });
    expect(page).toContain('<td>VIOLATED</td><td>bytes | sums</td>');
    expect(page).toContain('&lt;script&gt;');
  });
});
