/** Config → a server's desired state. Pure. */
import type { ServerConfig } from '../config/config.js';
import { serverTable } from '../nft/server-table.js';
import { type Place, serverPlace } from './rule-priority.js';
import { serverFamilies } from './server-families.js';
import type { Family, HostState, IpRule, ObservedHost, Route } from './state.js';

/** `ip_forward` stays as found: redirected packets become local, diverted ones are routed so. */
export function serverState(server: ServerConfig, host: ObservedHost): HostState {
  const diverted = server.capture === 'tproxy' ? serverFamilies(server) : [];
  const { mark } = server.tproxy;
  return {
    name: server.name,
    table: serverTable({
      interface: server.interface,
      port: server.port,
      ...(server.capture === 'tproxy' && { tproxy: { mark, families: diverted } }),
    }),
    ipRules: diverted.map((family) => deliverRule(server, serverPlace(server, host), family)),
    routes: diverted.map((family) => deliverRoute(server, family)),
    sysctls: [],
  };
}

/**
 * The interface must be named. Reverse-path filtering looks the client's address up as if it came
 * in on `lo`; with `src_valid_mark=1` it does so with the packet's mark, and a rule without `iif`
 * would tell it that the client is this machine: every packet would be dropped as a martian.
 */
function deliverRule(
  { interface: iif, tproxy: { mark, table } }: ServerConfig,
  place: Place,
  family: Family,
): IpRule {
  return { family, ...place, iif, mark: mark.value, mask: mark.mask, table };
}

function deliverRoute({ tproxy: { table } }: ServerConfig, family: Family): Route {
  return { family, table, local: true };
}
