/** What is left before something runs out. All of it is read from /proc when a scrape asks. */
import { readdirSync, readFileSync } from 'node:fs';
import { Gauge, type Registry } from 'prom-client';
import type { RelayStats } from '../proxy/stats.js';
import { portMetrics, resourceMetrics } from './metrics.js';

/** Of the relay itself; the kernel's are read from /proc. */
export interface RelayLimits {
  maxConnections: number;
  /** Most pipes of all threads together. */
  maxPipes: number;
}

export const RESOURCES = [
  'connections',
  'descriptors',
  'pipes',
  'pipe_pages',
  'conntrack',
] as const;
type Resource = (typeof RESOURCES)[number];
export type Headroom = Partial<Record<Resource, { used: number; limit?: number }>>;

const PAGE = 4096;

/** @param root where /proc is, for tests. */
export function readHeadroom(
  { counters }: Pick<RelayStats, 'counters'>,
  limits: RelayLimits,
  root = '/proc',
): Headroom {
  const conntrack = readNumber(`${root}/sys/net/netfilter/nf_conntrack_count`);
  const descriptors = countDescriptors(`${root}/self/fd`);
  return {
    connections: { used: counters.active, limit: limits.maxConnections },
    ...(descriptors !== undefined && {
      descriptors: withLimit(descriptors, descriptorLimit(`${root}/self/limits`)),
    }),
    pipes: { used: counters.pipes, limit: limits.maxPipes },
    pipe_pages: withLimit(
      counters.pipe_bytes / PAGE,
      // 0 switches the limit off.
      readNumber(`${root}/sys/fs/pipe-user-pages-soft`) || undefined,
    ),
    ...(conntrack !== undefined && {
      conntrack: withLimit(conntrack, readNumber(`${root}/sys/net/netfilter/nf_conntrack_max`)),
    }),
  };
}

/** Ports that connect() may choose from. */
export function localPorts(root = '/proc'): number | undefined {
  const range = read(`${root}/sys/net/ipv4/ip_local_port_range`)?.trim().split(/\s+/).map(Number);
  if (range?.length !== 2) return undefined;
  const [first, last] = range as [number, number];
  const reserved = read(`${root}/sys/net/ipv4/ip_local_reserved_ports`) ?? '';
  return last - first + 1 - countReserved(reserved, first, last);
}

/** `8080,9000-9010` */
function countReserved(text: string, first: number, last: number): number {
  const ranges = text.trim().split(',').filter(Boolean);
  return ranges.reduce((total, range) => {
    const [from = 0, to = from] = range.split('-').map(Number);
    return total + Math.max(Math.min(to, last) - Math.max(from, first) + 1, 0);
  }, 0);
}

export function registerHeadroom(
  registry: Registry,
  stats: () => RelayStats,
  limits: RelayLimits,
): void {
  for (const part of ['used', 'limit'] as const) {
    const { name, help } = resourceMetrics[part];
    const collect = function (this: Gauge) {
      this.reset();
      for (const [resource, values] of Object.entries(readHeadroom(stats(), limits)))
        if (values[part] !== undefined) this.set({ resource }, values[part]);
    };
    const labelNames = ['resource'];
    registry.registerMetric(new Gauge({ name, help, labelNames, registers: [], collect }));
  }
  registerPorts(registry, stats);
}

function registerPorts(registry: Registry, stats: () => RelayStats): void {
  const register = (
    { name, help }: { name: string; help: string },
    value: (active: number) => number | undefined,
  ) => {
    const collect = function (this: Gauge) {
      this.reset();
      for (const { name: upstream, counters } of stats().upstreams) {
        const ports = value(counters.active);
        if (ports !== undefined) this.set({ upstream }, ports);
      }
    };
    const labelNames = ['upstream'];
    registry.registerMetric(new Gauge({ name, help, labelNames, registers: [], collect }));
  };
  register(portMetrics.used, (active) => active);
  register(portMetrics.limit, () => localPorts());
}

const withLimit = (used: number, limit: number | undefined) => ({
  used,
  ...(limit !== undefined && { limit }),
});

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function readNumber(path: string): number | undefined {
  const text = read(path);
  return text === undefined || !/^\d+$/.test(text.trim()) ? undefined : Number(text);
}

function countDescriptors(path: string): number | undefined {
  try {
    // One of them is the directory that is being read.
    return readdirSync(path).length - 1;
  } catch {
    return undefined;
  }
}

/** `Max open files  1024  524288  files`; undefined when unlimited. */
function descriptorLimit(path: string): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(read(path) ?? '')?.[1];
  return soft === undefined ? undefined : Number(soft);
}
