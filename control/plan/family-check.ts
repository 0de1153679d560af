/** Clients of a family in which the server has no address. Pure. */
import { fateOf } from '../config/carried.js';
import type { Config } from '../config/config.js';
import { addresslessFamilies, serversWithout } from '../config/family-note.js';
import { refuses } from '../config/on-failure.js';
import { uplinkDevices } from './default-route.js';
import type { Finding } from './finding.js';
import type { Family, InterfaceFacts, ObservedHost } from './state.js';

export function unservedClients(config: Config, router: ObservedHost): Finding[] {
  const path = (index: number) => ['servers', index, 'address'];
  const direct = refuses(config.onFailure) ? '' : ', or write on_failure: block or reset';
  return [
    ...addresslessFamilies(config).flatMap((family) => {
      const clients = clientsOf(config, router, family);
      if (clients === undefined) return [];
      return config.servers.map(({ name }, index) => ({
        path: path(index),
        message: `clients on ${clients} have IPv${family}, and ${name} has no IPv${family} address: IPv${family} that rules proxy ${fateOf(config)}`,
        hint: `give ${name} an IPv${family} address of that subnet and add it to \`address\`${direct}`,
      }));
    }),
    ...serversWithout(config).flatMap(({ family, index, others }) => {
      const clients = clientsOf(config, router, family);
      if (clients === undefined) return [];
      const { name } = config.servers[index]!;
      return [
        {
          path: path(index),
          message: `clients on ${clients} have IPv${family}, and ${name} has no IPv${family} address: their IPv${family} goes to ${others} alone`,
          hint: `give ${name} an IPv${family} address of that subnet and add it to \`address\``,
        },
      ];
    }),
  ];
}

/** In words; undefined where no client has the family. */
function clientsOf(config: Config, router: ObservedHost, family: Family): string | undefined {
  const listed = config.router.interfaces
    .flatMap((wanted) => router.interfaces.filter((one) => one.name === wanted))
    .filter((one) => subnetOf(one, family) !== undefined);
  if (listed.length === 0 || !reachesInternet(router, family)) return undefined;
  return listed.map((one) => `${one.name} (${subnetOf(one, family)})`).join(', ');
}

/** Many routers give their LAN a unique local prefix (RFC 4193) without any IPv6 beyond it. */
function reachesInternet(router: ObservedHost, family: Family): boolean {
  if (family === 4) return true;
  const addresses = router.interfaces.flatMap((one) => one.addresses);
  return (
    addresses.some((one) => one.family === 6 && !/^(fe[89ab]|f[cd]|::1$)/.test(one.address)) ||
    uplinkDevices({ ...router, routes: router.routes.filter((one) => one.family === 6) }).length > 0
  );
}

/** Link-local addresses lead to no Internet. */
function subnetOf({ addresses }: InterfaceFacts, family: Family): string | undefined {
  const found = addresses.find(
    (one) => one.family === family && !/^(fe[89ab]|169\.254\.)/.test(one.address),
  );
  return found && `${found.address}/${found.prefixLength}`;
}
