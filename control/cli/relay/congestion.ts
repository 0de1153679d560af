/** The congestion control of both legs on the machine that the relay runs on: chosen, tried, and told once. */
import { readFileSync } from 'node:fs';
import { congestionRefusal } from '../../../proxy/congestion.js';
import { RelayError } from '../../../proxy/error.js';
import type { CongestionNames } from '../../../proxy/options.js';
import type { Config } from '../../config/config.js';
import { ConfigError, type Diagnostic } from '../../config/diagnostic.js';
import {
  type CongestionChoice,
  type CongestionOfKernel,
  chooseCongestion,
  refusedCongestion,
  unknownCongestion,
} from '../../plan/congestion.js';

const SYSCTLS = '/proc/sys/net/ipv4';

/** What a container hides has no words. */
function words(name: string): string[] {
  try {
    return readFileSync(`${SYSCTLS}/${name}`, 'utf8').split(/\s+/).filter(Boolean);
  } catch {
    return [];
  }
}

const ofThisKernel = (): CongestionOfKernel => ({
  system: words('tcp_congestion_control')[0] ?? 'unknown',
  available: words('tcp_available_congestion_control'),
  refusal,
});

/** Where the engine cannot even be loaded, the start says so in the right words. */
function refusal(name: string): string | undefined {
  try {
    return congestionRefusal(name);
  } catch (error) {
    if (error instanceof RelayError) return undefined;
    throw error;
  }
}

/**
 * @returns what is chosen, and what the kernel refuses.
 * @throws ConfigError for a name that the kernel does not have.
 */
export function congestionOf(
  config: Config,
  kernel = ofThisKernel(),
): { choice: CongestionChoice; warnings: Diagnostic[] } {
  const choice = chooseCongestion(config.relay.congestionControl, kernel);
  const unknown = unknownCongestion(config, choice, kernel);
  if (unknown.length > 0) throw new ConfigError(unknown);
  return { choice, warnings: refusedCongestion(config, choice, kernel) };
}

/** As the engine wants it: a name only where the system's own would not do. */
export function congestionNames({ client, upstream }: CongestionChoice): CongestionNames {
  const isSaid = ({ wanted, refused, elsewhere }: CongestionChoice['client']) =>
    refused === undefined && (elsewhere !== undefined || !['auto', 'system'].includes(wanted));
  return {
    ...(isSaid(client) && { client: client.name }),
    ...(client.elsewhere !== undefined && { elsewhere: client.elsewhere }),
    ...(isSaid(upstream) && { upstream: upstream.name }),
  };
}
