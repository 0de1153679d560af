/** Default routes in tables of ours. */
import type { Command } from '../command/command.js';
import type { Query } from '../command/query.js';
import { shellWords } from '../command/shell.js';
import { digest } from '../nft/listing.js';
import type { Difference } from '../plan/difference.js';
import {
  type ObservedHost,
  type ObservedRoute,
  ROUTE_PROTOCOL,
  type Route,
} from '../plan/state.js';
import { ofBothFamilies, routeOf } from './ip-json.js';
import { routeList } from './ip-shapes.js';
import type { KeepItem, ResourceKind } from './kind.js';

/** `replaces`: the route of ours whose place it takes. */
export type RouteChange =
  | { kind: 'add'; route: Route; replaces?: Route }
  | { kind: 'delete'; route: Route };

export const route: ResourceKind<readonly Route[], RouteChange> = {
  name: 'route',
  observe: () => routesQuery,
  desired: ({ routes }) => routes,
  diff,
  remove: (observed) => diff([], observed),
  clears: ({ kind }) => kind === 'delete',
  resources: (desired) => desired.map((one) => ({ kind: 'route', name: nameOf(one) })),
  differences: (change) => [difference(change)],
  title: ({ kind, route: one }) => (kind === 'delete' ? `remove: ${words(one)}` : words(one)),
  apply: ({ kind, route: one }) => command(kind === 'delete' ? 'del' : 'replace', one),
  readBack: ({ route: { family, table } }) => [
    { argv: ['ip', `-${family}`, '-N', 'route', 'show', 'table', String(table)] },
  ],
  keep: keepItems,
  saves: { after: (desired) => (desired.length > 0 ? { routes: digest(desired) } : {}) },
  undo(change) {
    if (change.kind === 'delete') return [command('replace', change.route)];
    const { route: added, replaces } = change;
    return [replaces ? command('replace', replaces) : command('del', added)];
  },
};

export const routesQuery: Query<Pick<ObservedHost, 'routes'>> = ofBothFamilies(
  (family) => [`-${family}`, '-N', 'route', 'show', 'table', 'all'],
  routeList,
  (family, routes) => routes.map((json) => routeOf(family, json)),
  (routes) => ({ routes }),
);

function diff(desired: readonly Route[], observed: ObservedHost): RouteChange[] {
  const present = ourRoutes(observed);
  const added = desired
    .filter((one) => !present.some((other) => sameRoute(one, other)))
    .map((one) => {
      const replaces = present.find((other) => slot(other) === slot(one));
      return { kind: 'add' as const, route: one, ...(replaces && { replaces }) };
    });
  const wanted = new Set(desired.map(slot));
  const stale = present.filter((one) => !wanted.has(slot(one)));
  return [...added, ...stale.map((one) => ({ kind: 'delete' as const, route: one }))];
}

/** RTN_UNREACHABLE as `ip -N` prints it (linux/rtnetlink.h). */
const UNREACHABLE = '7';
/** RTN_LOCAL, likewise. */
const LOCAL = '2';

function ourRoutes({ routes }: ObservedHost): Route[] {
  return routes.filter(({ protocol }) => protocol === ROUTE_PROTOCOL).map(asRoute);
}

function asRoute({ family, table, type, via, dev, metric }: ObservedRoute): Route {
  if (type === UNREACHABLE) return { family, table, ...(metric !== undefined && { metric }) };
  if (type === LOCAL) return { family, table, local: true };
  return { family, table, nextHop: { via: via ?? '', dev: dev ?? '' } };
}

/** As the kernel will have it. */
export function observedRoute({ family, table, nextHop, local, metric }: Route): ObservedRoute {
  const type = local ? LOCAL : nextHop ? 'unicast' : UNREACHABLE;
  return {
    family,
    table,
    destination: 'default',
    type,
    ...nextHop,
    ...(metric !== undefined && { metric }),
    protocol: ROUTE_PROTOCOL,
  };
}

/** Two routes with the same slot cannot exist side by side. */
const slot = ({ family, table, nextHop, local }: Route) =>
  `${family} ${table} ${nextHop === undefined && !local}`;
const sameRoute = (a: Route, b: Route) =>
  slot(a) === slot(b) &&
  a.local === b.local &&
  a.nextHop?.via === b.nextHop?.via &&
  a.nextHop?.dev === b.nextHop?.dev;

/** The same for two routes that take each other's place. */
const nameOf = (one: Route): string =>
  `IPv${one.family} table ${one.table} default${one.nextHop || one.local ? '' : ' unreachable'}`;

/** Flows that are steered go to another next hop from then on, and that does not know them. */
function difference(change: RouteChange): Difference {
  const { route: one } = change;
  const name = { kind: 'route' as const, name: nameOf(one) };
  const removed = { action: 'removed' as const, before: asText(one), destructive: false };
  if (change.kind === 'delete') return { ...name, ...removed };
  const { replaces } = change;
  if (replaces === undefined)
    return { ...name, action: 'added', after: asText(one), destructive: false };
  const breaks = one.nextHop !== undefined && replaces.nextHop !== undefined;
  return {
    ...name,
    action: 'changed',
    before: asText(replaces),
    after: asText(one),
    destructive: breaks,
    ...(breaks && { flows: 'break' as const }),
  };
}

function words(one: Route): string {
  const { family, table, nextHop } = one;
  const where = nextHop ? `via ${nextHop.via} dev ${nextHop.dev}` : typeOf(one)[0];
  return `IPv${family} route: table ${table}, default ${where}`;
}

/** Nothing for the usual type, which has a next hop. */
function typeOf({ nextHop, local }: Route): string[] {
  if (local) return ['local'];
  return nextHop ? [] : ['unreachable'];
}

/** As `ip` is told it. */
const asText = (one: Route): string => `-${one.family} ${selectorOf(one).join(' ')}`;

function command(verb: 'replace' | 'del', one: Route): Command {
  return { argv: ['ip', `-${one.family}`, 'route', verb, ...selectorOf(one)] };
}

function selectorOf(one: Route): string[] {
  const { table, nextHop, local, metric } = one;
  const hop = nextHop ? ['via', nextHop.via, 'dev', nextHop.dev] : local ? ['dev', 'lo'] : [];
  const last = metric === undefined ? [] : ['metric', String(metric)];
  const ours = ['table', String(table), 'protocol', String(ROUTE_PROTOCOL)];
  return [...typeOf(one), 'default', ...hop, ...last, ...ours];
}

/** A table's routes of one family are listed, and so kept, together. */
function keepItems(desired: readonly Route[]): KeepItem[] {
  const wordsOf = ({ family, table }: Route) => `${family} ${table}`;
  return [...new Set(desired.map(wordsOf))].map((words) => {
    const routes = desired.filter((one) => wordsOf(one) === words);
    return {
      name: nameOf(routes[0]!),
      looked: 'routing',
      check: `check_routes ${words} "$1"`,
      repair: routes.map((one) => shellWords(command('replace', one).argv)),
      learn: `learn_routes ${words} "$1"`,
    };
  });
}
