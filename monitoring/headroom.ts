/** What is left before something runs out. All of it is read from /proc when a scrape asks. */
import { readFileSync } from 'node:fs';
import type { Registry } from 'prom-client';
import type { RelayStats } from '../proxy/stats.js';
import { descriptorLimit, openDescriptors } from './descriptors.js';
import { RESOURCES } from './metrics/relay.js';
import { registerMetrics } from './register.js';

/** Of the relay itself; the kernel's are read from /proc. */
export interface RelayLimits {
  maxConnections: number;
  /** Most pipes of all threads together. */
  maxPipes: number;
}

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
  const descriptors = openDescriptors(counters, root);
  return {
    connections: { used: counters.active, limit: limits.maxConnections },
    ...(descriptors !== undefined && {
      descriptors: withLimit(descriptors, descriptorLimit(root)),
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

interface HeadroomReading {
  readonly resources: Headroom;
  readonly upstreams: RelayStats['upstreams'];
  readonly ports: number | undefined;
}

const headroomSamples = {
  relayResourceUsed: ({ resources }: HeadroomReading) => byResource(resources, 'used'),
  relayResourceLimit: ({ resources }: HeadroomReading) => byResource(resources, 'limit'),
  relayUpstreamPortsUsed: ({ upstreams }: HeadroomReading) =>
    upstreams.map(({ name, counters }) => ({ labels: { upstream: name }, value: counters.active })),
  // Each address has as many; `direct` has those of each destination, which is no limit to speak of.
  relayUpstreamPortsLimit: ({ upstreams, ports }: HeadroomReading) =>
    upstreams.flatMap(({ name, addresses }) =>
      ports === undefined || addresses === undefined
        ? []
        : { labels: { upstream: name }, value: ports * addresses },
    ),
};
export type HeadroomKey = keyof typeof headroomSamples;

export function registerHeadroom(
  registry: Registry,
  stats: () => RelayStats,
  limits: RelayLimits,
): void {
  registerMetrics<HeadroomKey, HeadroomReading>(registry, headroomSamples, () => {
    const read = stats();
    return {
      resources: readHeadroom(read, limits),
      upstreams: read.upstreams,
      ports: localPorts(),
    };
  });
}

function byResource(resources: Headroom, part: 'used' | 'limit') {
  return RESOURCES.flatMap((resource) => {
    const value = resources[resource]?.[part];
    return value === undefined ? [] : [{ labels: { resource }, value }];
  });
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
