/** Whether the router reaches the server at the interface that captures. Pure. */
import type { Config } from '../config/config.js';
import type { Finding } from './finding.js';
import type { ObservedHost } from './state.js';

/**
 * A machine with two interfaces in one LAN answers for each address on both (Linux: arp_ignore=0), so
 * that the router may learn the MAC of the one that captures nothing.
 * @param host the server, where it was seen.
 */
export function otherNeighbour(
  { servers }: Config,
  router: ObservedHost,
  host: ObservedHost | undefined,
): Finding[] {
  const { name, interface: device, address, mac } = servers[0]!;
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
      path: ['servers', 0, 'mac'],
      message: `${router.address} reaches ${strange.address} at MAC ${strange.mac}, which is not that of ${name}'s ${device} (${wanted}): what it hands over arrives elsewhere and is not captured`,
      hint: `where ${name} has a second interface in that LAN: sysctl -w net.ipv4.conf.all.arp_ignore=1 there; else correct \`mac\`, or on the router: ip neigh flush to ${strange.address}`,
    },
  ];
}
