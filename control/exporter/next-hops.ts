/** Whether the router can hand anything over: the server's neighbour entry, and the policy route. */
import type { Answer, Query } from '../command/query.js';
import { parseAddress } from '../config/address.js';
import type { Config } from '../config/config.js';
import { serverFamilies } from '../plan/server-families.js';
import { type Family, ROUTE_PROTOCOL } from '../plan/state.js';
import { entriesOf } from '../resources/ip-json.js';
import { neighbourList, routeList } from '../resources/ip-shapes.js';

const OURS = String(ROUTE_PROTOCOL);

/** Another program's have a number that is not known. */
const DEFAULT_ROUTES = {
  apply: ['table', 'all', 'proto', OURS],
  external: ['default', 'table', 'all'],
} as const;

export interface NextHopState {
  server: string;
  family: Family;
  /** Absent while the kernel has not asked for its MAC lately. */
  reachable?: boolean;
  route: boolean;
}

/** Whose table is whose the router remembers; a next hop belongs to one server. */
export function nextHopsQuery({ servers }: Config): Query<NextHopState[]> {
  const hops = servers.flatMap((server) =>
    serverFamilies(server).map((family) => ({
      server: server.name,
      family,
      via: (family === 4 ? server.address.v4 : server.address.v6)!,
      route: server.route,
    })),
  );
  return {
    commands: hops.flatMap(({ family, via, route }) => [
      { argv: ['ip', '-j', `-${family}`, 'neigh', 'show', 'to', via] },
      { argv: ['ip', '-j', `-${family}`, 'route', 'show', ...DEFAULT_ROUTES[route]] },
    ]),
    parse: (...answers) =>
      hops.map(({ server, family, via }, index) => {
        const reachable = isReachable(answers[2 * index]!);
        const route = leadsTo(via, answers[2 * index + 1]!);
        return { server, family, route, ...(reachable !== undefined && { reachable }) };
      }),
  };
}

const UNANSWERED = ['FAILED', 'INCOMPLETE'];

function isReachable(answer: Answer): boolean | undefined {
  const entries = entriesOf(answer, neighbourList);
  if (entries.length === 0) return undefined;
  return entries.some(
    ({ lladdr, state = [] }) =>
      lladdr !== undefined && !state.some((one) => UNANSWERED.includes(one)),
  );
}

const DOWN = ['dead', 'linkdown'];

/** A table that has no route is an error of ip(8). */
function leadsTo(via: string, answer: Answer): boolean {
  if (answer.result.status !== 0) return false;
  const wanted = parseAddress(via);
  return entriesOf(answer, routeList).some(
    ({ dst, gateway, flags = [] }) =>
      dst === 'default' &&
      gateway !== undefined &&
      parseAddress(gateway) === wanted &&
      !flags.some((one) => DOWN.includes(one)),
  );
}
