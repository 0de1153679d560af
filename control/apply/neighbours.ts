/** The neighbour table, and how an address gets into it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerConfig } from '../config/config.js';
import type { Host } from '../hosts/host.js';
import { type Gateway, gatewaysOf, neighbourMac } from '../plan/router-mac.js';
import type { Neighbour, ObservedHost } from '../plan/state.js';
import { ipJson } from './ip-json.js';

interface NeighbourJson {
  dst: string;
  dev?: string;
  lladdr?: string;
  state?: string[];
}

export async function observeNeighbours(host: Host): Promise<Neighbour[]> {
  const entries = await listNeighbours(host, []);
  return entries.flatMap(({ dst, dev, lladdr }) =>
    dev && lladdr ? [{ address: dst, dev, mac: lladdr }] : [],
  );
}

const listNeighbours = (host: Host, words: readonly string[]) =>
  ipJson<NeighbourJson>(host, ['neigh', 'show', ...words]);

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
  const { status } = await host.run(['ip', 'neigh', 'replace', address, 'dev', dev, 'use']);
  if (status !== 0) return [];
  for (const end = Date.now() + LONGEST_MS; Date.now() < end; await delay(POLL_MS)) {
    const [entry] = await listNeighbours(host, ['to', address, 'dev', dev]);
    if (entry?.lladdr) return [{ address, dev, mac: entry.lladdr }];
    if (entry === undefined || entry.state?.includes('FAILED')) return [];
  }
  return [];
}
