/** Reads a host as it is: everything that planning may need, nothing is changed. */
import { SidetrackError } from '../error.js';
import { commandError, type Host, readFile, runChecked } from '../hosts/host.js';
import { parseListing, parseTableOfRuleset, type TableListing } from '../nft/listing.js';
import { TABLE_NAME } from '../nft/router-table.js';
import { savedStatePath, TABLE_NAME_FILE } from '../plan/paths.js';
import type {
  Family,
  InterfaceFacts,
  ObservedHost,
  ObservedIpRule,
  ObservedRoute,
  SavedState,
} from '../plan/state.js';
import { observeClassifier } from './classifier.js';
import {
  interfaceOf,
  type LinkJson,
  type RouteJson,
  type RuleJson,
  routeOf,
  ruleOf,
} from './ip-json.js';

/** @throws SidetrackError when a program, the privilege or nft's JSON support is missing. */
export async function observeHost(host: Host): Promise<ObservedHost> {
  // First, because it fails for every reason that makes the rest pointless.
  const listing = await observeTable(host);
  const [classifier, interfaces, rules4, rules6, routes4, routes6] = await Promise.all([
    observeClassifier(host),
    observeInterfaces(host),
    observeRules(host, 4),
    observeRules(host, 6),
    observeRoutes(host, 4),
    observeRoutes(host, 6),
  ]);
  const names = interfaces.map(({ name }) => name);
  const [sysctls, saved, tableNameFile, listeningPorts, neighbours] = await Promise.all([
    observeSysctls(host, names),
    observeSaved(host),
    host.ownsEtc ? readFile(host, TABLE_NAME_FILE) : undefined,
    observeListeners(host),
    observeNeighbours(host),
  ]);
  return {
    address: host.address,
    stateDir: host.stateDir,
    ownsEtc: host.ownsEtc,
    sidetrack: host.sidetrack,
    bpfDirectory: host.bpfDirectory,
    ...(classifier && { classifier }),
    interfaces,
    ipRules: [...rules4, ...rules6],
    routes: [...routes4, ...routes6],
    sysctls,
    ...(listing && { listing }),
    ...(saved && { saved }),
    ...(tableNameFile !== undefined && { tableNameFile }),
    listeningPorts,
    neighbours,
  };
}

/**
 * The table without the elements of its dynamic sets, which may be hundreds of thousands.
 * `list tables` and `list table --terse` print no elements either, but nft 1.0.6 reads them all
 * first (20 s for half a million addresses); `list ruleset --terse` and `list set` do not.
 */
export async function observeTable(host: Host): Promise<TableListing | undefined> {
  const text = await runChecked(host, ['nft', '-j', '-t', 'list', 'ruleset', 'inet']);
  const listing = parseTableOfRuleset(text, TABLE_NAME);
  if (listing === undefined) return undefined;
  const sets = await Promise.all(
    listing.sets.map(async (set) => (set.dynamic ? set : await observeSet(host, set.name))),
  );
  return { ...listing, sets };
}

async function observeSet(host: Host, name: string) {
  const text = await runChecked(host, ['nft', '-j', 'list', 'set', 'inet', TABLE_NAME, name]);
  return parseListing(text).sets[0]!;
}

async function observeInterfaces(host: Host): Promise<InterfaceFacts[]> {
  return (await ipJson<LinkJson>(host, ['-d', 'address', 'show'])).map(interfaceOf);
}

async function observeRules(host: Host, family: Family): Promise<ObservedIpRule[]> {
  const rules = await ipJson<RuleJson>(host, [`-${family}`, '-N', '-d', 'rule', 'show']);
  return rules.map((rule) => ruleOf(family, rule));
}

async function observeRoutes(host: Host, family: Family): Promise<ObservedRoute[]> {
  const argv = [`-${family}`, '-N', 'route', 'show', 'table', 'all'];
  return (await ipJson<RouteJson>(host, argv)).map((route) => routeOf(family, route));
}

async function ipJson<T>(host: Host, argv: readonly string[]): Promise<T[]> {
  const text = await runChecked(host, ['ip', '-j', ...argv]);
  // Some versions print nothing at all for an empty list, and `{}` for what they hide.
  const entries = text.trim() === '' ? [] : (JSON.parse(text) as T[]);
  return entries.filter((entry) => Object.keys(entry as object).length > 0);
}

const GLOBAL_SYSCTLS = [
  'net/ipv4/ip_forward',
  'net/ipv6/conf/all/forwarding',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
];

async function observeSysctls(host: Host, names: readonly string[]) {
  const keys = [
    ...GLOBAL_SYSCTLS,
    ...['all', 'default', ...names].flatMap((name) => [
      `net/ipv4/conf/${name}/send_redirects`,
      `net/ipv4/conf/${name}/rp_filter`,
    ]),
  ];
  // One process for all of them; grep prints `path:value` and skips what does not exist.
  const paths = keys.map((key) => `/proc/sys/${key}`);
  const { stdout } = await host.run(['grep', '-s', '-H', '', ...paths]);
  return Object.fromEntries(stdout.trim().split('\n').filter(Boolean).map(sysctlEntry));
}

function sysctlEntry(line: string): [string, string] {
  const colon = line.lastIndexOf(':');
  return [line.slice('/proc/sys/'.length, colon), line.slice(colon + 1).trim()];
}

export async function observeSaved(host: Host): Promise<SavedState | undefined> {
  const path = savedStatePath(host.stateDir);
  const text = await readFile(host, path);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as SavedState;
  } catch (cause) {
    throw new SidetrackError(`${host.address}: ${path} is damaged`, {
      code: 'state-damaged',
      source: 'host',
      hint: `remove it (the original sysctls are then unknown): rm ${path}`,
      cause,
    });
  }
}

const TCP_LISTEN = '0A';

async function observeListeners(host: Host): Promise<number[]> {
  const { stdout } = await host.run(['cat', '/proc/net/tcp', '/proc/net/tcp6']);
  const ports = stdout.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const port = fields[1]?.split(':')[1];
    return fields[3] === TCP_LISTEN && port ? [Number.parseInt(port, 16)] : [];
  });
  return [...new Set(ports)];
}

async function observeNeighbours(host: Host): Promise<Record<string, string>> {
  const result = await host.run(['ip', '-j', 'neigh', 'show']);
  if (result.status !== 0) throw commandError(host, ['ip', '-j', 'neigh', 'show'], result);
  const entries = JSON.parse(result.stdout.trim() || '[]') as { dst: string; lladdr?: string }[];
  return Object.fromEntries(entries.flatMap(({ dst, lladdr }) => (lladdr ? [[dst, lladdr]] : [])));
}
