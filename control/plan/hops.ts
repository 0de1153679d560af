import type { NextHop, ObservedRoute } from './state.js';

/** Where a route leads: one way, or several. */
export function hopsOf({ nextHops, via, dev }: ObservedRoute): NextHop[] {
  return nextHops ?? [{ ...(via !== undefined && { via }), ...(dev !== undefined && { dev }) }];
}
