/** The neighbour table, and how an address gets into it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Query } from '../command/query.js';
import type { ServerConfig } from '../config/config.js';
import { ask, type Host } from '../hosts/host.js';
import { type Gateway, gatewaysOf, neighbourMac } from '../plan/router-mac.js';
import type { Neighbour, ObservedHost } from '../plan/state.js';
import { ipQuery } from '../resources/ip-json.js';
import { neighbourList } from '../resources/ip-shapes.js';

export const neighboursQuery: Query<Neighbour[]> = ipQuery(
  ['neigh', 'show'],
  neighbourList,
  (entries) =>
    entries.flatMap(({ dst, dev, lladdr }) =>
      dev && lladdr ? [{ address: dst, dev, mac: lladdr }] : [],
    ),
);

/** `observed`, with those default gateways of the server that answer when they are asked. */
export async function resolveGateways(
  host: Host,
  server: ServerConfig,
  observed: ObservedHost,
): Promise<ObservedHost> {
  const unknown = gatewaysOf(server, observed).filter(
    (gateway) => neighbourMac(observed, gateway) === undefined,
  );
  const found = await Promise.all(unknown.map((gateway) => resolve(host, gateway)));
  return { ...observed, neighbours: [...observed.neighbours, ...found.flat()] };
}

const POLL_MS = 50;
/** The kernel asks three times, once a second, before it says FAILED. */
const LONGEST_MS = 5000;

/** `use` makes the kernel ask as it does for a packet, and changes nothing where the MAC is known. */
async function resolve(host: Host, { address, dev }: Gateway): Promise<Neighbour[]> {
  const argv = ['ip', 'neigh', 'replace', address, 'dev', dev, 'use'];
  const { status } = await host.run({ argv });
  if (status !== 0) return [];
  const found = ipQuery(
    ['neigh', 'show', 'to', address, 'dev', dev],
    neighbourList,
    ([one]) => one,
  );
  for (const end = Date.now() + LONGEST_MS; Date.now() < end; await delay(POLL_MS)) {
    const { found: entry } = await ask(host, { found });
    if (entry?.lladdr) return [{ address, dev, mac: entry.lladdr }];
    if (entry === undefined || entry.state?.includes('FAILED')) return [];
  }
  return [];
}
