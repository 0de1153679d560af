/**
 * Ways by which a server's own connections come back to it. The router tells them from clients' by
 * the server's MAC or address; what leaves by another interface has neither. Pure.
 */
import type { ServerConfig } from '../config/config.js';
import { defaultHops } from './default-route.js';
import type { Finding } from './finding.js';
import type { Family, InterfaceFacts, NextHop, ObservedHost } from './state.js';

export function unguardedWays(server: ServerConfig, index: number, host: ObservedHost): Finding[] {
  return ([4, 6] as const).flatMap((family) => {
    const found = defaultHops(host, family)
      .map((hop) => unguarded(server, host, family, hop))
      .find((way) => way !== undefined);
    return found === undefined ? [] : [describeWay(server, index, host, family, found)];
  });
}

interface Way {
  device: InterfaceFacts;
  sources: string[];
}

function unguarded(
  server: ServerConfig,
  host: ObservedHost,
  family: Family,
  { dev, preferredSource }: NextHop & { preferredSource?: string },
): Way | undefined {
  const named = (name: string | undefined) => host.interfaces.find((one) => one.name === name);
  const device = named(dev);
  // Tunnels have no MAC; what they carry the router sees as packets of the server.
  if (device === undefined || device.mac === '') return undefined;
  const guarded = server.mac === 'auto' ? named(server.interface)?.mac : server.mac;
  if (device.mac.toLowerCase() === guarded?.toLowerCase()) return undefined;
  const own = device.addresses
    .filter((one) => one.family === family && !/^fe[89ab]/.test(one.address))
    .map(({ address }) => address);
  const sources = preferredSource === undefined ? own : [preferredSource];
  const written = [server.address.v4, server.address.v6];
  const strange = sources.filter((address) => !written.includes(address));
  return strange.length > 0 ? { device, sources: strange } : undefined;
}

function describeWay(
  server: ServerConfig,
  index: number,
  host: ObservedHost,
  family: Family,
  { device, sources }: Way,
): Finding {
  const { name, interface: own } = server;
  const same = device.name === own;
  return {
    path: ['servers', index, same ? 'mac' : 'interface'],
    message: `${name}'s own IPv${family} connections leave ${host.address} by ${device.name} with MAC ${device.mac} and source ${sources.join(' or ')}, by which the router does not know them as ${name}'s: where they come in on one of router.interfaces, they are handed back to ${name}, in a circle`,
    hint: same
      ? 'correct `mac`, or write mac: auto'
      : `let the default route leave by ${own} (ip -${family} route replace default via … dev ${own}), or name ${device.name} and its address as \`interface\` and \`address\``,
  };
}
