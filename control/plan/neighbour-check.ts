/** Whether the router reaches the servers at the interfaces that capture. Pure. */
import type { Config, ServerConfig } from '../config/config.js';
import type { Finding } from './finding.js';
import type { ObservedHost } from './state.js';

/**
 * A machine with two interfaces in one LAN answers for each address on both (Linux: arp_ignore=0), so
 * that the router may learn the MAC of the one that captures nothing.
 * @param hosts by name, as far as they were seen.
 */
export function otherNeighbours(
  { servers }: Config,
  router: ObservedHost,
  hosts: ReadonlyMap<string, ObservedHost>,
): Finding[] {
  return servers.flatMap((server, index) =>
    otherNeighbour(server, index, router, hosts.get(server.name)),
  );
}

function otherNeighbour(
  { name, interface: device, address, mac }: ServerConfig,
  index: number,
  router: ObservedHost,
  host: ObservedHost | undefined,
): Finding[] {
  const own = host?.interfaces.find((one) => one.name === device)?.mac;
  const wanted = (mac === 'auto' ? own : mac)?.toLowerCase();
  const strange = router.neighbours.find(
    (one) =>
      (one.address === address.v4 || one.address === address.v6) &&
      wanted !== undefined &&
      one.mac.toLowerCase() !== wanted,
  );
  if (strange === undefined) return [];
  return [
    {
      path: ['servers', index, 'mac'],
      message: `${router.address} reaches ${strange.address} at MAC ${strange.mac}, which is not that of ${name}'s ${device} (${wanted}): what it hands over arrives elsewhere and is not captured`,
      hint: `where ${name} has a second interface in that LAN: sysctl -w net.ipv4.conf.all.arp_ignore=1 there; else correct \`mac\`, or on the router: ip neigh flush to ${strange.address}`,
    },
  ];
}
