/** What the router steers to: with the numbers and marks that it was found to give the servers. */
import type { ShownTarget } from '../apply/server-health.js';
import type { Config } from '../config/config.js';
import { assignNumbers } from '../config/server-marks.js';
import { serverFamilies } from '../plan/server-families.js';
import type { ObservedHost } from '../plan/state.js';
import { targetsOf } from '../plan/targets.js';

/** @param router as it was seen last; before that each server has the number of its place in the file. */
export function watchedTargets(config: Config, router: ObservedHost | undefined): ShownTarget[] {
  if (router !== undefined) return targetsOf(config, router);
  const numbered = config.servers.map((server, number) => ({ ...server, number }));
  const assigned = assignNumbers(config.router, numbered);
  return numbered.flatMap((server) => {
    const value = assigned.get(server.name)?.mark;
    if (value === undefined) return [];
    const { number, name, health, weight, backup } = server;
    return [
      {
        ...{ number, name, health, weight, backup, drained: false },
        mark: { value, mask: config.router.mark.mask },
        hops: serverFamilies(server).map((family) => ({ family })),
      },
    ];
  });
}
