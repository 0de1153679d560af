/** Whether the interfaces and subnets that the file names are there. Pure. */
import type { Config } from '../config/config.js';
import type { Path } from '../config/raw.js';
import { interfaceTowards } from './address.js';
import type { Finding } from './finding.js';
import type { ObservedHost } from './state.js';
import type { Target } from './targets.js';

export function missingInterface(path: Path, name: string, host: ObservedHost): Finding {
  const names = host.interfaces.map((one) => one.name).filter((one) => one !== 'lo');
  return {
    path,
    message: `${host.address} has no interface "${name}"`,
    hint: `it has ${names.join(', ')}`,
  };
}

export function missingInterfaces(
  { router: { interfaces } }: Config,
  router: ObservedHost,
): Finding[] {
  return interfaces
    .map((name, index) => ({ name, path: ['router', 'interfaces', index] }))
    .filter(({ name }) => !router.interfaces.some((found) => found.name === name))
    .map(({ name, path }) => missingInterface(path, name, router));
}

export function unreachableServers(
  config: Config,
  router: ObservedHost,
  targets: readonly Target[],
): Finding[] {
  const { interfaces } = config.router;
  return config.servers.flatMap((server, index) =>
    [server.address.v4, server.address.v6]
      .filter((address) => address !== undefined)
      .filter((address) => interfaceTowards(router, interfaces, address) === undefined)
      .filter((address) => !isReached(targets, server.name, address))
      .map((address) => ({
        path: ['servers', index, 'address'],
        message: `${address} is on no subnet of the router's ${interfaces.join(', ')}`,
        hint: `those subnets are ${subnets(router, interfaces)}; the server must be on one of them`,
      })),
  );
}

/** By a route that another program has installed. */
const isReached = (targets: readonly Target[], name: string, address: string) =>
  targets.some(
    (target) =>
      target.name === name &&
      target.hops.some((hop) => hop.via === address && hop.dev !== undefined),
  );

function subnets(router: ObservedHost, names: readonly string[]): string {
  const found = router.interfaces
    .filter(({ name }) => names.includes(name))
    .flatMap(({ addresses }) =>
      addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`),
    );
  return found.join(', ') || 'none';
}
