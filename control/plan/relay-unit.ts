/** What the relay's systemd unit depends on in the configuration: whole, or as a drop-in for the unit of the package. */
import type { Config, DrainSeconds, ServerConfig } from '../config/config.js';
import { type RelaySecret, relaySecrets } from './relay-secrets.js';

/** What the unit of the package reads. */
export const RELAY_CONFIG = '/etc/sidetrack/sidetrack.yaml';

export const RELAY_UNIT = 'sidetrack-relay.service';

/** Of `apply`, beside the unit of the package. */
export const DROP_IN = `/etc/systemd/system/${RELAY_UNIT}.d/sidetrack.conf`;

const STOP_MARGIN_SECONDS = 15;
const USUAL_DRAIN_SECONDS = 30;
const FIRST_FREE_PORT = 1024;

export interface UnitSettings {
  /** Of `TimeoutStopSec`. */
  stopSeconds: string;
  /** Of `LoadCredential`: `name:path`. */
  credentials: string[];
  capabilities: string[];
}

/** What the unit of the package has, and a configuration without passwords and special ports needs. */
export const PLAIN_UNIT: UnitSettings = {
  stopSeconds: stopSecondsOf(USUAL_DRAIN_SECONDS),
  credentials: [],
  capabilities: [],
};

/** @param pathOf where a secret is on the machine that runs the relay. */
export function unitSettings(
  config: Config,
  server: ServerConfig,
  pathOf: (secret: RelaySecret) => string,
): UnitSettings {
  return {
    stopSeconds: stopSecondsOf(config.relay.drainSeconds),
    credentials: relaySecrets(config).map((one) => `${one.credential}:${specifier(pathOf(one))}`),
    capabilities: capabilitiesOf(server),
  };
}

/** What has to be said beside the unit of the package; nothing where that suffices. */
export function unitDropIn(settings: UnitSettings): string | undefined {
  const { stopSeconds, credentials, capabilities } = settings;
  const granted = capabilities.join(' ');
  const lines = [
    ...(stopSeconds === PLAIN_UNIT.stopSeconds ? [] : [`TimeoutStopSec=${stopSeconds}`]),
    ...credentials.map((one) => `LoadCredential=${one}`),
    ...(granted === ''
      ? []
      : [`CapabilityBoundingSet=${granted}`, `AmbientCapabilities=${granted}`]),
  ];
  if (lines.length === 0) return undefined;
  return ['# Written by sidetrack apply.', '[Service]', ...lines, ''].join('\n');
}

/** As it stands for itself in a unit. */
export const specifier = (text: string) => text.replaceAll('%', '%%');

function stopSecondsOf(drain: DrainSeconds): string {
  return drain === 'unlimited' ? 'infinity' : String(drain + STOP_MARGIN_SECONDS);
}

function capabilitiesOf({ capture, port }: ServerConfig): string[] {
  return [
    ...(capture === 'tproxy' ? ['CAP_NET_RAW'] : []),
    ...(port < FIRST_FREE_PORT ? ['CAP_NET_BIND_SERVICE'] : []),
  ];
}
