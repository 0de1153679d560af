/** Where routes lead, ours and others'. Pure. */
import { parseAddress } from '../config/address.js';
import { type NextHop, type ObservedHost, type ObservedRoute, ROUTE_PROTOCOL } from './state.js';

/** Where a route leads: one way, or several. */
export function hopsOf({ nextHops, via, dev }: ObservedRoute): NextHop[] {
  return nextHops ?? [{ ...(via !== undefined && { via }), ...(dev !== undefined && { dev }) }];
}

/** A default route that another program has installed. */
export const isExternalDefault = ({ destination, protocol }: ObservedRoute): boolean =>
  destination === 'default' && protocol !== ROUTE_PROTOCOL;

/** Those in `table` that lead to `via`. */
export function externalHops({ routes }: ObservedHost, table: number, via: string): NextHop[] {
  const wanted = parseAddress(via);
  return routes
    .filter((one) => one.table === table && isExternalDefault(one) && one.dead !== true)
    .flatMap(hopsOf)
    .filter((one) => one.via !== undefined && parseAddress(one.via) === wanted);
}
