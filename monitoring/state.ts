/**
 * What `/state.json`, each event of `/events` and the control socket's `GET /state` say: the relay's half,
 * the router's half, or both. Counters are sums since the start of what counts them; readers make rates
 * from two states. Bytes are bytes, durations are seconds, times are Unix time in seconds.
 */
import { z } from 'zod';

/** Raised when what is there already changes its meaning; readers skip keys that they do not know. */
export const STATE_VERSION = 1;

const count = z.number().min(0);
const seconds = z.number().min(0);
const time = z.number();
/** Words of the engine, of nft or of the configuration: shown as they are, another version may have more. */
const word = z.string();
const counts = z.record(word, count);
const family = z.enum(['ipv4', 'ipv6']);
/** As seen by a client: `upload` goes to the destination. */
const ways = z.object({ upload: count, download: count });

/** Of what happened within the last minute; absent where nothing did. */
const quantiles = z.object({ p50: seconds, p90: seconds, p99: seconds, count });

const upstream = z.object({
  name: word,
  /** False from a failure until the next success, and without an address. */
  up: z.boolean(),
  /** When `up` was last seen to change; the start of the relay before that. */
  since: time,
  /** Why it is down, as a reason of `errors`, or `probe`, `silence`, `unresolved`. */
  reason: word.exactOptional(),
  resolved: z.boolean(),
  /** It accepts and hangs up without a byte, too often. */
  silent: z.boolean(),
  /** Families of which the last probe failed. */
  lacking: z.array(family),
  connections: count,
  active: count,
  bytes: ways,
  /** Failed attempts by reason, those that happened. */
  errors: counts,
  probes: z.object({ succeeded: count, failed: count, skipped: count }),
  /** The last successful probe took so long. */
  probeSeconds: seconds.exactOptional(),
});

const route = z.object({ name: word, connections: count, bytes: ways });

const relay = z.object({
  pid: z.int().min(1),
  /** Of sidetrack. */
  release: word,
  port: z.int().min(0).max(65535),
  capture: word,
  /** Congestion control of new connections; `elsewhere`: of clients on no attached network, where that differs. */
  congestion: z
    .object({ client: word, elsewhere: word.exactOptional(), upstream: word })
    .exactOptional(),
  /** The server that it serves, by its name in the configuration. */
  server: word.exactOptional(),
  since: time,
  threads: z.object({
    count: z.int().min(1),
    /** Time that each thread was busy. */
    busy: z.array(seconds).exactOptional(),
  }),
  connections: z.object({
    active: count,
    limit: count,
    accepted: z.object({ ipv4: count, ipv6: count }),
    /** When one was seen to be accepted last. */
    lastAccepted: time.exactOptional(),
    /** Of the last minute, or of the time since the start when that is less. */
    minute: z.object({ accepted: count, errors: counts }).exactOptional(),
    /** Those that ended as they should. */
    finished: count,
    /** Those that came to nothing or were broken off, by reason; those reasons that happened. */
    errors: counts,
  }),
  bytes: ways,
  /** By how the bytes moved. */
  modes: z.record(word, z.object({ bytes: count })),
  /** Times that a direction waited for a slow receiver. */
  stalls: count,
  /** Families of which newcomers are accepted. */
  listening: z.array(family),
  /** Those that are refused, since probes say that no upstream carries them. */
  refused: z.array(family),
  upstreams: z.array(upstream),
  routes: z.array(route),
  quantiles: z.object({
    connect: quantiles.exactOptional(),
    firstByte: quantiles.exactOptional(),
    residencyUpload: quantiles.exactOptional(),
    residencyDownload: quantiles.exactOptional(),
  }),
  /** What can run out: `connections`, `descriptors`, `pipes`, `pipe_pages`, `conntrack`. */
  headroom: z.record(word, z.object({ used: count, limit: count.exactOptional() })),
  /** TCP handshakes of clients that stay half open. */
  halfOpen: count.exactOptional(),
  /** What its heartbeats say to the router; absent where it sends none. */
  heartbeat: z
    .object({
      /** Families of which it takes new flows. */
      fit: z.array(family),
      /** `ok`, or why it takes none, or not of all families. */
      reason: word,
      since: time,
    })
    .exactOptional(),
  reloads: z.object({
    success: count,
    failure: count,
    lastSucceeded: z.boolean(),
    lastSuccess: time,
    /** Configurations in use. */
    generations: count,
  }),
});

const host = z.object({
  /** `router`, or the server's name. */
  name: word,
  /** As the configuration says where it is; of that only `ssh`, `netns` or `local` to those who may not see clients. */
  address: word,
  /** False when the last reading failed; the rest is of the reading before. */
  up: z.boolean(),
  /** Why it failed, in a word. */
  reason: word.exactOptional(),
  /** And in those of ssh or of the host; only to readers who may see clients. */
  error: word.exactOptional(),
  state: z.enum(['in-sync', 'drifted', 'absent', 'unfit']).exactOptional(),
  /** Titles of the steps that `sidetrack apply` would take. */
  differences: z.array(word),
  /** What no step would mend. */
  problems: z.array(word),
  readSeconds: seconds.exactOptional(),
  lastRead: time.exactOptional(),
});

const packets = z.object({ packets: count, bytes: count.exactOptional() });
const ofServer = { server: word, family };

/** Whether the router gives a server new flows of a family. */
const standing = z.object({
  /** `alive`, `held`, `rising`, `unfit`, `silent`, `unknown`. */
  state: word,
  /** Since when, as far as anything knows it. */
  since: time.exactOptional(),
});

/** What the router knows of a server. Each counter is absent where nothing counts it. */
const serverHealth = z.object({
  server: word,
  /** By what it is judged: `heartbeat`, `route`, `none`. */
  health: word,
  /** It gets no new flows, by `sidetrack drain`, or since the configuration has it no more. */
  drained: z.boolean(),
  weight: count.exactOptional(),
  /** It gets flows when no other server is alive. */
  backup: z.boolean().exactOptional(),
  /** Those that it has an address of. */
  families: z.object({ ipv4: standing.exactOptional(), ipv6: standing.exactOptional() }),
  /** When its last authentic heartbeat came. */
  lastHeard: time.exactOptional(),
  /** What that said: `ok`, `leaving`, `upstreams` and so on. */
  reason: word.exactOptional(),
  /** Heartbeats that were not believed, by what was wrong with them. */
  ignored: counts,
  /** Those of the last minute, where there are some. */
  ignoredLately: counts.exactOptional(),
  steered: packets.exactOptional(),
  /** Entries of the flow table. */
  flows: count.exactOptional(),
  /** Packets of live flows that were answered with a reset, since the server was silent for too long. */
  resets: count.exactOptional(),
  /** Times that it was taken again after it had been lost. */
  returns: count.exactOptional(),
});

const router = z.object({
  classifier: z.object({
    /** `nftables` or `ebpf`. */
    kind: word,
    forwarding: word,
    /** Where the eBPF classifier sits: `attached`, `missing`, a mode of XDP. */
    attached: z.array(z.object({ interface: word, state: word })),
    /** Events of the eBPF classifier. */
    events: counts.exactOptional(),
  }),
  /** In the order of the configuration; `default` is the last. `servers`: those that the rule names. */
  rules: z.array(
    packets.extend({ rule: word, action: word, servers: z.array(word).exactOptional() }),
  ),
  steered: packets,
  /** Packets of flows that could not be handed over. */
  onFailure: z.object({
    full: count,
    overShare: count,
    noRoute: count,
    /** Of a family that no server has an address of; with eBPF among `noRoute`. */
    noServer: count.exactOptional(),
    /** No server that the rule may choose was alive. */
    noneAlive: count.exactOptional(),
  }),
  /** Packets by guard. */
  guards: counts,
  flows: z.object({
    /** Of all parts together; absent while the router has not counted them. */
    entries: count.exactOptional(),
    limit: count,
    /** Entries of each part, all of which have the same room: a set of nftables, a map of eBPF. */
    parts: counts,
    /** How many; who they are is not said here. */
    clientsOverShare: count.exactOptional(),
  }),
  sets: z.array(
    z.object({
      set: word,
      family,
      /** In the kernel; absent where the eBPF classifier has made classes of them. */
      elements: count.exactOptional(),
      /** Of the file behind the set. */
      entries: count.exactOptional(),
      fileTime: time.exactOptional(),
    }),
  ),
  nextHops: z.array(
    z.object({
      ...ofServer,
      /** Absent while the kernel has not tried. */
      reachable: z.boolean().exactOptional(),
      route: z.boolean(),
    }),
  ),
  /** In the order of the configuration; those that have left it, and still have flows, come last. */
  servers: z.array(serverHealth).exactOptional(),
  interfaces: z.array(z.object({ name: word, receive: count, transmit: count })),
  conntrack: z.object({ entries: count, limit: count }).exactOptional(),
  redirectsDropped: count.exactOptional(),
  /** By the address that cannot be. */
  martians: z.object({ source: count, destination: count }).exactOptional(),
  reversePathFiltered: count.exactOptional(),
});

/** A list that is fetched for a set, as it is on the machine of the exporter. */
const list = z.object({
  set: word,
  /** CIDRs of the copy; absent before the first. */
  entries: count.exactOptional(),
  /** It is to be fetched as often as this. */
  refreshSeconds: seconds,
  /** When its server last said what is in it. */
  checked: time.exactOptional(),
  failures: count,
  /** Why the last attempt failed: `timeout`, `malformed`, `shrunken` and so on. */
  reason: word.exactOptional(),
});

/** Packets that each server captured. */
const server = z.object({ name: word, captured: count });

const client = z.object({
  address: word,
  /** By a DHCP lease, /etc/hosts or the resolver. */
  name: word.exactOptional(),
  active: count,
  connections: count,
  bytes: ways,
});

/** Something that a person should look at. */
const health = z.object({
  level: z.enum(['ok', 'warning', 'critical']),
  /** `relay`, `router`, or the server's name. */
  host: word,
  /** In a few words. */
  what: word,
  /** What to type next; empty for `ok`. */
  next: word,
});

export const state = z.object({
  version: z.literal(STATE_VERSION),
  at: time,
  relay: relay.exactOptional(),
  hosts: z.array(host).exactOptional(),
  router: router.exactOptional(),
  servers: z.array(server).exactOptional(),
  /** Absent where no set has a url. */
  lists: z.array(list).exactOptional(),
  /** Only for readers who may see who talks to whom; largest first, bounded. */
  clients: z.array(client).exactOptional(),
  /** The worst first; one line of `ok` when all is well. */
  health: z.array(health).min(1),
});

export type State = z.output<typeof state>;
export type RelayState = z.output<typeof relay>;
export type UpstreamState = z.output<typeof upstream>;
export type HostState = z.output<typeof host>;
export type RouterState = z.output<typeof router>;
export type ServerState = z.output<typeof server>;
export type ListReading = z.output<typeof list>;
export type ServerHealthState = z.output<typeof serverHealth>;
export type ServerStanding = z.output<typeof standing>;
export type ClientState = z.output<typeof client>;
export type Health = z.output<typeof health>;
export type Quantiles = z.output<typeof quantiles>;

const column = z.array(z.number().nullable());

/**
 * `/history.json`: columns of equal length, the oldest sample first, one a second for a quarter of an hour.
 * `null` where nothing was measured. Rates are of the second before `at`.
 */
export const history = z.object({
  version: z.literal(STATE_VERSION),
  at: z.array(time),
  /** Bytes a second. */
  upload: column,
  download: column,
  /** Connections open. */
  active: column,
  /** Connections a second: accepted, and ended by an error. */
  opened: column,
  errors: column,
  /** Seconds. */
  connectP50: column,
  connectP99: column,
  residencyP50: column,
  residencyP99: column,
});

export type History = z.output<typeof history>;
