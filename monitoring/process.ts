/** What the program says of itself, under the names that Prometheus client libraries share. */
import { readFileSync } from 'node:fs';
import type { Registry } from 'prom-client';
import { descriptorLimit, openDescriptors } from './descriptors.js';
import type { processMetrics } from './metrics/process.js';
import { registerMetrics, type Samplers, single } from './register.js';

export interface ProcessReading {
  /** Microseconds, all threads. */
  readonly cpu: { readonly user: number; readonly system: number };
  /** Unix time in seconds. */
  readonly start: number;
  /** Bytes. */
  readonly resident: number | undefined;
  readonly virtual: number | undefined;
  readonly openFds: number | undefined;
  readonly maxFds: number | undefined;
  /** Seconds. */
  readonly lag: number;
  readonly version: string;
  readonly congestion: Congestion;
}

const samples: Samplers<keyof typeof processMetrics, ProcessReading> = {
  processCpuUserSeconds: ({ cpu }) => single(cpu.user / 1e6),
  processCpuSystemSeconds: ({ cpu }) => single(cpu.system / 1e6),
  processCpuSeconds: ({ cpu }) => single((cpu.user + cpu.system) / 1e6),
  processStartTimeSeconds: ({ start }) => single(start),
  processResidentMemoryBytes: ({ resident }) => single(resident),
  processVirtualMemoryBytes: (reading) => single(reading.virtual),
  processOpenFds: ({ openFds }) => single(openFds),
  processMaxFds: ({ maxFds }) => single(maxFds),
  nodejsEventloopLagSeconds: ({ lag }) => single(lag),
  buildInfo: ({ version, congestion: { client, upstream } }) => [
    {
      labels: {
        version,
        node: process.version,
        congestion_client: client,
        congestion_upstream: upstream,
      },
      value: 1,
    },
  ],
};

/** What new connections have; empty in a program that relays none. */
export interface Congestion {
  readonly client: string;
  readonly upstream: string;
}

export const NO_CONGESTION: Congestion = { client: '', upstream: '' };

/** Connections and pipes of this process, if it has any: they tell how many descriptors are open. */
export type DescriptorUse = () => { readonly active: number; readonly pipes: number };

const NONE: DescriptorUse = () => ({ active: 0, pipes: 0 });

export function registerProcess(
  registry: Registry,
  version: string,
  use = NONE,
  congestion = () => NO_CONGESTION,
): void {
  const start = Date.now() / 1000 - process.uptime();
  registerMetrics(registry, samples, async () => ({
    cpu: process.cpuUsage(),
    start,
    resident: process.memoryUsage.rss(),
    virtual: readAddressSpace(),
    openFds: openDescriptors(use()),
    maxFds: descriptorLimit(),
    lag: await eventLoopLag(),
    version,
    congestion: congestion(),
  }));
}

/** How long a turn of the event loop takes from now on. */
async function eventLoopLag(): Promise<number> {
  const before = performance.now();
  await new Promise((resolve) => setImmediate(resolve));
  return (performance.now() - before) / 1000;
}

/** /proc/self/stat, see proc(5): the 21st field behind the program's name, which may hold anything. */
function readAddressSpace(): number | undefined {
  try {
    const text = readFileSync('/proc/self/stat', 'latin1');
    const size = text.slice(text.lastIndexOf(')') + 2).split(' ')[20];
    return size === undefined ? undefined : Number(size);
  } catch {
    return undefined;
  }
}
