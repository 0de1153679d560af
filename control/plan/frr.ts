/**
 * Configurations for FRR by which a server says that it is there: it announces a service address by BGP, BFD watches
 * the link, and on the router a static route by that address leads from the server's table to it, for as long as it is
 * announced. They are what FRR 8.4 and later understand. Pure.
 */
import { formatAddress, parseAddress } from '../config/address.js';
import type { Config, ServerConfig } from '../config/config.js';
import { SidetrackError } from '../error.js';
import { interfaceTowards, sameSubnet } from './address.js';
import { serverFamilies } from './server-families.js';
import type { Family, ObservedHost } from './state.js';
import { type Target, targetsOf } from './targets.js';

export interface FrrOptions {
  /** The first address of a range for each family; a server has the one behind it by its number plus one. */
  service: Readonly<Record<Family, string>>;
  /** Number of the router's autonomous system; the servers' is the next. */
  asn: number;
}

export interface FrrFile {
  /** Name of the host. */
  host: string;
  /** Its `/etc/frr/frr.conf`. */
  text: string;
}

/** A server of one family. */
interface Peer {
  family: Family;
  server: Target;
  /** What it announces. */
  service: string;
  /** The server's address and the router's on the link between them. */
  theirs: string;
  ours: string;
}

export const FRR_MARK = '! Written by sidetrack';
const PROFILE = 'sidetrack';
/** Three packets that fail to come, 300 ms each. */
const BFD = ['detect-multiplier 3', 'receive-interval 300', 'transmit-interval 300'];

/**
 * For the router, and for each server.
 * @throws SidetrackError `not-on-link`
 */
export function frrFiles(config: Config, router: ObservedHost, options: FrrOptions): FrrFile[] {
  const servers = targetsOf(config, router).filter(({ leaves }) => leaves === undefined);
  const peers = servers.flatMap((server) =>
    serverFamilies(configured(config, server)).map((family) =>
      peerOf(config, router, server, family, options),
    ),
  );
  const of = (server: Target) => peers.filter((peer) => peer.server === server);
  return [
    { host: 'router', text: textOf(routerLines(peers, options)) },
    ...servers.map((server) => ({
      host: server.name,
      text: textOf(serverLines(server.name, of(server), options)),
    })),
  ];
}

const configured = ({ servers }: Config, { name }: Target): ServerConfig =>
  servers.find((one) => one.name === name)!;

function peerOf(
  { router: own }: Config,
  router: ObservedHost,
  server: Target,
  family: Family,
  { service }: FrrOptions,
): Peer {
  const theirs = server.hops.find((hop) => hop.family === family)!.via;
  const ours = interfaceTowards(router, own.interfaces, theirs)?.addresses.find((one) =>
    sameSubnet(one.address, one.prefixLength, theirs),
  )?.address;
  if (ours === undefined)
    throw new SidetrackError(`${theirs} is on no subnet of ${own.interfaces.join(', ')}`, {
      code: 'not-on-link',
      source: 'user',
      hint: `BFD watches the link between router and ${server.name}: give both an address there; a tunnel that carries Ethernet (vxlan, gretap) is a link, too`,
    });
  return { family, server, service: addressAt(service[family], server.number + 1), theirs, ours };
}

function addressAt(first: string, offset: number): string {
  const parsed = parseAddress(first)!;
  return formatAddress(typeof parsed === 'number' ? parsed + offset : parsed + BigInt(offset));
}

const textOf = (lines: readonly string[]) => `${lines.join('\n')}\n`;
const ip = (family: Family) => (family === 4 ? 'ip' : 'ipv6');
const hostPrefix = ({ family, service }: Peer) => `${service}/${family === 4 ? 32 : 128}`;
const section = (head: string, lines: readonly string[], end = 'exit') => [
  head,
  ...lines.map((line) => ` ${line}`),
  end,
];

const head = (host: string) => [
  `${FRR_MARK}: /etc/frr/frr.conf of ${host}. In /etc/frr/daemons: bgpd=yes, bfdd=yes.`,
  'frr defaults traditional',
  'log syslog informational',
  ...section('bfd', section(`profile ${PROFILE}`, BFD)),
];

function routerLines(peers: readonly Peer[], { asn }: FrrOptions): string[] {
  return [
    ...head('the router'),
    '! An address that is not announced must have no other route.',
    'no ip nht resolve-via-default',
    'no ipv6 nht resolve-via-default',
    ...peers.flatMap(prefixList),
    ...peers.flatMap((peer) => section(`route-map ${listName(peer)} permit 10`, policyOf(peer))),
    ...section('route-map sidetrack-none deny 10', []),
    ...peers.map(
      ({ family, service, server }) =>
        `${ip(family)} route ${family === 4 ? '0.0.0.0/0' : '::/0'} ${service} table ${server.table.id}`,
    ),
    ...bgp(
      asn,
      routerId(
        peers.map(({ ours }) => ours),
        1,
      ),
      peers.map((peer) => ({
        family: peer.family,
        address: peer.theirs,
        asn: asn + 1,
        accepts: listName(peer),
        announces: 'sidetrack-none',
        networks: [],
      })),
    ),
  ];
}

function serverLines(name: string, peers: readonly Peer[], { asn }: FrrOptions): string[] {
  const number = peers[0]?.server.number ?? 0;
  return [
    ...head(name),
    ...section(
      'interface lo',
      peers.map((peer) => `${ip(peer.family)} address ${hostPrefix(peer)}`),
    ),
    ...peers.flatMap(prefixList),
    ...peers.flatMap((peer) => section(`route-map ${listName(peer)} permit 10`, policyOf(peer))),
    ...section('route-map sidetrack-none deny 10', []),
    ...bgp(
      asn + 1,
      routerId(
        peers.map(({ theirs }) => theirs),
        number + 2,
      ),
      peers.map((peer) => ({
        family: peer.family,
        address: peer.ours,
        asn,
        accepts: 'sidetrack-none',
        announces: listName(peer),
        networks: [hostPrefix(peer)],
      })),
    ),
  ];
}

const listName = ({ family, server }: Peer) => `sidetrack-${server.name}-${family}`;
const prefixList = (peer: Peer) => [
  `${ip(peer.family)} prefix-list ${listName(peer)} seq 5 permit ${hostPrefix(peer)}`,
];
/** A next hop that is link-local is no address of the server that anything knows it by. */
const policyOf = (peer: Peer): string[] => [
  `match ${ip(peer.family)} address prefix-list ${listName(peer)}`,
  ...(peer.family === 6 ? ['set ipv6 next-hop prefer-global'] : []),
];

interface Neighbour {
  family: Family;
  address: string;
  asn: number;
  /** Route maps. */
  accepts: string;
  announces: string;
  networks: string[];
}

/** 32 bits that differ between all who speak; where no address has as many a number. */
const routerId = (addresses: readonly string[], otherwise: number) =>
  addresses.find((one) => typeof parseAddress(one) === 'number') ?? `0.0.0.${otherwise}`;

function bgp(asn: number, id: string, neighbours: readonly Neighbour[]): string[] {
  const families = ([4, 6] as const).flatMap((family) => {
    const own = neighbours.filter((one) => one.family === family);
    if (own.length === 0) return [];
    const lines = own.flatMap(({ address, accepts, announces, networks }) => [
      ...networks.map((prefix) => `network ${prefix}`),
      `neighbor ${address} activate`,
      `neighbor ${address} route-map ${accepts} in`,
      `neighbor ${address} route-map ${announces} out`,
    ]);
    return section(`address-family ipv${family} unicast`, lines, 'exit-address-family');
  });
  return section(`router bgp ${asn}`, [
    `bgp router-id ${id}`,
    'no bgp default ipv4-unicast',
    ...neighbours.flatMap(({ address, asn: theirs }) => [
      `neighbor ${address} remote-as ${theirs}`,
      `neighbor ${address} bfd profile ${PROFILE}`,
      `neighbor ${address} timers 3 9`,
      `neighbor ${address} timers connect 5`,
    ]),
    ...families,
  ]);
}
