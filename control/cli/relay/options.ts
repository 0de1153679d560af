/** The relay's part of the configuration as the engine's options. */
import type { RelayOptions } from '../../../proxy/relay.js';
import type { Upstream } from '../../../proxy/upstreams.js';
import type { Config, ServerConfig } from '../../config/config.js';
import { relayGuard } from '../../policy/relay-guard.js';
import { compileRoutes } from '../../policy/routes.js';
import { attached } from './attached.js';
import { probeTarget } from './probe-request.js';

const MS = 1000;

/** Seconds become milliseconds; what the file leaves open stays open. */
export function relayOptions(
  config: Config,
  { port, capture }: ServerConfig,
  upstreams: readonly Upstream[],
): RelayOptions {
  const { relay } = config;
  return {
    port,
    capture,
    ...(relay.threads !== undefined && { threads: relay.threads }),
    ...(relay.maxConnections !== undefined && { maxConnections: relay.maxConnections }),
    ...(relay.maxConnectionsPerClient !== undefined && {
      maxConnectionsPerClient: relay.maxConnectionsPerClient,
    }),
    ...(relay.maxHandshakes !== undefined && { maxHandshakes: relay.maxHandshakes }),
    fastOpen: relay.fastOpen,
    clientKeepaliveS: relay.keepaliveSeconds,
    connectTimeoutMs: relay.connectTimeoutSeconds * MS,
    handshakeTimeoutMs: relay.handshakeTimeoutSeconds * MS,
    idleTimeoutMs: relay.idleTimeoutSeconds * MS,
    halfCloseTimeoutMs: relay.halfCloseTimeoutSeconds * MS,
    upstreams,
    strategy: relay.strategy,
    tcpInfo: relay.tcpInfo,
    log: relay.accessLog !== undefined,
    ...(relay.probe !== undefined && {
      probe: {
        answer: relay.probe.answer,
        targets: relay.probe.targets.map((target) => probeTarget(target, relay.probe!.answer)),
        intervalMs: relay.probe.intervalSeconds * MS,
        timeoutMs: relay.probe.timeoutSeconds * MS,
      },
    }),
    routing: compileRoutes(config),
    guard: relayGuard(config, attached()),
  };
}
