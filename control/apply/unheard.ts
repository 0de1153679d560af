/**
 * After a change: servers that are to say that they are fit, and say nothing. A relay of an earlier version
 * sends no heartbeats, and a firewall may stop them; the router would give such a server no flows.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerConfig } from '../config/config.js';
import type { Diagnostic } from '../config/diagnostic.js';
import { ask } from '../hosts/host.js';
import { targetsOf } from '../plan/targets.js';
import { type Deployment, type HostPlan, wantedSets } from './deployment.js';
import { ROUTER } from './macs.js';
import { observeHost } from './observe.js';
import { healthSetsQuery, knownServers, serversIn } from './server-health.js';

/** A relay that is told of its key begins within a second. */
const PATIENCE_MS = 4000;
const POLL_MS = 250;
const RECENT_SECONDS = 2;

/**
 * Waits for the first heartbeat of each server that should send any.
 * @param hosts as they were carried out; without the router nothing is asked
 */
export async function unheardServers(
  deployment: Deployment,
  hosts: readonly HostPlan[],
): Promise<Diagnostic[]> {
  if (!hosts.some(({ name }) => name === ROUTER)) return [];
  let silent = deployment.config.servers.filter((one) => shouldSpeak(deployment, one, hosts));
  for (const end = Date.now() + PATIENCE_MS; silent.length > 0; await delay(POLL_MS)) {
    const waitsFor = await unheard(deployment);
    silent = silent.filter(({ name }) => waitsFor.has(name));
    if (Date.now() > end) break;
  }
  return silent.map((server) => warning(deployment, server));
}

/** Where nothing listens yet that has been said, and heartbeats come with what will. */
function shouldSpeak(
  { offer }: Deployment,
  { name, health, port }: ServerConfig,
  hosts: readonly HostPlan[],
): boolean {
  if (health !== 'heartbeat') return false;
  const host = hosts.find((one) => one.name === name);
  return offer?.package !== undefined || (host?.observed.listeningPorts.includes(port) ?? true);
}

/** Servers that the router goes by the heartbeats of, and has not heard of late. */
async function unheard(deployment: Deployment): Promise<ReadonlySet<string>> {
  const host = deployment.hosts.get(ROUTER)!;
  const { config } = deployment;
  const observed = await observeHost(host, wantedSets(deployment, ROUTER));
  const { sets } = await ask(host, { sets: healthSetsQuery(config) });
  const targets = targetsOf(config, observed).filter(({ health }) => health === 'heartbeat');
  const known = knownServers({
    targets,
    listing: { sets, chains: [] },
    servers: serversIn(observed.classifier),
  });
  const heard = known.filter(
    ({ lastHeardSeconds = Infinity }) => lastHeardSeconds <= RECENT_SECONDS,
  );
  const names = new Set(heard.map(({ server }) => server));
  return new Set(targets.map(({ name }) => name).filter((name) => !names.has(name)));
}

function warning({ config }: Deployment, { name, program }: ServerConfig): Diagnostic {
  const sender =
    program === 'relay'
      ? `update the relay there (sidetrack apply --install, or restart it)`
      : `start \`sidetrack heartbeat\` there`;
  const index = config.servers.findIndex((server) => server.name === name);
  return {
    ...config.positionOf(['servers', index, 'health']),
    message: `the router has heard no heartbeat of ${name}, and gives it no new connections until it does`,
    hint: `${sender}, let it send UDP to port ${config.health.port} of the router, or write \`health: route\``,
  };
}
