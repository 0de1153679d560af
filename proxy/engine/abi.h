/* SPDX-License-Identifier: MIT */
/*
 * The line between the relay engine and TypeScript.
 *
 * Everything that both sides must agree on stands here and nowhere else: the
 * options, the counters, the outcomes and the records, as lists.  The C structs
 * are made from the lists by the preprocessor, and abi-gen.c, compiled against
 * this very header, prints ../abi.ts with the offsets that the compiler chose.
 * `make -C proxy/engine check-abi` fails when abi.ts is stale.
 *
 * ffi-rs passes 32-bit integers, opaque pointers and buffers, so that is all
 * the calls below use.  They run at control rate; no byte of traffic and no
 * connection passes through here.
 */
#ifndef SIDETRACK_RELAY_ABI_H
#define SIDETRACK_RELAY_ABI_H

#include <stdint.h>

/* Raised whenever a list below changes; create() refuses any other version. */
#define SIDETRACK_RELAY_ABI_VERSION 13

#define SIDETRACK_RELAY_ERROR_LENGTH 256
#define SIDETRACK_RELAY_RECENT 2048
#define SIDETRACK_RELAY_CLIENTS 1024	/* entries for them in each thread */
#define SIDETRACK_RELAY_LISTENERS 128	/* of both families */
#define SIDETRACK_RELAY_NAME_LENGTH 64	/* of an upstream, for the log */
#define SIDETRACK_RELAY_CONGESTION_LENGTH 16	/* TCP_CA_NAME_MAX, with its zero */
#define SIDETRACK_RELAY_LOG_LINE 1024	/* no line of the log is longer */
#define SIDETRACK_RELAY_UPSTREAMS 16		/* of one generation */
#define SIDETRACK_RELAY_ADDRESSES 8		/* of one upstream */
#define SIDETRACK_RELAY_FORBIDDEN_PORTS 8	/* remembered of one upstream */
#define SIDETRACK_RELAY_PROBE_REQUEST 512	/* bytes that a probe may say */
#define SIDETRACK_RELAY_ROUTES 32		/* of one generation */
#define SIDETRACK_RELAY_ROUTE_PORTS 64		/* port ranges of one route */

/*
 * What is counted by upstream or by route has a slot that outlives generations.
 * Twice as many as one generation can use, so that a new configuration fits
 * beside what the last connections of the old one still use.
 */
#define SIDETRACK_RELAY_UPSTREAM_SLOTS 32
#define SIDETRACK_RELAY_ROUTE_SLOTS 64		/* 0 is for what no route matches */

#define SIDETRACK_RELAY_CREDENTIAL_LENGTH 255	/* what RFC 1929 has room for */

/* 0..99 us in steps of 1, then 90 steps for each power of ten: see histogram.h */
#define SIDETRACK_RELAY_HISTOGRAM_BUCKETS 820

/*
 * X(name, what it means); zero is the default everywhere.  A key x_seconds of the
 * configuration's relay section reaches x_ms or x_s, any other key its own name.
 */
#define SIDETRACK_RELAY_OPTIONS(X)						\
	X(abi_version, "must be the version this table was generated from")	\
	X(port, "TCP port to listen on; 0 lets the kernel choose one")		\
	X(threads, "threads; 0 is one for each CPU we may run on")	\
	X(backlog, "listen backlog; 0 is 4096")					\
	X(max_connections, "0 is as many as the descriptor limit allows")	\
	X(max_connections_per_client, "an IPv6 client is its /64; 0 is no limit") \
	X(max_handshakes, "connections still on their way; 0 is no limit")	\
	X(descriptor_reserve, "descriptors left to the rest of the process")	\
	X(connect_timeout_ms, "time for the upstream to answer; 0 is never")	\
	X(handshake_timeout_ms, "time for an upstream's handshake; 0 is never")	\
	X(idle_timeout_ms, "time without a byte in either direction; 0 is never")	\
	X(half_close_timeout_ms, "the same once one side sent FIN; 0 is never")	\
	X(user_timeout_ms, "TCP_USER_TIMEOUT; 0 is the kernel's own")		\
	X(upstream_keepalive_s, "silence of upstream before a probe; 0 is no probes")	\
	X(keepalive_s, "silence of a client before a probe; 0 is none")	\
	X(keepalive_interval_s, "time between probes")				\
	X(splice, "0 always copies, 1 splices the directions that prove bulk")	\
	X(pipe_size, "bytes in flight in one splice; 0 is 1 MiB")		\
	X(pipes_per_thread, "most pipes a thread may own; 0 is 64")		\
	X(strategy, "how to choose among several upstreams")			\
	X(tcp_info, "1 asks the kernel for RTT and retransmissions at the end")	\
	X(log_records, "finished connections kept for the log; 0 is no log")	\
	X(capture, "how connections get here")					\
	X(fast_open, "1 is TCP Fast Open with clients and with proxies")	\
	X(probe_answer, "what a probe waits for once it is connected")		\
	X(probe_interval_ms, "time from one round of probes to the next")	\
	X(probe_timeout_ms, "time for a probe as a whole; 0 is never")		\
	X(read_ahead, "bytes read ahead of a receiver that stalls; 0 is what the kernel likes") \
	X(read_ahead_budget_mib, "of all connections together, MiB; 0 is no limit") \
	X(express, "1 lets connections pass in the kernel, once they prove bulk")	\
	X(express_after, "bytes of a connection, both ways, before that is tried")

/* X(NAME, label, what it means): what kind of upstream */
#define SIDETRACK_RELAY_UPSTREAM_KINDS(X)					\
	X(DIRECT, "direct", "connects to where the client wanted to go")	\
	X(SOCKS5, "socks5", "RFC 1928, with user and password by RFC 1929")	\
	X(SOCKS4A, "socks4a", "IPv6 destinations travel as names")		\
	X(HTTP, "http", "CONNECT, with Basic authentication")

/* X(NAME, label, what it means): how to choose among several */
#define SIDETRACK_RELAY_STRATEGIES(X)						\
	X(FAILOVER, "failover", "the first in order that is not backing off")	\
	X(WEIGHTED, "weighted", "in turns, as often as their weights say")	\
	X(LEAST_CONNECTIONS, "least-connections",				\
	  "the one with the fewest connections for its weight")

/* X(NAME, label, what it means): what a probe waits for once it is connected */
#define SIDETRACK_RELAY_PROBE_ANSWERS(X)					\
	X(NONE, "none", "nothing: that bytes could pass is enough")		\
	X(BANNER, "banner", "the first byte")					\
	X(TLS, "tls", "a TLS record: a handshake, or an alert")			\
	X(HTTP, "http", "a status line with less than 500")

/* X(NAME, label, what it means): who knows the original destination */
#define SIDETRACK_RELAY_CAPTURES(X)						\
	X(REDIRECT, "redirect", "conntrack: SO_ORIGINAL_DST")			\
	X(TPROXY, "tproxy", "the socket itself: getsockname()")

/* X(NAME, name, what it means): sockets by what their congestion control is chosen for */
#define SIDETRACK_RELAY_CONGESTIONS(X)						\
	X(CLIENT, client, "clients")						\
	X(ELSEWHERE, elsewhere, "clients that are on no attached network, where that differs") \
	X(UPSTREAM, upstream, "upstreams")

/*
 * X(NAME, name, what it means): how bytes move, see bytes/mode.h.  A direction begins with
 * the first; bytes are counted by mode, and directions that change to it.
 */
#define SIDETRACK_RELAY_MODES(X)						\
	X(COPY, copy, "through a buffer")					\
	X(SPLICE, splice, "through a pipe, untouched")				\
	X(EXPRESS, express, "packet by packet in the kernel, past the relay")

/* X(name, what it means), 64 bits each, one writer each */
#define SIDETRACK_RELAY_COUNTERS(X)						\
	X(accepted_ipv4, "connections accepted over IPv4")			\
	X(accepted_ipv6, "connections accepted over IPv6")			\
	X(active, "connections open now")					\
	X(upload_bytes, "bytes handed to upstream")				\
	X(download_bytes, "bytes handed to the client")				\
	X(coalesced, "directions that may be read by the clock")		\
	X(coalesced_polls, "times that the clock, and no event, had them read")		\
	X(stalls, "times a direction had to wait for a slow receiver")		\
	X(stalled, "connections that wait for a slow receiver, for longer than 200 ms")	\
	X(held_client_bytes, "the kernel's memory for their clients' legs")	\
	X(held_upstream_bytes, "the kernel's memory for their upstreams' legs")	\
	X(read_ahead_cuts, "directions cut, since their client was over its share")	\
	X(pipes, "pipes owned now")						\
	X(pipe_bytes, "room in the pipes owned now")				\
	X(pipe_failures, "pipes the kernel refused or made too small")		\
	X(paused_connections, "accept pauses: max_connections reached")		\
	X(paused_descriptors, "accept pauses: EMFILE or ENFILE")		\
	X(paused_memory, "accept pauses: the kernel was out of memory")		\
	X(paused_other, "accept pauses: another error")				\
	X(client_retransmitted_segments, "segments sent again to clients")	\
	X(upstream_retransmitted_segments, "segments sent again to upstreams")	\
	X(client_retransmitted_bytes, "bytes sent again to clients")		\
	X(upstream_retransmitted_bytes, "bytes sent again to upstreams")	\
	X(express_active, "connections that pass in the kernel now")		\
	X(express_refused, "connections whose two legs do not suit each other for that") \
	X(express_abandoned, "times that a change to it took too long, or found no room") \
	X(express_late, "connections reset, since bytes came late into a frozen socket") \
	X(express_hold_us, "time that connections were held for the change, microseconds") \
	X(log_dropped, "finished connections for which the log had no room")	\
	X(cpu_us, "CPU time that the thread has used, as of the reading, microseconds")

/* X(name, what it means), 64 bits each, for each upstream */
#define SIDETRACK_RELAY_UPSTREAM_COUNTERS(X)					\
	X(connections, "connections relayed through it")			\
	X(active, "connections open through it now, or on their way")		\
	X(upload_bytes, "bytes handed to it")					\
	X(download_bytes, "bytes that came from it and were handed to clients")	\
	X(probes_succeeded, "probes that reached their destination")		\
	X(probes_failed, "probes that did not")					\
	X(probes_skipped, "probes that never left: no port, descriptor, memory")	\
	X(probe_us, "time that the last successful probe took, microseconds")

/* X(name, what it means), 64 bits each, for each route */
#define SIDETRACK_RELAY_ROUTE_COUNTERS(X)					\
	X(connections, "connections that it matched")				\
	X(upload_bytes, "their bytes, handed to upstream")			\
	X(download_bytes, "their bytes, handed to clients")

/* X(name, what it means), 64 bits each, for each client */
#define SIDETRACK_RELAY_CLIENT_COUNTERS(X)					\
	X(active, "connections open now")					\
	X(connections, "connections accepted from it")				\
	X(upload_bytes, "bytes that came from it and were handed to upstream")	\
	X(download_bytes, "bytes handed to it")

/* X(NAME, label, what it means): how a connection ended */
#define SIDETRACK_RELAY_OUTCOMES(X)						\
	X(OPEN, "open", "still running")					\
	X(FINISHED, "finished", "FIN passed both ways")				\
	X(REFUSED, "refused", "the answer to our SYN was RST")		\
	X(UNREACHABLE, "unreachable", "no route, or ICMP said so")		\
	X(CONNECT_TIMEOUT, "timeout", "the upstream never answered")		\
	X(CONNECT_RESET, "reset", "reset while connecting")			\
	X(NO_PORTS, "no_ports", "no free local port to that upstream")		\
	X(NO_DESCRIPTORS, "no_descriptors", "no descriptor for the upstream")	\
	X(NO_MEMORY, "no_memory", "out of memory")				\
	X(CONNECT_OTHER, "other", "another error while connecting")		\
	X(UPSTREAM_REFUSED, "upstream_refused",					\
	  "the upstream would not connect for us")				\
	X(UPSTREAM_AUTH, "upstream_auth",					\
	  "the upstream wants other credentials")				\
	X(UPSTREAM_PROTOCOL, "upstream_protocol",				\
	  "the upstream does not speak its protocol, or hung up")		\
	X(HANDSHAKE_TIMEOUT, "handshake_timeout",				\
	  "the upstream's handshake took too long")				\
	X(DESTINATION_REFUSED, "destination_refused",				\
	  "the upstream says that the destination refused")			\
	X(DESTINATION_UNREACHABLE, "destination_unreachable",			\
	  "the upstream says that the destination cannot be reached")		\
	X(LOOP, "loop",								\
	  "the original destination or the client is this machine, or a server")	\
	X(DENIED, "denied", "the relay does not go to such destinations")	\
	X(NO_ORIGINAL_DESTINATION, "no_original_destination",			\
	  "the kernel knows no original destination: it was not redirected")	\
	X(NO_UPSTREAM, "no_upstream",						\
	  "no upstream has an address, or carries this address family")		\
	X(CLIENT_LIMIT, "client_limit",						\
	  "this client has as many connections as it may")			\
	X(HANDSHAKE_LIMIT, "handshake_limit",					\
	  "too many connections are waiting for their upstreams")		\
	X(CLIENT_RESET, "client_reset", "the client reset or went away")	\
	X(UPSTREAM_RESET, "upstream_reset", "the upstream reset or went away")	\
	X(IDLE_TIMEOUT, "idle_timeout", "silent for too long")			\
	X(HALF_CLOSE_TIMEOUT, "half_close_timeout",				\
	  "silent for too long after one side had ended")			\
	X(CLOSED, "closed", "ended by an operator")				\
	X(DRAINED, "drained", "cut off by the drain deadline or the stop")

/* X(name, what it measures), microseconds */
#define SIDETRACK_RELAY_HISTOGRAMS(X)						\
	X(connect, "from connect() until bytes can pass, handshake included")	\
	X(first_byte, "from accept to the first byte from upstream")		\
	X(lifetime, "from accept to close")					\
	X(residency_upload, "from readable at the client to written upstream")	\
	X(residency_download, "from readable upstream to written to the client")	\
	X(rtt_client, "smoothed round trip to the client, at the end")		\
	X(rtt_upstream, "smoothed round trip to the upstream, at the end")

/* X(NAME, label, what it means): what an open connection is doing */
#define SIDETRACK_RELAY_STATES(X)						\
	X(CONNECTING, "connecting", "connect() is on its way")			\
	X(HANDSHAKING, "handshaking", "a proxy has been reached and is being asked")	\
	X(RELAYING, "relaying", "bytes may pass")				\
	X(RESETTING, "resetting", "one leg is broken, the other gets its last bytes")

/* X(NAME, name, what it means): bits of an entry */
#define SIDETRACK_RELAY_ENTRY_FLAGS(X)						\
	X(UPLOAD_STALLED, "uploadStalled", "bytes wait for a slow upstream")	\
	X(DOWNLOAD_STALLED, "downloadStalled", "bytes wait for a slow client")	\
	X(UPLOAD_ENDED, "uploadEnded", "the client's FIN has been handed on")	\
	X(DOWNLOAD_ENDED, "downloadEnded", "the upstream's FIN has been handed on")	\
	X(TRANSLATED, "translated", "the client is as conntrack first saw it")

/* X(NAME, name, what it means): bits of an address in the table of the guard */
#define SIDETRACK_RELAY_GUARD_BITS(X)						\
	X(DENIED, "denied", "a destination or client that the guard refuses")			\
	X(OWN, "own", "this machine's, or another server's: neither a destination nor a client") \
	X(ATTACHED, "attached", "on a network of one of this machine's interfaces")

enum mode {
#define X(NAME, name, help) MODE_##NAME,
	SIDETRACK_RELAY_MODES(X)
#undef X
	MODE_COUNT
};

enum outcome {
#define X(name, label, help) OUTCOME_##name,
	SIDETRACK_RELAY_OUTCOMES(X)
#undef X
	OUTCOME_COUNT
};

enum entry_flag {
#define X(name, label, help) ENTRY_##name##_BIT,
	SIDETRACK_RELAY_ENTRY_FLAGS(X)
#undef X
	ENTRY_FLAG_COUNT
};

enum guard_bit {
#define X(name, label, help) GUARD_##name##_BIT,
	SIDETRACK_RELAY_GUARD_BITS(X)
#undef X
	GUARD_BIT_COUNT
};

/* What a snapshot of the open connections is for. */
enum snapshot_kind {
	SNAPSHOT_LIST,
	SNAPSHOT_CLOSE,
};

enum upstream_kind {
#define X(name, label, help) UPSTREAM_##name,
	SIDETRACK_RELAY_UPSTREAM_KINDS(X)
#undef X
	UPSTREAM_KIND_COUNT
};

enum strategy {
#define X(name, label, help) STRATEGY_##name,
	SIDETRACK_RELAY_STRATEGIES(X)
#undef X
	STRATEGY_COUNT
};

enum probe_answer {
#define X(name, label, help) PROBE_ANSWER_##name,
	SIDETRACK_RELAY_PROBE_ANSWERS(X)
#undef X
	PROBE_ANSWER_COUNT
};

enum capture {
#define X(name, label, help) CAPTURE_##name,
	SIDETRACK_RELAY_CAPTURES(X)
#undef X
	CAPTURE_COUNT
};

enum congestion {
#define X(NAME, name, help) CONGESTION_##NAME,
	SIDETRACK_RELAY_CONGESTIONS(X)
#undef X
	CONGESTION_COUNT
};

/* What an upstream carries; index and bit. */
enum family {
	FAMILY_IPV4,
	FAMILY_IPV6,
	FAMILIES
};

enum histogram_name {
#define X(name, help) HISTOGRAM_##name,
	SIDETRACK_RELAY_HISTOGRAMS(X)
#undef X
	HISTOGRAM_COUNT
};

/* Where probes for one family of addresses go through each upstream, and what they say there. */
struct sidetrack_relay_probe {
	uint32_t port;		/* 0: there are none */
	uint32_t request_length;
	uint8_t address[16];	/* IPv4 as ::ffff:a.b.c.d */
	uint8_t request[SIDETRACK_RELAY_PROBE_REQUEST];
};

struct sidetrack_relay_options {
#define X(name, help) uint32_t name;
	SIDETRACK_RELAY_OPTIONS(X)
#undef X
	/* where to listen; IPv4 as ::ffff:a.b.c.d; all zero is everywhere */
	uint8_t address[16];
	/* names of algorithms, zero-padded; all zero is the system's own */
	char congestion[CONGESTION_COUNT][SIDETRACK_RELAY_CONGESTION_LENGTH];
	struct sidetrack_relay_probe probe[FAMILIES];
};

/* One upstream, in the order of the configuration.  The engine keeps a copy. */
struct sidetrack_relay_upstream {
	uint32_t kind;
	uint32_t weight;	/* 0 is 1 */
	uint32_t port;
	uint32_t slot;		/* where it is counted; of one generation no two have the same */
	uint32_t optimistic;	/* the client's first bytes go along with the request */
	uint32_t families;	/* of destinations: 1 << enum family; 0 is every family */
	uint32_t more_addresses;	/* how many of them */
	uint32_t username_length;
	uint32_t password_length;
	uint8_t address[16];	/* IPv4 as ::ffff:a.b.c.d; all zero is not known yet;
				   of no interest to DIRECT */
	uint8_t more_address[SIDETRACK_RELAY_ADDRESSES - 1][16];
	uint8_t username[SIDETRACK_RELAY_CREDENTIAL_LENGTH];
	uint8_t password[SIDETRACK_RELAY_CREDENTIAL_LENGTH];
};

/*
 * One route: which upstreams a connection may use.  The first that matches
 * counts.  Its destinations are in the table of sidetrack_relay_set_destinations().
 */
struct sidetrack_relay_route {
	uint32_t slot;			/* where it is counted, not 0 */
	uint32_t upstreams;		/* bits, in the order they were added; never none */
	uint32_t any_destination;	/* matches every destination, without the table */
	uint32_t port_ranges;		/* 0 is every port */
	struct {
		uint32_t first;
		uint32_t last;
	} ports[SIDETRACK_RELAY_ROUTE_PORTS];	/* sorted, disjoint */
};

/*
 * Destinations of all routes, as the places where the answer changes.  Behind
 * this header come: IPv4 addresses as numbers, in ascending order; for each the
 * bits of the routes that match from there to the next; IPv6 addresses of 16
 * bytes, in ascending order; bits for each of them.  Nothing matches below the
 * first.  The table of the guard has the same shape, with 1 << enum guard_bit.
 */
struct sidetrack_relay_destinations {
	uint32_t ipv4_count;
	uint32_t ipv6_count;
};

/* What one thread has done with one upstream. */
struct sidetrack_relay_upstream_counters {
#define X(name, help) uint64_t name;
	SIDETRACK_RELAY_UPSTREAM_COUNTERS(X)
#undef X
	uint64_t error[OUTCOME_COUNT];	/* failures, also if another upstream was tried next */
};

/* What one thread has done by one route. */
struct sidetrack_relay_route_counters {
#define X(name, help) uint64_t name;
	SIDETRACK_RELAY_ROUTE_COUNTERS(X)
#undef X
};

/* What one thread has done for one client. */
struct sidetrack_relay_client {
	uint64_t address[2];	/* in network order, IPv4 as ::ffff:a.b.c.d; zero in the first */
	uint64_t seen_ms;	/* Unix time when a connection of it began or ended */
#define X(name, help) uint64_t name;
	SIDETRACK_RELAY_CLIENT_COUNTERS(X)
#undef X
};

struct sidetrack_relay_histogram {
	uint64_t sum;
	uint64_t bucket[SIDETRACK_RELAY_HISTOGRAM_BUCKETS];
};

/* One page of counters: what one thread has done since it started. */
struct sidetrack_relay_counters {
#define X(name, help) uint64_t name;
	SIDETRACK_RELAY_COUNTERS(X)
#undef X
	uint64_t mode_bytes[MODE_COUNT];
	uint64_t mode_changes[MODE_COUNT];	/* to it */
	uint64_t outcome[OUTCOME_COUNT];
	struct sidetrack_relay_histogram histogram[HISTOGRAM_COUNT];
	struct sidetrack_relay_upstream_counters upstream[SIDETRACK_RELAY_UPSTREAM_SLOTS];
	struct sidetrack_relay_route_counters route[SIDETRACK_RELAY_ROUTE_SLOTS];
};

/*
 * One accepted connection, as the `recent` list shows it.  Byte counts and
 * duration are zero while the outcome is still OPEN.  IPv4 as ::ffff:a.b.c.d.
 */
struct sidetrack_relay_record {
	uint64_t id;
	uint64_t accepted_ms;	/* Unix time */
	uint64_t duration_us;
	uint64_t connect_us;	/* until bytes could pass; 0 if they never could */
	uint64_t first_byte_us;	/* from accept; 0 if there was none */
	uint64_t upload_bytes;
	uint64_t download_bytes;
	uint8_t client[16];
	uint8_t destination[16];
	uint16_t client_port;
	uint16_t destination_port;
	uint32_t outcome;
	uint32_t upstream;	/* slot of the one it went through, or was tried last */
	uint32_t route;		/* slot of the one that matched */
	uint32_t rtt_us[2];	/* of the client's and the upstream's leg; 0 is unknown */
	uint32_t retransmitted[2];	/* segments */
};

/* One open connection, as a snapshot found it.  IPv4 as ::ffff:a.b.c.d. */
struct sidetrack_relay_entry {
	uint64_t id;
	uint64_t accepted_ms;	/* Unix time */
	uint64_t age_us;
	uint64_t idle_ms;	/* since a byte moved, or the state began */
	uint64_t upload_bytes;
	uint64_t download_bytes;
	uint8_t client[16];
	uint8_t destination[16];
	uint8_t local[16];	/* the client's leg, on our side */
	uint16_t client_port;
	uint16_t destination_port;
	uint16_t local_port;
	uint8_t upload_mode;	/* enum mode */
	uint8_t download_mode;
	uint32_t upstream;	/* slot, or ~0 before one has been chosen */
	uint32_t state;
	uint32_t flags;		/* 1 << enum entry_flag */
	uint32_t rtt_us[2];
	uint32_t route;		/* slot of the one that matched */
};

/* What start() settled, and what changes with generations: ask after it. */
struct sidetrack_relay_status {
	uint32_t port;
	uint32_t threads;
	uint32_t max_connections;
	uint32_t active;
	uint32_t generations;		/* alive: the current one, and older ones in use */
	uint32_t adopted;		/* threads that use the current one */
	uint32_t busy_upstreams;	/* bits of slots that a living generation uses */
	uint32_t failing_upstreams;	/* bits of slots: backing off, or not tried again yet */
	uint32_t resting_upstreams;	/* bits of slots: backing off */
	uint32_t lacking_upstreams[FAMILIES];	/* bits of slots: the last probe failed */
	uint32_t silent_upstreams;	/* bits of slots: they hang up without a byte */
	uint32_t unresolved_upstreams;	/* bits of slots of the current one: no address yet */
	uint32_t listening_families;	/* 1 << enum family: newcomers are accepted */
	uint32_t refused_families;	/* the same: they are not, since no upstream carries it */
	uint32_t busy_routes[SIDETRACK_RELAY_ROUTE_SLOTS / 32];	/* bits of slots */
	/* where upstreams would not connect to, by slot; 0: no more */
	uint16_t forbidden_ports[SIDETRACK_RELAY_UPSTREAM_SLOTS]
				[SIDETRACK_RELAY_FORBIDDEN_PORTS];
};

#define SIDETRACK_EXPORT __attribute__((visibility("default")))

struct relay;

SIDETRACK_EXPORT struct relay *sidetrack_relay_create(const uint8_t *options, int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_add_upstream(struct relay *relay, const uint8_t *upstream,
						      int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_adopt_listener(struct relay *relay, int32_t fd);
SIDETRACK_EXPORT int32_t sidetrack_relay_add_route(struct relay *relay, const uint8_t *route,
						   int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_set_destinations(struct relay *relay,
							  const uint8_t *destinations,
							  int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_set_guard(struct relay *relay, const uint8_t *table,
						   int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_publish_guard(struct relay *relay);
SIDETRACK_EXPORT int32_t sidetrack_relay_begin(struct relay *relay, const uint8_t *options,
					       int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_commit(struct relay *relay);
SIDETRACK_EXPORT int32_t sidetrack_relay_set_addresses(struct relay *relay, int32_t slot,
							const uint8_t *addresses,
							int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_find_route(struct relay *relay, const uint8_t *address,
						    int32_t port);
SIDETRACK_EXPORT int32_t sidetrack_relay_set_express(struct relay *relay, int32_t flows,
						      int32_t slots);
SIDETRACK_EXPORT int32_t sidetrack_relay_start(struct relay *relay);
SIDETRACK_EXPORT int32_t sidetrack_relay_drain(struct relay *relay, int32_t deadline_ms);
SIDETRACK_EXPORT int32_t sidetrack_relay_hand_over(struct relay *relay, int32_t deadline_ms);
SIDETRACK_EXPORT int32_t sidetrack_relay_drained(struct relay *relay);
SIDETRACK_EXPORT int32_t sidetrack_relay_active(struct relay *relay);
SIDETRACK_EXPORT int32_t sidetrack_relay_stop(struct relay *relay);
SIDETRACK_EXPORT int32_t sidetrack_relay_destroy(struct relay *relay);
SIDETRACK_EXPORT int32_t sidetrack_relay_read_status(struct relay *relay, uint8_t *out,
						     int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_read_listeners(struct relay *relay, uint8_t *out,
							int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_forking(struct relay *relay, int32_t forking);
SIDETRACK_EXPORT int32_t sidetrack_relay_heartbeat(struct relay *relay);
SIDETRACK_EXPORT int32_t sidetrack_relay_check_accept(struct relay *relay, int32_t on);
SIDETRACK_EXPORT int32_t sidetrack_relay_read_counters(struct relay *relay, int32_t thread,
						       uint8_t *out, int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_read_recent(struct relay *relay, int32_t thread,
						     uint8_t *out, int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_read_clients(struct relay *relay, int32_t thread,
						      uint8_t *out, int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_snapshot(struct relay *relay, int32_t kind,
						  const uint8_t *ids, int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_snapshot_done(struct relay *relay);
SIDETRACK_EXPORT int32_t sidetrack_relay_snapshot_count(struct relay *relay, int32_t thread);
SIDETRACK_EXPORT int32_t sidetrack_relay_read_snapshot(struct relay *relay, int32_t thread,
						       uint8_t *out, int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_read_log(struct relay *relay, int32_t thread,
						  const uint8_t *names, int32_t names_length,
						  uint8_t *out, int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_relay_read_error(struct relay *relay, uint8_t *out,
						    int32_t length);

SIDETRACK_EXPORT int32_t sidetrack_congestion(const uint8_t *name, int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_can_free_window(void);
SIDETRACK_EXPORT int32_t sidetrack_half_open(const uint8_t *directory,
					     int32_t directory_length, uint8_t *out,
					     int32_t length);
SIDETRACK_EXPORT int32_t sidetrack_notify(const uint8_t *address, int32_t address_length,
					  const uint8_t *message, int32_t length, int32_t fd);

#endif /* SIDETRACK_RELAY_ABI_H */
