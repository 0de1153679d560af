/** Reads a host as it is: everything that planning may need, nothing is changed. */
import { explained } from '../command/answer.js';
import { readGlobs } from '../command/command.js';
import { ipWithoutJson } from '../command/explain.js';
import { type Answer, contentOf, fileQuery, type Query, query } from '../command/query.js';
import { SidetrackError } from '../error.js';
import { ask, type Host } from '../hosts/host.js';
import { OWN_FILES } from '../plan/own-files.js';
import { savedStatePath } from '../plan/paths.js';
import type {
  Family,
  InterfaceFacts,
  ObservedFile,
  ObservedHost,
  ObservedIpRule,
  ObservedRoute,
  SavedState,
} from '../plan/state.js';
import { classifierQuery } from './classifier.js';
import {
  entriesOf,
  interfaceOf,
  ipQuery,
  type LinkJson,
  type RouteJson,
  type RuleJson,
  routeOf,
  ruleOf,
} from './ip-json.js';
import { neighboursQuery } from './neighbours.js';
import { tableQuery } from './nft-table.js';

/** All that is asked, by name; one round trip. The first fails for every reason that makes the rest pointless. */
export const observation = (host: ObservedFrom) => ({
  table: tableQuery,
  classifier: classifierQuery(host),
  interfaces: interfacesQuery,
  rules4: rulesQuery(4),
  rules6: rulesQuery(6),
  routes4: routesQuery(4),
  routes6: routesQuery(6),
  sysctls: sysctlsQuery,
  saved: savedQuery(host),
  files: filesQuery(host),
  sockets: socketsQuery,
  neighbours: neighboursQuery,
});

/** What of a host its questions depend on. */
type ObservedFrom = Pick<Host, 'address' | 'sidetrack' | 'stateDir' | 'ownsEtc' | 'bpfDirectory'>;

/** @throws SidetrackError when a program, the privilege or nft's JSON support is missing. */
export async function observeHost(host: Host): Promise<ObservedHost> {
  const found = await ask(host, observation(host));
  const { listing, rulesetUnread } = found.table;
  const { classifier, saved } = found;
  return {
    address: host.address,
    stateDir: host.stateDir,
    ownsEtc: host.ownsEtc,
    sidetrack: host.sidetrack,
    bpfDirectory: host.bpfDirectory,
    ...(classifier && { classifier }),
    interfaces: found.interfaces,
    ipRules: [...found.rules4, ...found.rules6],
    routes: [...found.routes4, ...found.routes6],
    sysctls: found.sysctls,
    ...(listing && { listing }),
    ...(rulesetUnread !== undefined && { rulesetUnread }),
    ...(saved && { saved }),
    files: found.files,
    ...found.sockets,
    neighbours: found.neighbours,
  };
}

const interfacesQuery: Query<InterfaceFacts[]> = query(
  ['ip', '-j', '-d', 'address', 'show'],
  (answer) => {
    const links = entriesOf<LinkJson>(answer);
    // There is always lo.
    if (links.length === 0) throw explained(ipWithoutJson(answer.host), 'no interfaces');
    return links.map(interfaceOf);
  },
);

const rulesQuery = (family: Family): Query<ObservedIpRule[]> =>
  ipQuery([`-${family}`, '-N', '-d', 'rule', 'show'], (rules: RuleJson[]) =>
    rules.map((rule) => ruleOf(family, rule)),
  );

const routesQuery = (family: Family): Query<ObservedRoute[]> =>
  ipQuery([`-${family}`, '-N', 'route', 'show', 'table', 'all'], (routes: RouteJson[]) =>
    routes.map((route) => routeOf(family, route)),
  );

const GLOBAL_SYSCTLS = [
  'net/ipv4/ip_forward',
  'net/ipv6/conf/all/forwarding',
  'net/ipv4/tcp_mtu_probing',
  'net/bridge/bridge-nf-call-iptables',
  'net/bridge/bridge-nf-call-ip6tables',
];

const PER_INTERFACE = ['send_redirects', 'rp_filter'];

/**
 * One process for all of them, those of every interface that there is; grep prints `path:value` and skips what does
 * not exist.
 */
const sysctlsQuery: Query<Record<string, string>> = query(
  readGlobs([
    ...GLOBAL_SYSCTLS.map((key) => `/proc/sys/${key}`),
    ...PER_INTERFACE.map((name) => `/proc/sys/net/ipv4/conf/*/${name}`),
  ]),
  ({ result }) =>
    Object.fromEntries(result.stdout.trim().split('\n').filter(Boolean).map(sysctlEntry)),
);

function sysctlEntry(line: string): [string, string] {
  const colon = line.lastIndexOf(':');
  return [line.slice('/proc/sys/'.length, colon), line.slice(colon + 1).trim()];
}

function filesQuery({ ownsEtc }: ObservedFrom): Query<Record<string, ObservedFile>> {
  const paths = ownsEtc ? OWN_FILES.map(({ path }) => path) : [];
  return {
    // The line of `ls`, and the content behind it.
    commands: paths.map((path) => ({
      argv: ['sh', '-c', 'ls -lnL "$1" && cat "$1"', 'sh', path],
      program: ['cat', path],
    })),
    parse: (...answers) =>
      Object.fromEntries(answers.flatMap((answer, i) => foundFile(paths[i]!, answer))),
  };
}

function foundFile(path: string, answer: Answer): [string, ObservedFile][] {
  const text = contentOf(answer);
  return text === undefined ? [] : [[path, fileOf(text)]];
}

/** `-rw-r--r-- 1 0 0 75 Nov  1 10:00 /etc/…`, and the content. */
export function fileOf(text: string): ObservedFile {
  const end = text.indexOf('\n');
  const bits = [...text.slice(1, 10)].map((letter) => (/[-ST]/.test(letter) ? '0' : '1'));
  return { content: text.slice(end + 1), mode: Number.parseInt(bits.join(''), 2) };
}

export function savedQuery(
  host: Pick<Host, 'address' | 'stateDir'>,
): Query<SavedState | undefined> {
  const path = savedStatePath(host.stateDir);
  return fileQuery(path, (text) => (text === undefined ? undefined : parseSaved(host, path, text)));
}

function parseSaved(host: { address: string }, path: string, text: string): SavedState {
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
const socketsQuery = query(
  ['cat', ...['tcp', 'tcp6', 'pppoe'].map((name) => `/proc/net/${name}`)],
  ({ result: { stdout } }) => ({
    listeningPorts: listenersOf(stdout),
    pppoeDevices: pppoeDevicesOf(stdout),
  }),
);

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
