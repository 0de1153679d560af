/** Reads a host as it is: everything that planning may need, nothing is changed. */
import { SidetrackError } from '../error.js';
import { ipWithoutJson } from '../hosts/explain.js';
import { explained, type Host, readFile } from '../hosts/host.js';
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
  ipJson,
  type LinkJson,
  type RouteJson,
  type RuleJson,
  routeOf,
  ruleOf,
} from './ip-json.js';
import { observeNeighbours } from './neighbours.js';
import { observeTable } from './nft-table.js';

/** @throws SidetrackError when a program, the privilege or nft's JSON support is missing. */
export async function observeHost(host: Host): Promise<ObservedHost> {
  // First, because it fails for every reason that makes the rest pointless.
  const { listing, rulesetUnread } = await observeTable(host);
  const [classifier, interfaces, rules4, rules6, routes4, routes6] = await Promise.all([
    observeClassifier(host),
    observeInterfaces(host),
    observeRules(host, 4),
    observeRules(host, 6),
    observeRoutes(host, 4),
    observeRoutes(host, 6),
  ]);
  const names = interfaces.map(({ name }) => name);
  const [sysctls, saved, tableNameFile, sockets, neighbours] = await Promise.all([
    observeSysctls(host, names),
    observeSaved(host),
    host.ownsEtc ? readFile(host, TABLE_NAME_FILE) : undefined,
    observeSockets(host),
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
    ...(rulesetUnread !== undefined && { rulesetUnread }),
    ...(saved && { saved }),
    ...(tableNameFile !== undefined && { tableNameFile }),
    ...sockets,
    neighbours,
  };
}

async function observeInterfaces(host: Host): Promise<InterfaceFacts[]> {
  const links = await ipJson<LinkJson>(host, ['-d', 'address', 'show']);
  // There is always lo.
  if (links.length === 0) throw explained(ipWithoutJson(host), 'no interfaces');
  return links.map(interfaceOf);
}

async function observeRules(host: Host, family: Family): Promise<ObservedIpRule[]> {
  const rules = await ipJson<RuleJson>(host, [`-${family}`, '-N', '-d', 'rule', 'show']);
  return rules.map((rule) => ruleOf(family, rule));
}

async function observeRoutes(host: Host, family: Family): Promise<ObservedRoute[]> {
  const argv = [`-${family}`, '-N', 'route', 'show', 'table', 'all'];
  return (await ipJson<RouteJson>(host, argv)).map((route) => routeOf(family, route));
}

const GLOBAL_SYSCTLS = [
  'net/ipv4/ip_forward',
  'net/ipv6/conf/all/forwarding',
  'net/ipv4/tcp_mtu_probing',
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

/** One process reads all three; the last is there only with the module pppoe. */
async function observeSockets(host: Host) {
  const files = ['tcp', 'tcp6', 'pppoe'].map((name) => `/proc/net/${name}`);
  const { stdout } = await host.run(['cat', ...files]);
  return { listeningPorts: listenersOf(stdout), pppoeDevices: pppoeDevicesOf(stdout) };
}

/** Interfaces over which PPPoE sessions run: `Id Address Device` of /proc/net/pppoe. */
export function pppoeDevicesOf(stdout: string): string[] {
  const session = /^[0-9A-F]{8}\s+(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\s+(\S+)\s*$/gim;
  return [...new Set([...stdout.matchAll(session)].map(([, device]) => device!))];
}

function listenersOf(stdout: string): number[] {
  const ports = stdout.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const port = fields[1]?.split(':')[1];
    return fields[3] === TCP_LISTEN && port ? [Number.parseInt(port, 16)] : [];
  });
  return [...new Set(ports)];
}
