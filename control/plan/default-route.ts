/** The ways by which a host reaches the Internet. Pure. */
import { hopsOf } from './hops.js';
import { everything, type Packets } from './packets.js';
import { ends, prefixOfRoute, tableInOrder } from './route-lookup.js';
import { takersBefore } from './rule-walk.js';
import {
  type Family,
  type NextHop,
  type ObservedHost,
  type ObservedRoute,
  ROUTE_PROTOCOL,
} from './state.js';

const LAST_PRIORITY = 0xffffffff;

/** Where packets that the host itself sends leave by a default route, as its rules have it. */
export function defaultHops(
  host: ObservedHost,
  family: Family,
): (NextHop & { preferredSource?: string })[] {
  const { first } = everything(family);
  // The kernel looks the way up before it chooses the source.
  const own: Packets = { family, iif: 'lo', mark: 0, sources: [{ first, last: first }] };
  for (const { rule } of takersBefore(LAST_PRIORITY, host, own)) {
    const routes = tableInOrder(host, family, rule.table).map(({ route }) => route);
    const best = routes.find((route) => leadsEverywhere(route) && ends(rule, host, route));
    if (best)
      return hopsOf(best).map((hop) => ({
        ...hop,
        ...(best.preferredSource && { preferredSource: best.preferredSource }),
      }));
  }
  return [];
}

/**
 * Every interface that carries a default route of any table but ours.
 * @param inside addresses of machines that are no way to the Internet, though a table sends everything there
 */
export function uplinkDevices(
  { routes }: Pick<ObservedHost, 'routes'>,
  inside: ReadonlySet<string> = new Set(),
): string[] {
  const uplinks = routes.filter(
    (route) => route.protocol !== ROUTE_PROTOCOL && leadsEverywhere(route),
  );
  const outside = uplinks.flatMap(hopsOf).filter(({ via = '' }) => !inside.has(via));
  return [...new Set(outside.flatMap(({ dev }) => (dev ? [dev] : [])))];
}

const FAMILIES: readonly Family[] = [4, 6];

/** Those that packets take which no mark and no address sends elsewhere. */
export function plainUplinks(host: ObservedHost): string[] {
  const hops = FAMILIES.flatMap((family) => defaultHops(host, family));
  return [...new Set(hops.flatMap(({ dev }) => (dev ? [dev] : [])))];
}

/** Of a type that sends; two halves of everything are as good as the default route. */
function leadsEverywhere({ family, type, destination }: ObservedRoute): boolean {
  if (type !== 'unicast' && type !== '1') return false;
  return destination === '2000::/3' || prefixOfRoute(family, destination).length <= 1;
}
