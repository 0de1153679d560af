import { describe, expect, it } from 'vitest';
import {
  formatAge,
  formatBytes,
  order,
  type RatedConnection,
  rate,
  select,
} from '../../../control/cli/relay/connection-list.js';
import { isProblem, parseEntry } from '../../../control/config/entry.js';
import type { ListedConnection } from '../../../monitoring/control-pages.js';

const way = (bytes: number) => ({ bytes, mode: 'copy' as const, stalled: false, ended: false });

function connection(id: number, more: Partial<ListedConnection> = {}): ListedConnection {
  return {
    id,
    acceptedAt: new Date(0).toISOString(),
    age: 10,
    idle: 0,
    client: '192.168.1.10:40000',
    clientFrom: 'conntrack',
    originalDestination: '198.51.100.7:443',
    upstream: 'direct',
    state: 'relaying',
    upload: way(1000),
    download: way(2000),
    rtt: { client: 0.001 },
    ...more,
  };
}

const rated = (id: number, more: Partial<RatedConnection> = {}): RatedConnection => ({
  ...connection(id),
  uploadRate: 0,
  downloadRate: 0,
  ...more,
});

function entry(text: string) {
  const parsed = parseEntry(text);
  if (isProblem(parsed)) throw new Error(parsed.message);
  return parsed;
}

describe('rates', () => {
  it('are what moved between two lists', () => {
    const before = { at: 100, connections: [connection(1)] };
    const now = { at: 102, connections: [connection(1, { download: way(5000) })] };
    expect(rate(now, before)).toMatchObject([{ id: 1, uploadRate: 0, downloadRate: 1500 }]);
  });

  it('are averages over its age for what is new', () => {
    const now = { at: 102, connections: [connection(1)] };
    const expected = [{ uploadRate: 100, downloadRate: 200 }];
    expect(rate(now)).toMatchObject(expected);
    expect(rate(now, { at: 100, connections: [connection(9)] })).toMatchObject(expected);
    const newborn = { at: 102, connections: [connection(1, { age: 0 })] };
    expect(rate(newborn)[0]!.uploadRate).toBeLessThan(Number.POSITIVE_INFINITY);
  });
});

describe('filters', () => {
  const all = [
    rated(1),
    rated(2, { originalDestination: '[2001:db8::7]:443', client: '[fd00::9]:1', upstream: 'vps' }),
    rated(3, { originalDestination: '203.0.113.1:22' }),
  ];
  const ids = (filter: Parameters<typeof select>[1]) => select(all, filter).map(({ id }) => id);

  it('take addresses, networks and ranges of both families', () => {
    expect(ids({})).toEqual([1, 2, 3]);
    expect(ids({ to: entry('198.51.100.7') })).toEqual([1]);
    expect(ids({ to: entry('0.0.0.0/0') })).toEqual([1, 3]);
    expect(ids({ to: entry('203.0.113.0-203.0.113.9') })).toEqual([3]);
    expect(ids({ to: entry('2001:db8::/32') })).toEqual([2]);
    expect(ids({ client: entry('fd00::/8') })).toEqual([2]);
    expect(ids({ client: entry('192.168.1.0/24'), to: entry('203.0.113.1') })).toEqual([3]);
    expect(ids({ upstream: 'vps' })).toEqual([2]);
  });
});

describe('order', () => {
  it('puts the largest first, and the older of equals', () => {
    const all = [
      rated(1, { age: 5, upload: way(10), downloadRate: 3 }),
      rated(2, { age: 7, upload: way(30), downloadRate: 1 }),
      rated(3, { age: 9, upload: way(20), downloadRate: 1 }),
    ];
    const ids = (by: 'age' | 'bytes' | 'rate') => order(all, by).map(({ id }) => id);
    expect(ids('age')).toEqual([3, 2, 1]);
    expect(ids('bytes')).toEqual([2, 3, 1]);
    expect(ids('rate')).toEqual([1, 3, 2]);
  });
});

describe('words', () => {
  it.each([
    [0, '0'],
    [999, '999'],
    [999.6, '1.00k'],
    [1234, '1.23k'],
    [9996, '10.0k'],
    [99_960, '100k'],
    [45_600_000, '45.6M'],
    [999_600_000, '1.00G'],
    [2e18, '2000P'],
  ])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [0.4, '0s'],
    [59.9, '59s'],
    [200, '3m20s'],
    [7500, '2h05m'],
    [356_400, '4d03h'],
  ])('%d seconds are %s', (seconds, text) => expect(formatAge(seconds)).toBe(text));
});
