/** The relay's part of the configuration as the engine's options. */
import type { RelayOptions } from '../../proxy/relay.js';
import type { Upstream } from '../../proxy/upstreams.js';
import type { Config, ServerConfig } from '../config/config.js';
import { compileRoutes } from '../policy/routes.js';

const MS = 1000;

/** Seconds become milliseconds; what the file leaves open stays open. */
export function relayOptions(
  config: Config,
  { port }: ServerConfig,
  upstreams: readonly Upstream[],
): RelayOptions {
  const { relay } = config;
  return {
    port,
    ...(relay.threads !== undefined && { threads: relay.threads }),
    ...(relay.maxConnections !== undefined && { maxConnections: relay.maxConnections }),
    connectTimeoutMs: relay.connectTimeoutSeconds * MS,
    handshakeTimeoutMs: relay.handshakeTimeoutSeconds * MS,
    idleTimeoutMs: relay.idleTimeoutSeconds * MS,
    halfCloseTimeoutMs: relay.halfCloseTimeoutSeconds * MS,
    upstreams,
    strategy: relay.strategy,
    ...(relay.probe !== undefined && {
      probe: {
        ...relay.probe.destination,
        intervalMs: relay.probe.intervalSeconds * MS,
        timeoutMs: relay.probe.timeoutSeconds * MS,
      },
    }),
    routing: compileRoutes(config),
  };
}
