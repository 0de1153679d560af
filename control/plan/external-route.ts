/** Default routes that another program installs in a server's table (`route: external`). Pure. */
import type { Config } from '../config/config.js';
import type { Finding } from './finding.js';
import { externalHops } from './hops.js';
import type { ObservedHost } from './state.js';
import type { Target } from './targets.js';

/** Where the other program has none: new flows take another server, or the way of `on_failure`. */
export function missingExternalRoutes(
  { servers }: Config,
  router: ObservedHost,
  targets: readonly Target[],
): Finding[] {
  return servers.flatMap(({ name, route }, index) => {
    const target = targets.find((one) => one.name === name);
    if (route !== 'external' || target === undefined) return [];
    const { id } = target.table;
    return target.hops
      .filter(({ via }) => externalHops(router, id, via).length === 0)
      .map(({ family, via }) => ({
        path: ['servers', index, 'route'],
        message: `${router.address} has no IPv${family} default route via ${via} in table ${id}, which another program is to install (route: external): ${name} gets no new IPv${family} flows`,
        hint: `with FRR, on the router: vtysh -c 'show ${family === 4 ? 'ip' : 'ipv6'} route table ${id}'; \`sidetrack export frr\` prints what it needs`,
      }));
  });
}
