// Generated from proxy/engine/abi.h by `make -C proxy/engine abi`; do not edit.

export const ABI_VERSION = 13;
export const ERROR_LENGTH = 256;

/** Unsigned 32-bit options; byte offsets. */
export const optionOffset = {
  /** must be the version this table was generated from */
  abi_version: 0,
  /** TCP port to listen on; 0 lets the kernel choose one */
  port: 4,
  /** threads; 0 is one for each CPU we may run on */
  threads: 8,
  /** listen backlog; 0 is 4096 */
  backlog: 12,
  /** 0 is as many as the descriptor limit allows */
  max_connections: 16,
  /** an IPv6 client is its /64; 0 is no limit */
  max_connections_per_client: 20,
  /** connections still on their way; 0 is no limit */
  max_handshakes: 24,
  /** descriptors left to the rest of the process */
  descriptor_reserve: 28,
  /** time for the upstream to answer; 0 is never */
  connect_timeout_ms: 32,
  /** time for an upstream's handshake; 0 is never */
  handshake_timeout_ms: 36,
  /** time without a byte in either direction; 0 is never */
  idle_timeout_ms: 40,
  /** the same once one side sent FIN; 0 is never */
  half_close_timeout_ms: 44,
  /** TCP_USER_TIMEOUT; 0 is the kernel's own */
  user_timeout_ms: 48,
  /** silence of upstream before a probe; 0 is no probes */
  upstream_keepalive_s: 52,
  /** silence of a client before a probe; 0 is none */
  keepalive_s: 56,
  /** time between probes */
  keepalive_interval_s: 60,
  /** 0 always copies, 1 splices the directions that prove bulk */
  splice: 64,
  /** bytes in flight in one splice; 0 is 1 MiB */
  pipe_size: 68,
  /** most pipes a thread may own; 0 is 64 */
  pipes_per_thread: 72,
  /** how to choose among several upstreams */
  strategy: 76,
  /** 1 asks the kernel for RTT and retransmissions at the end */
  tcp_info: 80,
  /** finished connections kept for the log; 0 is no log */
  log_records: 84,
  /** how connections get here */
  capture: 88,
  /** 1 is TCP Fast Open with clients and with proxies */
  fast_open: 92,
  /** what a probe waits for once it is connected */
  probe_answer: 96,
  /** time from one round of probes to the next */
  probe_interval_ms: 100,
  /** time for a probe as a whole; 0 is never */
  probe_timeout_ms: 104,
  /** bytes read ahead of a receiver that stalls; 0 is what the kernel likes */
  read_ahead: 108,
  /** of all connections together, MiB; 0 is no limit */
  read_ahead_budget_mib: 112,
  /** 1 lets connections pass in the kernel, once they prove bulk */
  express: 116,
  /** bytes of a connection, both ways, before that is tried */
  express_after: 120,
} as const;

/** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export const OPTION_ADDRESS_OFFSET = 124;

/** Names of congestion control; byte offsets in the options. */
export const congestionOffset = {
  /** clients */
  client: 140,
  /** clients that are on no attached network, where that differs */
  elsewhere: 156,
  /** upstreams */
  upstream: 172,
} as const;
/** Bytes of such a name, one zero at least among them. */
export const CONGESTION_LENGTH = 16;
/** Of the probe's part for IPv4; that for IPv6 comes PROBE_SIZE behind it. */
export const OPTION_PROBE_OFFSET = 188;
export const PROBE_SIZE = 536;
/** Most bytes that a probe may say. */
export const PROBE_REQUEST = 512;
export const OPTIONS_SIZE = 1260;

/** Probes of one family: byte offsets from where its part begins. */
export const probeOffset = {
  /** u32, 0: there are none */
  port: 0,
  /** u32 */
  request_length: 4,
  /** 16 bytes */
  address: 8,
  /** bytes to say */
  request: 24,
} as const;

/** What a probe waits for; the index is the number that the engine uses. */
export const probeAnswers = [
  /** nothing: that bytes could pass is enough */
  'none',
  /** the first byte */
  'banner',
  /** a TLS record: a handshake, or an alert */
  'tls',
  /** a status line with less than 500 */
  'http',
] as const;

/** The index is the number that the engine uses. */
export const upstreamKinds = [
  /** connects to where the client wanted to go */
  'direct',
  /** RFC 1928, with user and password by RFC 1929 */
  'socks5',
  /** IPv6 destinations travel as names */
  'socks4a',
  /** CONNECT, with Basic authentication */
  'http',
] as const;

/** How to choose among several; the index is the number that the engine uses. */
export const strategies = [
  /** the first in order that is not backing off */
  'failover',
  /** in turns, as often as their weights say */
  'weighted',
  /** the one with the fewest connections for its weight */
  'least-connections',
] as const;

/** Who knows the original destination; the index is the number that the engine uses. */
export const captures = [
  /** conntrack: SO_ORIGINAL_DST */
  'redirect',
  /** the socket itself: getsockname() */
  'tproxy',
] as const;

/** One upstream: unsigned 32-bit values; byte offsets. */
export const upstreamOffset = {
  /** index into upstreamKinds */
  kind: 0,
  /** 0 is 1 */
  weight: 4,
  /** TCP port of the proxy */
  port: 8,
  /** where it is counted */
  slot: 12,
  /** 1: first bytes go with the request */
  optimistic: 16,
  /** bits: 1 IPv4, 2 IPv6; 0 is both */
  families: 20,
  /** how many */
  more_addresses: 24,
  /** bytes */
  username_length: 28,
  /** bytes */
  password_length: 32,
} as const;

/** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export const UPSTREAM_ADDRESS_OFFSET = 36;
export const UPSTREAM_MORE_ADDRESS_OFFSET = 52;
export const UPSTREAM_USERNAME_OFFSET = 164;
export const UPSTREAM_PASSWORD_OFFSET = 419;
export const UPSTREAM_SIZE = 676;
/** Most upstreams of one configuration. */
export const UPSTREAMS = 16;
/** Where they are counted. */
export const UPSTREAM_SLOTS = 32;
/** Most addresses of one upstream. */
export const ADDRESSES = 8;
/** Most bytes of a user name or a password. */
export const CREDENTIAL_LENGTH = 255;

/** One route: unsigned 32-bit values; byte offsets. */
export const routeOffset = {
  /** where it is counted */
  slot: 0,
  /** bits, in the order they were added */
  upstreams: 4,
  /** 1: matches every destination */
  any_destination: 8,
  /** 0 is every port */
  port_ranges: 12,
} as const;

/** Pairs of unsigned 32-bit values: first and last port. */
export const ROUTE_PORTS_OFFSET = 16;
export const ROUTE_SIZE = 528;
/** Most port ranges of one route. */
export const ROUTE_PORTS = 64;
/** Most routes of one configuration. */
export const ROUTES = 32;
/** Where they are counted; the first is for what no route matches. */
export const ROUTE_SLOTS = 64;

/** Bits of an address in the table of the guard. */
export const guardBit = {
  /** a destination or client that the guard refuses */
  denied: 1,
  /** this machine's, or another server's: neither a destination nor a client */
  own: 2,
  /** on a network of one of this machine's interfaces */
  attached: 4,
} as const;

/** Unsigned 64-bit counters of one thread; byte offsets. */
export const counterOffset = {
  /** connections accepted over IPv4 */
  accepted_ipv4: 0,
  /** connections accepted over IPv6 */
  accepted_ipv6: 8,
  /** connections open now */
  active: 16,
  /** bytes handed to upstream */
  upload_bytes: 24,
  /** bytes handed to the client */
  download_bytes: 32,
  /** directions that may be read by the clock */
  coalesced: 40,
  /** times that the clock, and no event, had them read */
  coalesced_polls: 48,
  /** times a direction had to wait for a slow receiver */
  stalls: 56,
  /** connections that wait for a slow receiver, for longer than 200 ms */
  stalled: 64,
  /** the kernel's memory for their clients' legs */
  held_client_bytes: 72,
  /** the kernel's memory for their upstreams' legs */
  held_upstream_bytes: 80,
  /** directions cut, since their client was over its share */
  read_ahead_cuts: 88,
  /** pipes owned now */
  pipes: 96,
  /** room in the pipes owned now */
  pipe_bytes: 104,
  /** pipes the kernel refused or made too small */
  pipe_failures: 112,
  /** accept pauses: max_connections reached */
  paused_connections: 120,
  /** accept pauses: EMFILE or ENFILE */
  paused_descriptors: 128,
  /** accept pauses: the kernel was out of memory */
  paused_memory: 136,
  /** accept pauses: another error */
  paused_other: 144,
  /** segments sent again to clients */
  client_retransmitted_segments: 152,
  /** segments sent again to upstreams */
  upstream_retransmitted_segments: 160,
  /** bytes sent again to clients */
  client_retransmitted_bytes: 168,
  /** bytes sent again to upstreams */
  upstream_retransmitted_bytes: 176,
  /** connections that pass in the kernel now */
  express_active: 184,
  /** connections whose two legs do not suit each other for that */
  express_refused: 192,
  /** times that a change to it took too long, or found no room */
  express_abandoned: 200,
  /** connections reset, since bytes came late into a frozen socket */
  express_late: 208,
  /** time that connections were held for the change, microseconds */
  express_hold_us: 216,
  /** finished connections for which the log had no room */
  log_dropped: 224,
  /** CPU time that the thread has used, as of the reading, microseconds */
  cpu_us: 232,
} as const;

/** One 64-bit counter for each outcome. */
export const OUTCOME_COUNTERS_OFFSET = 288;
export const COUNTERS_SIZE = 57240;

/** Unsigned 64-bit counters of one upstream; byte offsets from where it begins. */
export const upstreamCounterOffset = {
  /** connections relayed through it */
  connections: 0,
  /** connections open through it now, or on their way */
  active: 8,
  /** bytes handed to it */
  upload_bytes: 16,
  /** bytes that came from it and were handed to clients */
  download_bytes: 24,
  /** probes that reached their destination */
  probes_succeeded: 32,
  /** probes that did not */
  probes_failed: 40,
  /** probes that never left: no port, descriptor, memory */
  probes_skipped: 48,
  /** time that the last successful probe took, microseconds */
  probe_us: 56,
} as const;

/** One 64-bit counter for each outcome of a failed connect. */
export const UPSTREAM_ERRORS_OFFSET = 64;
/** Where the first upstream begins in a page, and how far it is to the next. */
export const UPSTREAM_COUNTERS_OFFSET = 46488;
export const UPSTREAM_COUNTERS_SIZE = 288;

/** Unsigned 64-bit counters of one route; byte offsets from where it begins. */
export const routeCounterOffset = {
  /** connections that it matched */
  connections: 0,
  /** their bytes, handed to upstream */
  upload_bytes: 8,
  /** their bytes, handed to clients */
  download_bytes: 16,
} as const;

/** Where the first route begins in a page, and how far it is to the next. */
export const ROUTE_COUNTERS_OFFSET = 55704;
export const ROUTE_COUNTERS_SIZE = 24;

/** Unsigned 64-bit values of one client; byte offsets. */
export const clientOffset = {
  /** Unix time when a connection of it began or ended */
  seen_ms: 16,
  /** connections open now */
  active: 24,
  /** connections accepted from it */
  connections: 32,
  /** bytes that came from it and were handed to upstream */
  upload_bytes: 40,
  /** bytes handed to it */
  download_bytes: 48,
} as const;

/** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export const CLIENT_ADDRESS_OFFSET = 0;
export const CLIENT_SIZE = 56;
/** Most entries of one thread; the first is of those clients that have none. */
export const CLIENTS = 1024;

/** How bytes move; the index is the number that the engine uses. */
export const modes = [
  /** through a buffer */
  'copy',
  /** through a pipe, untouched */
  'splice',
  /** packet by packet in the kernel, past the relay */
  'express',
] as const;

/** One 64-bit counter for each mode: bytes, and directions that changed to it. */
export const MODE_BYTES_OFFSET = 240;
export const MODE_CHANGES_OFFSET = 264;

/** How a connection ended; the index is the number that the engine uses. */
export const outcomes = [
  /** still running */
  'open',
  /** FIN passed both ways */
  'finished',
  /** the answer to our SYN was RST */
  'refused',
  /** no route, or ICMP said so */
  'unreachable',
  /** the upstream never answered */
  'timeout',
  /** reset while connecting */
  'reset',
  /** no free local port to that upstream */
  'no_ports',
  /** no descriptor for the upstream */
  'no_descriptors',
  /** out of memory */
  'no_memory',
  /** another error while connecting */
  'other',
  /** the upstream would not connect for us */
  'upstream_refused',
  /** the upstream wants other credentials */
  'upstream_auth',
  /** the upstream does not speak its protocol, or hung up */
  'upstream_protocol',
  /** the upstream's handshake took too long */
  'handshake_timeout',
  /** the upstream says that the destination refused */
  'destination_refused',
  /** the upstream says that the destination cannot be reached */
  'destination_unreachable',
  /** the original destination or the client is this machine, or a server */
  'loop',
  /** the relay does not go to such destinations */
  'denied',
  /** the kernel knows no original destination: it was not redirected */
  'no_original_destination',
  /** no upstream has an address, or carries this address family */
  'no_upstream',
  /** this client has as many connections as it may */
  'client_limit',
  /** too many connections are waiting for their upstreams */
  'handshake_limit',
  /** the client reset or went away */
  'client_reset',
  /** the upstream reset or went away */
  'upstream_reset',
  /** silent for too long */
  'idle_timeout',
  /** silent for too long after one side had ended */
  'half_close_timeout',
  /** ended by an operator */
  'closed',
  /** cut off by the drain deadline or the stop */
  'drained',
] as const;

/** Histograms of microseconds: a 64-bit sum, then 64-bit buckets. */
export const histogramOffset = {
  /** from connect() until bytes can pass, handshake included */
  connect: 512,
  /** from accept to the first byte from upstream */
  first_byte: 7080,
  /** from accept to close */
  lifetime: 13648,
  /** from readable at the client to written upstream */
  residency_upload: 20216,
  /** from readable upstream to written to the client */
  residency_download: 26784,
  /** smoothed round trip to the client, at the end */
  rtt_client: 33352,
  /** smoothed round trip to the upstream, at the end */
  rtt_upstream: 39920,
} as const;

export const HISTOGRAM_BUCKETS = 820;

/** One recent connection; byte offsets. */
export const recordOffset = {
  /** u64 */
  id: 0,
  /** u64, Unix time */
  accepted_ms: 8,
  /** u64 */
  duration_us: 16,
  /** u64, until bytes could pass, or 0 */
  connect_us: 24,
  /** u64, from accept, or 0 */
  first_byte_us: 32,
  /** u64 */
  upload_bytes: 40,
  /** u64 */
  download_bytes: 48,
  /** 16 bytes */
  client: 56,
  /** 16 bytes */
  destination: 72,
  /** u16 */
  client_port: 88,
  /** u16 */
  destination_port: 90,
  /** u32, index into outcomes */
  outcome: 92,
  /** u32, its slot */
  upstream: 96,
  /** u32, its slot */
  route: 100,
  /** u32, 0 is unknown */
  client_rtt_us: 104,
  /** u32, 0 is unknown */
  upstream_rtt_us: 108,
  /** u32, segments */
  client_retransmitted: 112,
  /** u32, segments */
  upstream_retransmitted: 116,
} as const;

export const RECORD_SIZE = 120;
/** Most listening sockets of one relay. */
export const LISTENERS = 128;
/** Records that one thread keeps. */
export const RECENT = 2048;

/** One open connection; byte offsets. */
export const entryOffset = {
  /** u64 */
  id: 0,
  /** u64, Unix time */
  accepted_ms: 8,
  /** u64 */
  age_us: 16,
  /** u64, since a byte moved */
  idle_ms: 24,
  /** u64 */
  upload_bytes: 32,
  /** u64 */
  download_bytes: 40,
  /** 16 bytes */
  client: 48,
  /** 16 bytes */
  destination: 64,
  /** u16 */
  client_port: 96,
  /** u16 */
  destination_port: 98,
  /** u32, its slot */
  upstream: 104,
  /** u32, its slot */
  route: 124,
  /** u32, index into connectionStates */
  state: 108,
  /** u8, index into modes */
  upload_mode: 102,
  /** u8, index into modes */
  download_mode: 103,
  /** u32, bits of entryFlag */
  flags: 112,
  /** u32, 0 is unknown */
  client_rtt_us: 116,
  /** u32, 0 is unknown */
  upstream_rtt_us: 120,
} as const;

export const ENTRY_SIZE = 128;

/** What an open connection is doing; the index is the engine's number. */
export const connectionStates = [
  /** connect() is on its way */
  'connecting',
  /** a proxy has been reached and is being asked */
  'handshaking',
  /** bytes may pass */
  'relaying',
  /** one leg is broken, the other gets its last bytes */
  'resetting',
] as const;

/** Bits of an open connection. */
export const entryFlag = {
  /** bytes wait for a slow upstream */
  uploadStalled: 1,
  /** bytes wait for a slow client */
  downloadStalled: 2,
  /** the client's FIN has been handed on */
  uploadEnded: 4,
  /** the upstream's FIN has been handed on */
  downloadEnded: 8,
  /** the client is as conntrack first saw it */
  translated: 16,
} as const;

/** What a snapshot of the open connections is for. */
export const SNAPSHOT_LIST = 0;
export const SNAPSHOT_CLOSE = 1;
/** Bytes for the name of an upstream in a line of the log. */
export const NAME_LENGTH = 64;

/** Unsigned 32-bit values; byte offsets. */
export const statusOffset = {
  /** the port in use */
  port: 0,
  /** threads */
  threads: 4,
  /** the limit in force */
  max_connections: 8,
  /** connections open now */
  active: 12,
  /** the current one and older ones in use */
  generations: 16,
  /** threads that use the current one */
  adopted: 20,
  /** bits of slots in use */
  busy_upstreams: 24,
  /** bits of slots */
  failing_upstreams: 28,
  /** bits of slots in backoff */
  resting_upstreams: 32,
  /** bits of slots */
  lacking_ipv4: 36,
  /** bits of slots */
  lacking_ipv6: 40,
  /** bits of slots */
  silent_upstreams: 44,
  /** bits of slots */
  unresolved_upstreams: 48,
  /** bits of families */
  listening_families: 52,
  /** bits of families */
  refused_families: 56,
  /** bits of slots in use, low ones first */
  busy_routes: 60,
} as const;

/** Unsigned 16-bit values, so many for each slot; 0: no more. */
export const STATUS_FORBIDDEN_PORTS_OFFSET = 68;
export const FORBIDDEN_PORTS = 8;
export const STATUS_SIZE = 580;
