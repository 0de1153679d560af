/**
 * Whether the router forwards from its LANs to the Internet. It cannot make a client's packet come in, so the
 * kernel is asked what it would do with one: sysctls, rules, routes and reverse-path filters all have their
 * say. That a real one gets through is what the server's own connections show (`internet.ts`).
 */
import { familyOf, parseAddress } from '../../config/address.js';
import type { Config } from '../../config/config.js';
import type { Destination } from '../../config/destination.js';
import { clientsOn } from '../../plan/client-address.js';
import { defaultHops } from '../../plan/default-route.js';
import type { ObservedHost } from '../../plan/state.js';
import { targetAddresses, targetsOf } from '../../plan/targets.js';
import type { Probe } from './probe.js';

export function forwardingProbes(
  config: Config,
  host: ObservedHost,
  destinations: readonly Destination[],
): Probe[] {
  const servers = targetAddresses(targetsOf(config, host));
  return destinations.flatMap(({ address }) => {
    const family = familyOf(parseAddress(address)!);
    const out = defaultHops(host, family)[0]?.dev;
    if (out === undefined) return [];
    return config.router.interfaces.flatMap((iif) =>
      clientsOn(host, iif, family, family === 4 ? servers.v4 : servers.v6)
        .slice(0, 1)
        .map((client) => ({
          name: `forwarding ${iif} ${address}`,
          works: `the router forwards from ${iif} to ${address} (${client}, by ${out})`,
          fails: `the router no longer forwards from ${iif} to ${address} (${client}, by ${out})`,
          call: ['forwards', String(family), address, client, iif, out],
        })),
    );
  });
}
