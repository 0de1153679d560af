/** What a server's sender of heartbeats is to know. Pure. */
import type { Config, ServerConfig } from '../config/config.js';
import { ConfigError } from '../config/diagnostic.js';
import { heartbeatFileText, readHeartbeatFile } from '../heartbeat/key-file.js';
import { sameSubnet } from './address.js';
import { gatewaysOf } from './router-mac.js';
import type { DesiredHeartbeat, ObservedHost } from './state.js';

export interface HeartbeatInput {
  config: Config;
  server: ServerConfig;
  /** The server, and the router where this run sees it. */
  host: ObservedHost;
  router?: ObservedHost | undefined;
  /** What is used where the server has no key yet: 64 hexadecimal digits. */
  freshKey: string;
}

/** The key that is there, or else the fresh one. */
export function heartbeatKeyOf(
  { host, server }: Pick<HeartbeatInput, 'host' | 'server'>,
  freshKey: string,
): string {
  const found = applied(host);
  return found?.server === server.name ? found.key : freshKey;
}

/** @returns undefined where the router does not judge the server by heartbeats. */
export function desiredHeartbeat(input: HeartbeatInput): DesiredHeartbeat | undefined {
  const { config, server, freshKey } = input;
  if (server.health !== 'heartbeat') return undefined;
  const { v4, v6 } = server.address;
  const from = v4 ?? v6!;
  const address = routerAddress(input, from);
  if (address === undefined) throw unknownRouter(input, from);
  return {
    group: server.program === 'relay' ? 'sidetrack-relay' : 'sidetrack-heartbeat',
    content: heartbeatFileText({
      server: server.name,
      key: heartbeatKeyOf(input, freshKey),
      from,
      to: [{ address, port: config.health.port }],
    }),
  };
}

/** What the router itself has there; where this run does not see it what was applied, or the way to the Internet. */
function routerAddress(
  { config, server, host, router }: HeartbeatInput,
  from: string,
): string | undefined {
  if (router !== undefined) return onSubnet(config, router, from);
  const found = applied(host);
  if (found?.from === from) return found.to[0]?.address;
  const isV4 = !from.includes(':');
  return gatewaysOf(server, host).find(({ address }) => !address.includes(':') === isV4)?.address;
}

/** An interface may have several: the one on the server's subnet that stays. */
function onSubnet({ router: own }: Config, router: ObservedHost, from: string): string | undefined {
  const found = router.interfaces
    .filter(({ name }) => own.interfaces.includes(name))
    .flatMap(({ addresses }) => addresses)
    .filter(({ address, prefixLength }) => sameSubnet(address, prefixLength, from));
  return (found.find(({ temporary }) => temporary !== true) ?? found[0])?.address;
}

function applied({ heartbeat }: ObservedHost) {
  const read = heartbeat && readHeartbeatFile(heartbeat.content);
  return read && 'value' in read ? read.value : undefined;
}

function unknownRouter({ config, server, router }: HeartbeatInput, from: string): ConfigError {
  const index = config.servers.indexOf(server);
  return new ConfigError([
    {
      ...config.positionOf(['servers', index, 'address']),
      message: router
        ? `the router has no address on the subnet of ${server.name} (${from}), where its heartbeats could go`
        : `where the heartbeats of ${server.name} go is not known: the router is not asked in this run, and there is no default gateway on ${server.interface}`,
      hint: router
        ? `correct \`address\`, or write \`health: route\` for ${server.name}`
        : 'run `sidetrack apply` for both at once, or write `health: route`',
    },
  ]);
}
