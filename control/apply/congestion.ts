/** Which congestion control the relay of a server gives its connections, for `status`. */
import type { Config, ServerConfig } from '../config/config.js';
import type { Host } from '../hosts/host.js';
import { type CongestionOfKernel, chooseCongestion, congestionText } from '../plan/congestion.js';

const DIRECTORY = '/proc/sys/net/ipv4';
const FILES = ['congestion_control', 'available_congestion_control', 'allowed_congestion_control'];

/** In a namespace of its own a host has no list of what is allowed to all. */
const LIST = FILES.map((name) => `head -n 1 ${DIRECTORY}/tcp_${name} 2>/dev/null || echo`).join(
  '; ',
);

export async function congestionOn(
  host: Host,
  config: Config,
  server: ServerConfig,
): Promise<string | undefined> {
  if (server.program !== 'relay') return undefined;
  const { stdout } = await host.run({ argv: ['sh', '-c', LIST] });
  const kernel = kernelOf(stdout);
  return kernel && congestionText(chooseCongestion(config.relay.congestionControl, kernel));
}

/** @param text the three files, a line each; an empty line where there is none. */
export function kernelOf(text: string): CongestionOfKernel | undefined {
  const [system, available, allowed] = text
    .split('\n')
    .map((line) => line.split(/\s+/).filter(Boolean));
  if (system?.[0] === undefined || available === undefined) return undefined;
  const usable = allowed !== undefined && allowed.length > 0 ? [...allowed, ...system] : available;
  return {
    system: system[0],
    available,
    refusal: (name) =>
      !available.includes(name) ? 'ENOENT' : usable.includes(name) ? undefined : 'EPERM',
  };
}
