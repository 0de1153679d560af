/** The relay as a package and a systemd unit on a server: what there should be. What is there is `resources/relay-query.ts`'s. */
import type { Config, ServerConfig } from '../config/config.js';
import { ownRelayConfig, relayConfigText, secretFiles } from './relay-config.js';
import { RELAY_CONFIG, unitDropIn, unitSettings } from './relay-unit.js';
import type { DesiredRelay, ObservedHost, ObservedRelay, RelayPackage } from './state.js';

/** What the package depends on, and Debian 12 does not have. */
export const NODE_FROM = 20;

/** @returns undefined where the relay is somebody else's business. */
export function desiredRelay(
  config: Config,
  server: ServerConfig,
  host: ObservedHost,
  offered?: RelayPackage,
): DesiredRelay | undefined {
  const found = host.relay;
  if (found === undefined || !isOurs(config, server, found, offered)) return undefined;
  const files = secretFiles(config, server);
  const dropIn = unitDropIn(unitSettings(config, server, ({ credential }) => files[credential]!));
  const isNew = offered !== undefined && offered.contents !== found.installed?.contents;
  return {
    ...(isNew && { package: offered }),
    ...(!readsItself(config, server) && { config: relayConfigText(config, server) }),
    ...(dropIn !== undefined && { dropIn }),
    passwordFiles: Object.values(files),
    port: server.port,
  };
}

function isOurs(
  config: Config,
  server: ServerConfig,
  found: ObservedRelay,
  offered: RelayPackage | undefined,
): boolean {
  if (server.program !== 'relay' || !found.hasSystemd) return false;
  if (offered !== undefined) return true;
  if (found.installed === undefined || isForeign(config, server, found)) return false;
  return server.host.kind === 'ssh' || ownRelayConfig(found.config);
}

/** The configuration there is by other hands. */
export const isForeign = (config: Config, server: ServerConfig, { config: file }: ObservedRelay) =>
  file !== undefined && !ownRelayConfig(file) && !readsItself(config, server);

/** The file that was read is the one that the unit reads. */
const readsItself = ({ file }: Config, { host }: ServerConfig) =>
  host.kind === 'local' && file === RELAY_CONFIG;
