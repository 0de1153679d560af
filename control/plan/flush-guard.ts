/**
 * The second line of defence of an `on_failure` that refuses. Where the server forwards and its nft rules are
 * flushed, steered packets would be routed on, past the program. Policy rules survive that.
 */
import type { ServerConfig } from '../config/config.js';
import { serverFamilies } from './server-families.js';
import { type Family, type IpRule, MAIN_TABLE, type NextHop, type ObservedHost } from './state.js';

/** The last ones before the main table: other rules that take packets here have done so by then. */
const ATTACHED_PRIORITY = 32764;
const REFUSE_PRIORITY = 32765;

/**
 * What is captured is local by now, or has its own rule. What else came from the LAN may go to networks
 * that are behind this machine, but not by the default route. There is no mark on the wire, so these
 * rules also hit hosts that use the server as their gateway and whose packets leave as they came.
 */
export function flushGuard(server: ServerConfig, host: ObservedHost): IpRule[] {
  return serverFamilies(server)
    .filter((family) => otherUplink(server, host, family) === undefined)
    .flatMap((family) => [
      {
        family,
        priority: ATTACHED_PRIORITY,
        iif: server.interface,
        table: MAIN_TABLE,
        suppressPrefixLength: 0,
      },
      { family, priority: REFUSE_PRIORITY, iif: server.interface },
    ]);
}

/** An interface besides the captured one that has a default route: others may be routed there. */
export function otherUplink(
  server: ServerConfig,
  { routes }: ObservedHost,
  family: Family,
): string | undefined {
  const defaults = routes.filter(
    (route) =>
      route.family === family && route.table === MAIN_TABLE && route.destination === 'default',
  );
  return defaults
    .flatMap((route): NextHop[] => route.nextHops ?? [route])
    .find(({ dev }) => dev !== undefined && dev !== server.interface)?.dev;
}
