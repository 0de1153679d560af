/** Whether the routes of the relay name upstreams that exist. Reads the unchecked file, like `check.ts`. */
import type { Problem } from './diagnostic.js';
import { asList, asMap, type Path, valueAt } from './raw.js';
import { suggestion } from './suggest.js';

type Found = { path: Path; problem: Problem };

/** What one route of the engine has room for. */
const MOST_PORT_RANGES = 64;
/** The upstream of a file that names none. */
const BUILT_IN = 'direct';

function upstreamNames(root: unknown): string[] {
  const upstreams = valueAt(root, ['relay', 'upstreams']);
  if (upstreams === undefined) return [BUILT_IN];
  return asList(upstreams).flatMap((entry) => {
    const { name } = asMap(entry);
    return typeof name === 'string' ? [name] : [];
  });
}

function unknownUpstreams(route: unknown, path: Path, known: readonly string[]): Found[] {
  const { upstreams } = asMap(route);
  const names = Array.isArray(upstreams)
    ? upstreams.map((name: unknown, i) => ({ name, path: [...path, 'upstreams', i] }))
    : [{ name: upstreams, path: [...path, 'upstreams'] }];
  return names.flatMap(({ name, path }) => {
    if (typeof name !== 'string' || known.includes(name)) return [];
    const hint = suggestion(name, known);
    return [{ path, problem: { message: `unknown upstream "${name}"`, ...(hint && { hint }) } }];
  });
}

function tooManyPorts(route: unknown, path: Path): Found[] {
  const count = asList(asMap(route).port).length;
  if (count <= MOST_PORT_RANGES) return [];
  const message = `a route has at most ${MOST_PORT_RANGES} ports and ranges, this one has ${count}`;
  const hint = 'write neighbours as ranges, or split the route';
  return [{ path: [...path, 'port'], problem: { message, hint } }];
}

export function routeProblems(root: unknown): Found[] {
  const known = upstreamNames(root);
  return asList(valueAt(root, ['relay', 'routes'])).flatMap((route, i) => {
    const path = ['relay', 'routes', i];
    return [...unknownUpstreams(route, path, known), ...tooManyPorts(route, path)];
  });
}
