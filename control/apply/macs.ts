/** The MACs by which router and server know each other's frames. */
import type { Config, ServerConfig } from '../config/config.js';
import { ConfigError, type Problem } from '../config/diagnostic.js';
import type { Host } from '../hosts/host.js';
import { gatewaysOf, macsOfGateways, macsOfRouter } from '../plan/router-mac.js';
import type { ObservedHost } from '../plan/state.js';
import { resolveGateways } from './neighbours.js';

export const ROUTER = 'router';

interface Seen {
  config: Config;
  hosts: ReadonlyMap<string, Host>;
}

/** MACs of all servers by name: as configured, from the server itself, from the router's neighbour table, or as applied last. */
export function serverMacs(
  config: Config,
  observed: ReadonlyMap<string, ObservedHost>,
): Map<string, string> {
  return new Map(
    config.servers.map((server, index) => [
      server.name,
      serverMac(config, index, server, observed),
    ]),
  );
}

function serverMac(
  config: Config,
  index: number,
  server: ServerConfig,
  observed: ReadonlyMap<string, ObservedHost>,
): string {
  if (server.mac !== 'auto') return server.mac;
  const own = observed
    .get(server.name)
    ?.interfaces.find(({ name }) => name === server.interface)?.mac;
  const { neighbours = [] } = observed.get(ROUTER) ?? {};
  const heard = (wanted: string | undefined) =>
    neighbours.find(({ address }) => address === wanted)?.mac;
  // One that is silent keeps the MAC that it was applied with.
  const applied = observed
    .get(ROUTER)
    ?.saved?.targets?.find(({ name }) => name === server.name)?.mac;
  const known = own ?? heard(server.address.v4) ?? heard(server.address.v6) ?? applied;
  if (known !== undefined) return known;
  throw new ConfigError([
    {
      ...config.positionOf(['servers', index, 'mac']),
      message: `the MAC of ${server.name} is not known here`,
      hint: `write it down (\`mac: …\`, from \`ip link show ${server.interface}\` there), or ping ${server.address.v4 ?? server.address.v6} first`,
    },
  ]);
}

/** Asks for gateways that the servers have not talked to yet, where the router itself is not seen. */
export async function resolveMacs(
  { config, hosts }: Seen,
  observed: ReadonlyMap<string, ObservedHost>,
): Promise<Map<string, ObservedHost>> {
  const asks = config.router.macs.includes('auto') && !observed.has(ROUTER);
  const entries = [...observed].map(async ([name, host]) => {
    const server = config.servers.find((one) => one.name === name);
    if (!server || !asks) return [name, host] as const;
    return [name, await resolveGateways(hosts.get(name)!, server, host)] as const;
  });
  return new Map(await Promise.all(entries));
}

/** As configured, and for `auto` from the router itself or from the server's neighbour table. */
export function routerMacs(
  config: Config,
  server: ServerConfig,
  observed: ReadonlyMap<string, ObservedHost>,
): string[] {
  const written = config.router.macs.filter((mac) => mac !== 'auto');
  if (written.length === config.router.macs.length) return written;
  const router = observed.get(ROUTER);
  const host = observed.get(server.name)!;
  const learned = router ? macsOfRouter(config, server, router) : macsOfGateways(server, host);
  if (learned.length > 0) return [...new Set([...written, ...learned])];
  throw unknownRouter(config, host, router ? offLink(config, server) : silence(server, host));
}

const WRITE_DOWN =
  'write it down (`router: { mac: … }`, from `ip link show` of its LAN interface there)';

/** The router was looked at, so the file is wrong about the link. */
function offLink({ router }: Config, { name }: ServerConfig): Problem {
  return {
    message: `of its ${router.interfaces.join(', ')} none is on the subnet of ${name}`,
    hint: `correct \`router.interfaces\` or the \`address\` of ${name}`,
  };
}

function silence(server: ServerConfig, host: ObservedHost): Problem {
  const addresses = gatewaysOf(server, host).map(({ address }) => address);
  const message =
    addresses.length === 0
      ? `${server.name} has no default gateway on ${server.interface}`
      : `${addresses.join(' and ')} did not answer on ${server.interface}`;
  return { message, hint: WRITE_DOWN };
}

function unknownRouter(config: Config, host: ObservedHost, why: Problem): ConfigError {
  return new ConfigError([
    {
      ...config.positionOf(['router', 'mac']),
      ...why,
      message: `the MAC of the router is not known on ${host.address}: ${why.message}`,
    },
  ]);
}
