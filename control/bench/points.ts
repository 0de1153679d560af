/** The machines that take part. */
import type { Host } from '../hosts/host.js';
import type { Machine } from './document.js';
import type { HostFacts } from './facts.js';

/** A machine that takes part, and what it said of itself. */
export interface Point {
  name: string;
  host: Host;
  facts: HostFacts;
}

export interface BenchPoints {
  client: Point;
  /** Where iperf3 is started; absent where one runs already. */
  server?: Point;
  /** Whose processors are looked at, too. */
  observed: readonly Point[];
}

export const allPoints = ({ client, server, observed }: BenchPoints): Point[] => [
  client,
  ...(server ? [server] : []),
  ...observed,
];

/** Two names may be one machine, which is told by the number of its boot; the first of them stands for it. */
export function machinesOf(points: BenchPoints): Point[] {
  const all = allPoints(points);
  return all.filter(
    ({ facts }, i) =>
      facts.boot === undefined || all.findIndex((one) => one.facts.boot === facts.boot) === i,
  );
}

export function machineOf({ name, host, facts }: Point): Machine {
  const { interpreters: _, ...rest } = facts;
  return { name, address: host.address, ...rest };
}

/** The prober runs on both sides. */
export const canProbe = ({ client, server }: BenchPoints): boolean =>
  client.facts.interpreters.length > 0 && (server?.facts.interpreters.length ?? 0) > 0;
