/**
 * The shape of `sidetrack.yaml`: keys, types, bounds and defaults. What concerns several values at
 * once is in `check.ts`, what is not built yet in `limit.ts`. The editor schema comes from here,
 * too, so descriptions are written for the person who edits the file.
 */
import { z } from 'zod';
import { BALANCES } from './balance.js';
import { destinationProblem } from './destination.js';
import {
  choice,
  flag,
  integer,
  integerOrWord,
  list,
  numberOrText,
  oneOrMore,
  section,
  text,
} from './field.js';
import { LIST_FORMATS } from './formats/choice.js';
import { FORWARDINGS } from './forwarding.js';
import { hex } from './hex.js';
import { hostProblem } from './host-address.js';
import {
  countryProblem,
  listUrlProblem,
  refreshProblem,
  sha256Problem,
  signatureKeyProblem,
  wordProblem,
} from './list-scalars.js';
import { macProblem } from './mac.js';
import { NAT64_PREFIXES_MAX, nat64Problem, WELL_KNOWN_NAT64 } from './nat64-prefix.js';
import { ON_FAILURE } from './on-failure.js';
import { pagesShape } from './pages.js';
import { probeUrlProblem } from './probe.js';
import {
  addressProblem,
  clientCongestionProblem,
  commandProblem,
  congestionProblem,
  domainProblem,
  fileProblem,
  interfaceProblem,
  nameProblem,
  nextHopProblem,
  portProblem,
  routeNameProblem,
  ruleNameProblem,
  tableIdProblem,
  tableNameProblem,
} from './scalar.js';
import { fromProblem, toProblem } from './token.js';
import { upstreamUrlProblem } from './upstream-url.js';

const HOUR = 3600;
const HALF_HOUR = 1800;
const RELAY_PAGES_PORT = 9150;
const EXPORTER_PAGES_PORT = 9151;
/** Each is several series of a Prometheus. */
const PER_CLIENT_MOST = 1000;

/** As many as marks in the half of a byte, and as the classifiers have room for. */
const SERVERS_MOST = 16;
const HEARTBEAT_PORT = 9155;

const host = text(hostProblem).describe('local, ssh://user@host[:port] or netns://name');
const interfaceName = text(interfaceProblem);
const port = integer(1, 65535);

const markOf = (value: number) =>
  section({
    value: integer(1, 0xffffffff).default(value).describe('Firewall mark of steered packets'),
    mask: integer(1, 0xffffffff).default(0xff).describe('Bits of the mark that sidetrack uses'),
  }).superRefine(({ value, mask }, context) => {
    // Bit operations are signed in JavaScript; BigInt keeps the highest bit honest.
    if ((BigInt(value) & ~BigInt(mask)) === 0n) return;
    context.addIssue({
      code: 'custom',
      message: `mark ${value} (${hex(value)}) has bits outside mask ${hex(mask)}`,
      params: { hint: 'widen the mask or choose a smaller mark' },
      path: ['value'],
    });
  });

const autoOrMac = () => text((value) => (value === 'auto' ? undefined : macProblem(value)));

const router = section({
  host: host.meta({ examples: ['local'] }),
  interfaces: list(interfaceName)
    .describe('Where client packets come in')
    .meta({ examples: [['br-lan']] }),
  mac: oneOrMore(autoOrMac())
    .default('auto')
    .describe('Source MACs of the frames that the server captures: auto, MACs, or both in a list')
    .meta({ examples: [['auto', '00:00:5e:00:01:01']] }),
  classifier: choice('nftables', 'ebpf')
    .default('nftables')
    .describe('What judges packets on the router'),
  forwarding: choice(...FORWARDINGS)
    .default('mark')
    .describe(
      'How classifier ebpf passes packets on. mark: through the policy route; redirect: straight to the server, past routing and netfilter; xdp: the same, in the driver',
    ),
  way_out: choice(...FORWARDINGS)
    .optional()
    .describe('Old name of forwarding')
    .meta({ deprecated: true }),
  mark: markOf(150).prefault({}),
  table: section({
    id: integer(0, 0xffffffff, tableIdProblem).default(250),
    name: text(tableNameProblem).default('server1'),
  })
    .prefault({})
    .describe('Routing table of steered packets'),
  rule_priority: integerOrWord('auto', 1, 32765)
    .default('auto')
    .describe(
      'Priority of our ip rules. auto: 1500, or in front of another rule that could take the packets',
    ),
  nat64: z
    .array(text(nat64Problem), { error: 'must be a list' })
    .max(NAT64_PREFIXES_MAX, { error: `must have at most ${NAT64_PREFIXES_MAX} entries` })
    .default([WELL_KNOWN_NAT64])
    .describe(
      'Prefixes of NAT64 (RFC 6052): rules for an IPv4 destination hold for the addresses that contain it. []: none',
    ),
  flow_table_size: integer(1, 16777216).default(262144).describe('Most flows steered at a time'),
  takes_over: flag(false).describe(
    'Take in live flows that began elsewhere, as the new master of a VRRP group has to (classifier nftables)',
  ),
  max_flows_per_client: integer(0, 16777216)
    .optional()
    .describe(
      'Most flows that one client address may have in the flow table; on_failure decides about more. 0: no limit; default: a quarter of flow_table_size, at least 1024',
    ),
});

// The numbers beside the router's: other programs that a router must get along with are on servers, too.
const tproxy = section({
  mark: markOf(151).prefault({}),
  table: integer(0, 0xffffffff, tableIdProblem).default(251).describe('Routing table'),
  rule_priority: integerOrWord('auto', 1, 32765)
    .default('auto')
    .describe(
      'Priority of our ip rules. auto: 1501, or in front of another rule that could take the packets',
    ),
});

/** One thing is asked. */
const check = section({
  tcp: text(destinationProblem)
    .optional()
    .describe('Address and port to connect to')
    .meta({ examples: ['1.1.1.1:443'] }),
  url: text(probeUrlProblem)
    .optional()
    .describe('URL to GET: http:// and an address; a status below 500 is success')
    .meta({ examples: ['http://127.0.0.1:9090/'] }),
  command: text(commandProblem)
    .optional()
    .describe('For sh; exit status 0 is success')
    .meta({ examples: ['systemctl is-active --quiet xray'] }),
  interval_seconds: integer(1, HOUR).default(5),
  timeout_seconds: integer(1, HOUR).default(5),
});

const serverTable = section({
  id: integer(0, 0xffffffff, tableIdProblem).optional(),
  name: text(tableNameProblem).optional().describe("Default: the server's name"),
});

const server = section({
  name: text(nameProblem).optional().describe('Default: serverN, counted from 1'),
  host: host.meta({ examples: ['local'] }),
  interface: interfaceName
    .describe('The interface that faces the router')
    .meta({ examples: ['eth0'] }),
  address: oneOrMore(text(nextHopProblem))
    .describe('Next hop: one IPv4 and one IPv6 (ULA or global) address at most')
    .meta({ examples: ['192.168.1.2'] }),
  mac: autoOrMac().default('auto').describe('auto, or the MAC of the interface'),
  capture: choice('redirect', 'tproxy')
    .default('redirect')
    .describe('redirect: the program asks SO_ORIGINAL_DST; tproxy: it listens with IP_TRANSPARENT'),
  tproxy: tproxy
    .prefault({})
    .describe('Mark, table and priority for capture: tproxy, in case the defaults are in use'),
  program: choice('relay', 'external')
    .default('relay')
    .describe('relay: sidetrack relay; external: another program already listens on the port'),
  port: port.default(12345),
  weight: integer(1, 1000).default(1).describe('Share of the new flows among several servers'),
  backup: flag(false).describe('Takes new flows only where no other server is fit'),
  health: choice('heartbeat', 'route', 'none')
    .optional()
    .describe(
      'How the router knows that the server is fit. heartbeat: it says so itself, twice a second; route: the policy route is there; none: it is never asked. Default: heartbeat for the relay, route for an external program',
    ),
  route: choice('apply', 'external')
    .default('apply')
    .describe(
      "Who installs the default route in this server's table. apply: sidetrack; external: another program, such as FRR (`sidetrack export frr`), and while its route is away the server gets no new flows",
    ),
  check: check
    .optional()
    .describe(
      'What `sidetrack heartbeat` asks of a program: external before it says that it is fit',
    ),
  mark: integer(1, 0xffffffff)
    .optional()
    .describe(
      'Firewall mark of packets that go to this server, inside router.mark.mask. Default: router.mark.value for the first one, then the next free ones',
    ),
  table: serverTable
    .optional()
    .describe(
      'Routing table of those packets. Default: router.table for the first one, then the next free ids',
    ),
});

const upstream = section({
  name: text(nameProblem).meta({ examples: ['direct'] }),
  url: text(upstreamUrlProblem)
    .describe('direct:, socks5://host:port, socks4a://host:port or http://host:port')
    .meta({ examples: ['direct:'] }),
  addresses: list(text(addressProblem))
    .max(7, { error: 'must have at most 7 entries' })
    .optional()
    .describe('More addresses of the same proxy, tried in turn'),
  families: oneOrMore(choice('ipv4', 'ipv6'))
    .optional()
    .describe(
      'Families of destinations that it carries; default: both. A family that no upstream carries is not captured',
    )
    .meta({ examples: ['ipv4'] }),
  weight: integer(1, 1000).default(1).describe('Share of the connections'),
  optimistic: z
    .boolean({ error: 'must be true or false' })
    .default(false)
    .describe("Send the client's first bytes along with the request; not every proxy keeps them"),
  username: z.string({ error: 'must be text' }).optional(),
  password_file: text(fileProblem).optional().describe('File with the password on its first line'),
});

const ports = oneOrMore(numberOrText(portProblem, 'must be a port or a range like "8000-8100"'))
  .optional()
  .describe('Destination ports: 443 or "8000-8100"');

const destinations = oneOrMore(text(toProblem))
  .optional()
  .describe('Destinations: names of sets (private is built in), addresses, CIDRs and ranges');

const addressesOfTheGuard = oneOrMore(text(toProblem)).default([]);

/** `proxy` alone means all servers. */
const proxyTo = section({
  proxy: oneOrMore(text(nameProblem))
    .describe('Names of the servers that take its flows')
    .meta({ examples: [['server1']] }),
});

const route = section({
  name: text(routeNameProblem).optional().describe('Default: route-N, counted from 1'),
  to: destinations,
  port: ports,
  upstreams: oneOrMore(text(nameProblem))
    .describe('Names of upstreams; strategy and failover work among them')
    .meta({ examples: [['direct']] }),
});

export const probeSchema = section({
  destination: oneOrMore(text(destinationProblem))
    .optional()
    .describe(
      'Address and port that always accept connections. With one IPv4 and one IPv6 address each family is judged separately; the same holds for url, tls and banner',
    )
    .meta({ examples: ['1.1.1.1:443'] }),
  url: oneOrMore(text(probeUrlProblem))
    .optional()
    .describe('URL to GET: http:// and an address; a status below 500 is success')
    .meta({ examples: ['http://1.1.1.1/'] }),
  tls: oneOrMore(text(destinationProblem))
    .optional()
    .describe('Address and port to begin TLS with; any answer is success')
    .meta({ examples: ['1.1.1.1:443'] }),
  banner: oneOrMore(text(destinationProblem))
    .optional()
    .describe('Address and port of a server that speaks first; its first byte is success')
    .meta({ examples: ['192.0.2.1:22'] }),
  interval_seconds: integer(1, HOUR).default(10),
  timeout_seconds: integer(1, HOUR).default(5),
});

export const relaySchema = section({
  upstreams: list(upstream)
    .max(16, { error: 'must have at most 16 entries' })
    .default([{ name: 'direct', url: 'direct:', weight: 1, optimistic: false }])
    .describe('What the relay connects through, in order of preference'),
  routes: z
    .array(route, { error: 'must be a list' })
    .max(32, { error: 'must have at most 32 entries' })
    .default([])
    .describe(
      'Which upstreams to use, by destination. First match wins; without a match all upstreams are used',
    ),
  deny: addressesOfTheGuard
    .describe('Destinations that the relay refuses, even if a rule proxies them')
    .meta({ examples: [['203.0.113.7']] }),
  allow: addressesOfTheGuard
    .describe(
      "Exceptions to what the relay refuses by default: private, loopback, and networks on the server's interfaces",
    )
    .meta({ examples: [['10.8.0.0/24']] }),
  other_servers: z
    .array(text(addressProblem), { error: 'must be a list' })
    .optional()
    .describe(
      'Addresses of servers that this file does not have: neither clients nor destinations. `apply` writes it into the file of each server',
    ),
  strategy: choice('failover', 'weighted', 'least-connections')
    .default('failover')
    .describe('How to choose among the upstreams that can be reached'),
  probe: probeSchema
    .optional()
    .describe('Connect through every upstream at an interval, to know which ones work'),
  threads: integer(1, 256).optional().describe('Default: one for each processor'),
  metrics: section({
    ...pagesShape(RELAY_PAGES_PORT),
    connections: z
      .boolean({ error: 'must be true or false' })
      .default(false)
      .describe(
        'Show who is connected to what to all who can reach the port; without it only to the socket and to those with the token',
      ),
    per_client: integer(0, PER_CLIENT_MOST)
      .default(0)
      .describe(
        'Metrics of so many clients, the busiest ones; the rest is counted together. 0: none',
      ),
  }).prefault({}),
  tcp_info: z
    .boolean({ error: 'must be true or false' })
    .default(true)
    .describe('Count round-trip times and retransmissions of both legs'),
  access_log: section({
    file: text(fileProblem)
      .describe('One line of JSON for each finished connection; - is standard output')
      .meta({ examples: ['/var/log/sidetrack/access.log'] }),
  }).optional(),
  drain_seconds: integerOrWord('unlimited', 0, 7 * 24 * HOUR)
    .optional()
    .describe(
      'Time that open connections have after a stop or a hand-over; default: 30 after a stop, unlimited after a hand-over',
    ),
  keepalive_seconds: integer(0, 9 * HOUR)
    .default(HALF_HOUR)
    .describe('Idle time before a client gets keep-alive probes; 0: none'),
  connect_timeout_seconds: integer(1, HOUR).default(10),
  handshake_timeout_seconds: integer(1, HOUR)
    .default(20)
    .describe('Time for a proxy to connect to the destination'),
  idle_timeout_seconds: integer(0, 30 * 24 * HOUR)
    .default(0)
    .describe('0: never'),
  half_close_timeout_seconds: integer(1, 24 * HOUR).default(300),
  max_connections: integer(1, 16777216).optional(),
  max_connections_per_client: integer(0, 16777216)
    .optional()
    .describe('Connections over this are reset. An IPv6 client is its /64; 0: no limit'),
  max_handshakes: integer(0, 16777216)
    .optional()
    .describe('Most connections that still wait for an upstream; more are reset. 0: no limit'),
  congestion_control: section({
    client: text(clientCongestionProblem)
      .default('auto')
      .describe(
        "Of the clients' connections: auto, system, or an algorithm's name. auto: the system's, but one that does not pace for clients on attached networks",
      )
      .meta({ examples: ['cubic'] }),
    upstream: text(congestionProblem)
      .default('system')
      .describe("Of the connections to upstreams: system, or an algorithm's name")
      .meta({ examples: ['bbr'] }),
  })
    .prefault({})
    .describe('TCP congestion control for each leg'),
  read_ahead: integer(0, 67_108_864)
    .default(1_048_576)
    .describe(
      'Bytes of a connection, each way, that are read ahead of a receiver that takes none; 0: as many as the kernel likes',
    ),
  read_ahead_budget_mib: integer(0, 1_048_576)
    .optional()
    .describe(
      "MiB of the kernel's memory for all stalled connections; over this, clients that have more than their share are cut. Default: a quarter of what net.ipv4.tcp_mem calls pressure; 0: no limit",
    ),
  express: choice('off', 'on')
    .default('off')
    .describe(
      'Whether connections that prove bulk pass in the kernel from then on, packet by packet: see docs/relay.md for what that needs',
    ),
  express_after: integer(65_536, 4_294_967_295)
    .default(8_388_608)
    .describe('Bytes of a connection, both ways, before it may pass in the kernel'),
  fast_open: z
    .boolean({ error: 'must be true or false' })
    .default(false)
    .describe('TCP Fast Open with clients and with proxies'),
});

const rule = section({
  name: text(ruleNameProblem).optional().describe('Default: rule-N, counted from 1'),
  proto: choice('tcp', 'udp').optional(),
  from: oneOrMore(text(fromProblem))
    .optional()
    .describe('Sources: addresses, CIDRs, ranges, MACs and names of sets'),
  mac: oneOrMore(text(macProblem)).optional().describe('Source MACs, in addition to from'),
  to: destinations,
  port: ports,
  action: z
    .union([choice('proxy', 'direct', 'block'), proxyTo], {
      error: 'must be "proxy", "direct", "block" or { proxy: [names of servers] }',
    })
    .describe(
      'proxy: hand over to the servers (TCP), or to those of { proxy: [name] }; direct: leave alone; block: drop',
    )
    .meta({ examples: ['direct'] }),
});

/** Where a list comes from, which part of it is meant, and what is demanded of it. */
export const setSchema = section({
  file: text(fileProblem)
    .optional()
    .describe('A list on this machine; relative to this file')
    .meta({ examples: ['china.txt'] }),
  url: text(listUrlProblem)
    .optional()
    .describe('A list that `sidetrack refresh` fetches; the last good copy is kept')
    .meta({ examples: ['https://example.com/china.txt'] }),
  format: choice(...LIST_FORMATS)
    .default('auto')
    .describe(
      'auto: by its content. plain: one CIDR, address or range a line; delegated: statistics of a routing registry; csv: MaxMind, IPinfo, DB-IP; json: clouds, sing-box; ipset, nft, clash',
    ),
  country: oneOrMore(numberOrText(countryProblem, 'must be a country such as CN'))
    .optional()
    .describe('Of a list of all countries those that are meant: CN, or a geoname_id')
    .meta({ examples: ['CN'] }),
  asn: oneOrMore(integer(1, 0xffffffff))
    .optional()
    .describe('Of a table with AS numbers those that are meant'),
  service: oneOrMore(text(wordProblem))
    .optional()
    .describe("Of a cloud's list the services that are meant, as it calls them"),
  region: oneOrMore(text(wordProblem))
    .optional()
    .describe("Of a cloud's list the regions that are meant, as it calls them"),
  source_set: text(wordProblem)
    .optional()
    .describe('Of a file for ipset or nft with several sets the one that is meant'),
  locations: text(fileProblem)
    .optional()
    .describe("MaxMind's table of countries, for lists that name them by geoname_id"),
  refresh: text(refreshProblem)
    .default('24h')
    .describe('How old a copy may be before it is fetched again: 30m, 24h, 7d'),
  sha256: text(sha256Problem).optional().describe('Of the file that is served; another is refused'),
  sha256_url: text(listUrlProblem).optional().describe('Where the SHA-256 is published'),
  signature: section({
    key: text(signatureKeyProblem).describe('Public key of minisign or signify'),
    url: text(listUrlProblem).optional().describe('Default: url with .minisig behind it'),
  })
    .optional()
    .describe('A list that is not signed with this key is refused'),
  ca_file: text(fileProblem)
    .optional()
    .describe("Certificates (PEM) of a private server, in place of the system's authorities"),
  redirects: choice('same_host', 'any')
    .default('same_host')
    .describe('Where the server may send us on to; never from https to http'),
  max_size_mib: integer(1, 1024)
    .default(64)
    .describe('Most MiB that are fetched, unpacked; more is refused'),
  timeout_seconds: integer(1, HOUR).default(120).describe('For the whole of a fetch'),
  shrink_limit: integer(0, 100)
    .default(50)
    .describe(
      'Per cent of the entries before: a list with fewer is refused, and the copy stands. 0: never for that',
    ),
  min_entries: integer(0, 16777216)
    .default(1)
    .describe(
      'Fewer entries are an error, since a download may have failed; 0 allows an empty list',
    ),
});

const destinationsOrNone = (...usual: string[]) =>
  z.array(text(destinationProblem), { error: 'must be a list' }).default(usual);

/** What has to work after a change, where it worked before. */
const confirm = section({
  timeout_seconds: integer(10, HOUR)
    .default(90)
    .describe('Time in which a change has to be confirmed; the host reverts it after that'),
  probe_seconds: integer(1, 60).default(5).describe('Time for all probes of a host together'),
  gateway: z
    .boolean({ error: 'must be true or false' })
    .default(true)
    .describe('Router and servers reach their default gateways'),
  dns: z
    .array(text(domainProblem), { error: 'must be a list' })
    .default(['example.com'])
    .describe('Names that the router resolves; []: none'),
  internet: destinationsOrNone('1.1.1.1:443', '[2606:4700:4700::1111]:443').describe(
    'What servers connect to, and where the router forwards to; []: none',
  ),
  canary: destinationsOrNone('1.1.1.1:80', '[2606:4700:4700::1111]:80').describe(
    'What answers through the new way, if the policy hands it over: a server for HTTP, or one that speaks first; the first that fits of each family; []: none',
  ),
});

/** `sidetrack exporter`, on whichever machine has this file and the keys to the others. */
export const exporterSchema = section({
  ...pagesShape(EXPORTER_PAGES_PORT),
  timeout_seconds: integer(1, 9)
    .default(5)
    .describe('Time for the reading of a host; Prometheus itself waits for 10 seconds'),
  compare_seconds: integer(10, HOUR)
    .default(60)
    .describe(
      'Time between two comparisons of the hosts with this file, which take longer than counters',
    ),
});

/** The whole file. */
export const configSchema = section({
  router,
  servers: list(server).max(SERVERS_MOST, { error: `must have at most ${SERVERS_MOST} entries` }),
  health: section({
    rise: integer(1, 20)
      .default(3)
      .describe('Heartbeats in a row after which a server that was away gets new flows again'),
    reset_after_seconds: integer(3, HOUR)
      .default(10)
      .describe('Time without a heartbeat after which live flows of a server are reset'),
    port: port.default(HEARTBEAT_PORT).describe('UDP port of the router that heartbeats go to'),
  })
    .prefault({})
    .describe('How the router judges servers with health: heartbeat'),
  balance: choice(...BALANCES)
    .default('client')
    .describe(
      'What stays with one of several servers: all flows of a client, all between a client and a destination, or each by itself',
    ),
  relay: relaySchema.prefault({}),
  exporter: exporterSchema
    .prefault({})
    .describe('Metrics of router and servers, read by `sidetrack exporter`'),
  lists: section({
    directory: text(fileProblem)
      .optional()
      .describe(
        'Where copies of lists are kept. Default: /var/lib/sidetrack/lists for root, else ~/.local/state/sidetrack/lists',
      ),
  })
    .prefault({})
    .describe('Lists that are fetched'),
  sets: z.record(z.string(), setSchema, { error: 'must be a section of keys' }).default({}),
  rules: z
    .array(rule, { error: 'must be a list' })
    .optional()
    .describe(
      'First match wins. Without this key private destinations are direct and all other TCP is proxied',
    ),
  default: choice('proxy', 'direct', 'block').default('direct').describe('When no rule matches'),
  confirm: confirm
    .prefault({})
    .describe('Probes of a change over ssh: what worked before has to work after it'),
  on_failure: choice(...ON_FAILURE)
    .default('direct')
    .describe(
      'What becomes of a flow that cannot be handed over, because no server is fit, the route to it is gone, the flow table is full, the client is over its share, or the server lacks the address family. direct: it goes out past the servers; block: its packets are dropped; reset: the router answers with a TCP reset, so that the client knows at once',
    ),
});

/** The file after validation, every default filled in. */
export type CheckedFile = z.output<typeof configSchema>;
