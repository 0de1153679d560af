/**
 * What concerns several values at once. These checks read the unchecked file, so that a typing
 * error elsewhere does not hide what they find.
 */

import { parseAddress } from './address.js';
import { renamedTwice } from './deprecated.js';
import { type Diagnostic, diagnosticAt, type Problem } from './diagnostic.js';
import { BUILT_IN_SETS } from './families.js';
import { listProblems } from './list-check.js';
import { parseMac } from './mac.js';
import { overlap, parseNat64 } from './nat64-prefix.js';
import { pagesProblems } from './pages.js';
import { probeProblems } from './probe.js';
import { asList, asMap, type Path, valueAt } from './raw.js';
import { routeProblems } from './route-check.js';
import { isSetName, setNameProblem } from './scalar.js';
import { serverProblems } from './server-check.js';
import type { Source } from './source.js';
import { suggestion } from './suggest.js';
import { upstreamProblems } from './upstream-check.js';

type Found = { path: Path; problem: Problem };
type Named = { path: Path; name: unknown };

/** A scalar that may stand for a list of one, with the path of each entry. */
function entriesAt(root: unknown, path: Path): { path: Path; value: unknown }[] {
  const value = valueAt(root, path);
  if (value === undefined) return [];
  if (!Array.isArray(value)) return [{ path, value }];
  return value.map((entry: unknown, i) => ({ path: [...path, i], value: entry }));
}

/** Names in a list of sections; a missing one counts as `<fallback><N>`. */
function namesIn(root: unknown, path: Path, fallback?: string): Named[] {
  return asList(valueAt(root, path)).map((entry, i) => {
    const name = asMap(entry).name ?? (fallback === undefined ? undefined : `${fallback}${i + 1}`);
    return { path: [...path, i, 'name'], name };
  });
}

function duplicates(what: string, named: readonly Named[], source: Source): Found[] {
  const firstUse = new Map<string, Path>();
  const found: Found[] = [];
  for (const { path, name } of named) {
    if (typeof name !== 'string') continue;
    const first = firstUse.get(name);
    if (first === undefined) {
      firstUse.set(name, path);
      continue;
    }
    const hint = `the first one is in line ${source.positionOf(first).line}`;
    found.push({ path, problem: { message: `duplicate ${what} "${name}"`, hint } });
  }
  return found;
}

/** Names by which --only means something else. */
const RESERVED_SERVER_NAMES: readonly unknown[] = ['router', 'all'];

function reservedNames(servers: readonly Named[]): Found[] {
  return servers
    .filter(({ name }) => RESERVED_SERVER_NAMES.includes(name))
    .map(({ path, name }) => ({
      path,
      problem: {
        message: `a server cannot be called "${String(name)}"`,
        hint: 'choose another name',
      },
    }));
}

function unknownSets(root: unknown): Found[] {
  const known = [...Object.keys(asMap(valueAt(root, ['sets']))), ...BUILT_IN_SETS];
  const rules = asList(valueAt(root, ['rules'])).flatMap((_, i) => [
    ...entriesAt(root, ['rules', i, 'from']),
    ...entriesAt(root, ['rules', i, 'to']),
  ]);
  const routes = asList(valueAt(root, ['relay', 'routes'])).flatMap((_, i) =>
    entriesAt(root, ['relay', 'routes', i, 'to']),
  );
  const guard = [...entriesAt(root, ['relay', 'deny']), ...entriesAt(root, ['relay', 'allow'])];
  return [...rules, ...routes, ...guard].flatMap(({ path, value }) => {
    if (typeof value !== 'string' || !isSetName(value) || known.includes(value)) return [];
    const hint = suggestion(value, known);
    return [{ path, problem: { message: `unknown set "${value}"`, ...(hint && { hint }) } }];
  });
}

/** The router has one route per family, so a second address of a family would go unused. */
function addressesOfOneFamily(root: unknown): Found[] {
  return asList(valueAt(root, ['servers'])).flatMap((_, i) => {
    const families = new Set<string>();
    return entriesAt(root, ['servers', i, 'address']).flatMap(({ path, value }) => {
      const address = typeof value === 'string' ? parseAddress(value) : undefined;
      if (address === undefined) return [];
      const family = typeof address === 'number' ? 'IPv4' : 'IPv6';
      if (!families.has(family)) {
        families.add(family);
        return [];
      }
      const message = `a second ${family} address of one server`;
      return [{ path, problem: { message, hint: `keep one ${family} address` } }];
    });
  });
}

/** An address below two prefixes would hold two IPv4 addresses. */
function nat64Overlaps(root: unknown): Found[] {
  const path = ['router', 'nat64'];
  const parsed = asList(valueAt(root, path)).map((text) =>
    typeof text === 'string' ? parseNat64(text) : undefined,
  );
  return parsed.flatMap((prefix, i) => {
    if (prefix === undefined || 'message' in prefix) return [];
    const isTwice = parsed
      .slice(0, i)
      .some((one) => one !== undefined && !('message' in one) && overlap(one, prefix));
    if (!isTwice) return [];
    const problem = { message: 'overlaps a NAT64 prefix above', hint: 'keep one of them' };
    return [{ path: [...path, i], problem }];
  });
}

/** Then the server would capture nothing: its own frames never come in to it. */
function serversAmongRouters(root: unknown): Found[] {
  const macOf = (value: unknown) => (typeof value === 'string' ? parseMac(value) : undefined);
  const own = asList(valueAt(root, ['servers'])).map((one) => macOf(asMap(one).mac));
  return entriesAt(root, ['router', 'mac']).flatMap(({ path, value }) => {
    const mac = macOf(value);
    if (mac === undefined || !own.includes(mac)) return [];
    const message = `"${mac}" is the MAC of a server`;
    return [{ path, problem: { message, hint: 'write the MAC of the router, or auto' } }];
  });
}

function badSetNames(root: unknown, source: Source): Diagnostic[] {
  return Object.keys(asMap(valueAt(root, ['sets']))).flatMap((name) => {
    const problem = setNameProblem(name);
    return problem === undefined
      ? []
      : [diagnosticAt(source.positionOfKey(['sets', name]), problem)];
  });
}

/** Duplicate names, unknown and misnamed sets, a key under two names, addresses and credentials that do not fit. */
export function checkAcross(root: unknown, source: Source): Diagnostic[] {
  const interfaces = asList(valueAt(root, ['router', 'interfaces'])).map(
    (name, i): Named => ({ path: ['router', 'interfaces', i], name }),
  );
  const found = [
    ...duplicates('interface', interfaces, source),
    ...duplicates('server name', namesIn(root, ['servers'], 'server'), source),
    ...reservedNames(namesIn(root, ['servers'], 'server')),
    ...duplicates('upstream name', namesIn(root, ['relay', 'upstreams']), source),
    ...duplicates('route name', namesIn(root, ['relay', 'routes'], 'route-'), source),
    ...duplicates('rule name', namesIn(root, ['rules'], 'rule-'), source),
    ...unknownSets(root),
    ...nat64Overlaps(root),
    ...addressesOfOneFamily(root),
    ...serversAmongRouters(root),
    ...serverProblems(root),
    ...upstreamProblems(root),
    ...routeProblems(root),
    ...listProblems(root),
    ...probeProblems(root),
    ...pagesProblems(root, ['relay', 'metrics']),
    ...pagesProblems(root, ['exporter']),
  ];
  return [
    ...found.map(({ path, problem }) => diagnosticAt(source.positionOf(path), problem)),
    ...badSetNames(root, source),
    ...renamedTwice(root, source),
  ];
}
