import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { localPorts, readHeadroom, registerHeadroom } from '../../../monitoring/headroom.js';
import type { CounterName, RelayStats, UpstreamStats } from '../../../proxy/stats.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sidetrack-proc-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

const stats = {
  counters: { active: 7, pipes: 3, pipe_bytes: 3 << 20 } as Record<CounterName, number>,
} satisfies Pick<RelayStats, 'counters'>;
const limits = { maxConnections: 100, maxPipes: 128 };

it('says what is used and what there is', () => {
  put(
    'self/limits',
    'Max cpu time  unlimited  unlimited  seconds\nMax open files  1024  4096  files\n',
  );
  for (const fd of [0, 1, 2, 3]) put(`self/fd/${fd}`, '');
  put('sys/fs/pipe-user-pages-soft', '16384\n');
  put('sys/net/netfilter/nf_conntrack_count', '12\n');
  put('sys/net/netfilter/nf_conntrack_max', '65536\n');
  expect(readHeadroom(stats, limits, root)).toEqual({
    connections: { used: 7, limit: 100 },
    descriptors: { used: 3, limit: 1024 },
    pipes: { used: 3, limit: 128 },
    pipe_pages: { used: 768, limit: 16384 },
    conntrack: { used: 12, limit: 65536 },
  });
});

it('leaves out what is unlimited or not to be read', () => {
  put('self/limits', 'Max open files  unlimited  unlimited  files\n');
  put('self/fd/0', '');
  put('sys/fs/pipe-user-pages-soft', '0\n');
  expect(readHeadroom(stats, limits, root)).toEqual({
    connections: { used: 7, limit: 100 },
    descriptors: { used: 0 },
    pipes: { used: 3, limit: 128 },
    pipe_pages: { used: 768 },
  });
});

it('counts local ports without the reserved ones', () => {
  expect(localPorts(root)).toBeUndefined();
  put('sys/net/ipv4/ip_local_port_range', '32768\t60999\n');
  expect(localPorts(root)).toBe(28232);
  put('sys/net/ipv4/ip_local_reserved_ports', '80,32760-32777,50000,60999-65535\n');
  expect(localPorts(root)).toBe(28232 - 10 - 1 - 1);
  put('sys/net/ipv4/ip_local_reserved_ports', '\n');
  expect(localPorts(root)).toBe(28232);
});

it('an upstream has the ports of each of its addresses; direct has no limit', async () => {
  const registry = new Registry();
  const upstream = (name: string, addresses?: number) =>
    ({
      name,
      counters: { active: 5 },
      ...(addresses !== undefined && { addresses }),
    }) as UpstreamStats;
  const read = { ...stats, upstreams: [upstream('vps', 2), upstream('direct')] } as RelayStats;
  registerHeadroom(registry, () => read, limits);
  const text = await registry.metrics();
  const ports = localPorts()!;
  expect(text).toContain(`ports_limit{upstream="vps"} ${2 * ports}\n`);
  expect(text).not.toContain('ports_limit{upstream="direct"}');
  expect(text).toContain('ports_used{upstream="direct"} 5\n');
});
