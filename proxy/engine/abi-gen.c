// SPDX-License-Identifier: MIT
/* Prints ../abi.ts: the lists and the layout of abi.h, as the compiler sees them. */
#include <stddef.h>
#include <stdio.h>

#include "abi.h"

#define OPTION_OFFSET(field) offsetof(struct sidetrack_relay_options, field)
#define PROBE_OFFSET(field) offsetof(struct sidetrack_relay_probe, field)
#define COUNTER_OFFSET(field) offsetof(struct sidetrack_relay_counters, field)
#define UPSTREAM_OFFSET(field) offsetof(struct sidetrack_relay_upstream, field)
#define UPSTREAM_COUNTER_OFFSET(field) offsetof(struct sidetrack_relay_upstream_counters, field)
#define ROUTE_OFFSET(field) offsetof(struct sidetrack_relay_route, field)
#define ROUTE_COUNTER_OFFSET(field) offsetof(struct sidetrack_relay_route_counters, field)
#define CLIENT_OFFSET(field) offsetof(struct sidetrack_relay_client, field)
#define RECORD_OFFSET(field) offsetof(struct sidetrack_relay_record, field)
#define ENTRY_OFFSET(field) offsetof(struct sidetrack_relay_entry, field)
#define STATUS_OFFSET(field) offsetof(struct sidetrack_relay_status, field)

static void entry(const char *name, size_t offset, const char *help)
{
	printf("  /** %s */\n  %s: %zu,\n", help, name, offset);
}

static void begin(const char *name, const char *help)
{
	printf("\n/** %s */\nexport const %s = {\n", help, name);
}

static void end(void)
{
	printf("} as const;\n");
}

static void print_congestion(void)
{
	begin("congestionOffset", "Names of congestion control; byte offsets in the options.");
#define X(NAME, name, help) entry(#name, OPTION_OFFSET(congestion[CONGESTION_##NAME]), help);
	SIDETRACK_RELAY_CONGESTIONS(X)
#undef X
	end();
	printf("/** Bytes of such a name, one zero at least among them. */\n"
	       "export const CONGESTION_LENGTH = %d;\n", SIDETRACK_RELAY_CONGESTION_LENGTH);
}

static void print_options(void)
{
	begin("optionOffset", "Unsigned 32-bit options; byte offsets.");
#define X(name, help) entry(#name, OPTION_OFFSET(name), help);
	SIDETRACK_RELAY_OPTIONS(X)
#undef X
	end();
	printf("\n/** 16 bytes, IPv4 as ::ffff:a.b.c.d. */\n"
	       "export const OPTION_ADDRESS_OFFSET = %zu;\n", OPTION_OFFSET(address));
	print_congestion();
	printf("/** Of the probe's part for IPv4; that for IPv6 comes PROBE_SIZE behind it. */\n"
	       "export const OPTION_PROBE_OFFSET = %zu;\n", OPTION_OFFSET(probe));
	printf("export const PROBE_SIZE = %zu;\n", sizeof(struct sidetrack_relay_probe));
	printf("/** Most bytes that a probe may say. */\n"
	       "export const PROBE_REQUEST = %d;\n", SIDETRACK_RELAY_PROBE_REQUEST);
	printf("export const OPTIONS_SIZE = %zu;\n", sizeof(struct sidetrack_relay_options));
}

static void print_probe(void)
{
	begin("probeOffset", "Probes of one family: byte offsets from where its part begins.");
	entry("port", PROBE_OFFSET(port), "u32, 0: there are none");
	entry("request_length", PROBE_OFFSET(request_length), "u32");
	entry("address", PROBE_OFFSET(address), "16 bytes");
	entry("request", PROBE_OFFSET(request), "bytes to say");
	end();
	printf("\n/** What a probe waits for; the index is the number that the engine uses. */\n"
	       "export const probeAnswers = [\n");
#define X(name, label, help) printf("  /** %s */\n  '%s',\n", help, label);
	SIDETRACK_RELAY_PROBE_ANSWERS(X)
#undef X
	printf("] as const;\n");
}

static void print_upstream(void)
{
	begin("upstreamOffset", "One upstream: unsigned 32-bit values; byte offsets.");
	entry("kind", UPSTREAM_OFFSET(kind), "index into upstreamKinds");
	entry("weight", UPSTREAM_OFFSET(weight), "0 is 1");
	entry("port", UPSTREAM_OFFSET(port), "TCP port of the proxy");
	entry("slot", UPSTREAM_OFFSET(slot), "where it is counted");
	entry("optimistic", UPSTREAM_OFFSET(optimistic), "1: first bytes go with the request");
	entry("families", UPSTREAM_OFFSET(families), "bits: 1 IPv4, 2 IPv6; 0 is both");
	entry("more_addresses", UPSTREAM_OFFSET(more_addresses), "how many");
	entry("username_length", UPSTREAM_OFFSET(username_length), "bytes");
	entry("password_length", UPSTREAM_OFFSET(password_length), "bytes");
	end();
	printf("\n/** 16 bytes, IPv4 as ::ffff:a.b.c.d. */\n"
	       "export const UPSTREAM_ADDRESS_OFFSET = %zu;\n", UPSTREAM_OFFSET(address));
	printf("export const UPSTREAM_MORE_ADDRESS_OFFSET = %zu;\n", UPSTREAM_OFFSET(more_address));
	printf("export const UPSTREAM_USERNAME_OFFSET = %zu;\n", UPSTREAM_OFFSET(username));
	printf("export const UPSTREAM_PASSWORD_OFFSET = %zu;\n", UPSTREAM_OFFSET(password));
	printf("export const UPSTREAM_SIZE = %zu;\n", sizeof(struct sidetrack_relay_upstream));
	printf("/** Most upstreams of one configuration. */\nexport const UPSTREAMS = %d;\n",
	       SIDETRACK_RELAY_UPSTREAMS);
	printf("/** Where they are counted. */\nexport const UPSTREAM_SLOTS = %d;\n",
	       SIDETRACK_RELAY_UPSTREAM_SLOTS);
	printf("/** Most addresses of one upstream. */\nexport const ADDRESSES = %d;\n",
	       SIDETRACK_RELAY_ADDRESSES);
	printf("/** Most bytes of a user name or a password. */\n"
	       "export const CREDENTIAL_LENGTH = %d;\n", SIDETRACK_RELAY_CREDENTIAL_LENGTH);
}

static void print_upstream_words(void)
{
	printf("\n/** The index is the number that the engine uses. */\n"
	       "export const upstreamKinds = [\n");
#define X(name, label, help) printf("  /** %s */\n  '%s',\n", help, label);
	SIDETRACK_RELAY_UPSTREAM_KINDS(X)
#undef X
	printf("] as const;\n");
	printf("\n/** How to choose among several; the index is the number that the engine uses. */\n"
	       "export const strategies = [\n");
#define X(name, label, help) printf("  /** %s */\n  '%s',\n", help, label);
	SIDETRACK_RELAY_STRATEGIES(X)
#undef X
	printf("] as const;\n");
}

static void print_captures(void)
{
	printf("\n/** Who knows the original destination; the index is the number that the engine"
	       " uses. */\nexport const captures = [\n");
#define X(name, label, help) printf("  /** %s */\n  '%s',\n", help, label);
	SIDETRACK_RELAY_CAPTURES(X)
#undef X
	printf("] as const;\n");
}

static void print_upstream_counters(void)
{
	begin("upstreamCounterOffset",
	      "Unsigned 64-bit counters of one upstream; byte offsets from where it begins.");
#define X(name, help) entry(#name, UPSTREAM_COUNTER_OFFSET(name), help);
	SIDETRACK_RELAY_UPSTREAM_COUNTERS(X)
#undef X
	end();
	printf("\n/** One 64-bit counter for each outcome of a failed connect. */\n"
	       "export const UPSTREAM_ERRORS_OFFSET = %zu;\n", UPSTREAM_COUNTER_OFFSET(error));
	printf("/** Where the first upstream begins in a page, and how far it is to the next. */\n"
	       "export const UPSTREAM_COUNTERS_OFFSET = %zu;\n", COUNTER_OFFSET(upstream));
	printf("export const UPSTREAM_COUNTERS_SIZE = %zu;\n",
	       sizeof(struct sidetrack_relay_upstream_counters));
}

static void print_route(void)
{
	begin("routeOffset", "One route: unsigned 32-bit values; byte offsets.");
	entry("slot", ROUTE_OFFSET(slot), "where it is counted");
	entry("upstreams", ROUTE_OFFSET(upstreams), "bits, in the order they were added");
	entry("any_destination", ROUTE_OFFSET(any_destination), "1: matches every destination");
	entry("port_ranges", ROUTE_OFFSET(port_ranges), "0 is every port");
	end();
	printf("\n/** Pairs of unsigned 32-bit values: first and last port. */\n"
	       "export const ROUTE_PORTS_OFFSET = %zu;\n", ROUTE_OFFSET(ports));
	printf("export const ROUTE_SIZE = %zu;\n", sizeof(struct sidetrack_relay_route));
	printf("/** Most port ranges of one route. */\nexport const ROUTE_PORTS = %d;\n",
	       SIDETRACK_RELAY_ROUTE_PORTS);
	printf("/** Most routes of one configuration. */\nexport const ROUTES = %d;\n",
	       SIDETRACK_RELAY_ROUTES);
	printf("/** Where they are counted; the first is for what no route matches. */\n"
	       "export const ROUTE_SLOTS = %d;\n", SIDETRACK_RELAY_ROUTE_SLOTS);
}

static void print_guard(void)
{
	begin("guardBit", "Bits of an address in the table of the guard.");
#define X(name, label, help) entry(label, (size_t)1 << GUARD_##name##_BIT, help);
	SIDETRACK_RELAY_GUARD_BITS(X)
#undef X
	end();
}

static void print_route_counters(void)
{
	begin("routeCounterOffset",
	      "Unsigned 64-bit counters of one route; byte offsets from where it begins.");
#define X(name, help) entry(#name, ROUTE_COUNTER_OFFSET(name), help);
	SIDETRACK_RELAY_ROUTE_COUNTERS(X)
#undef X
	end();
	printf("\n/** Where the first route begins in a page, and how far it is to the next. */\n"
	       "export const ROUTE_COUNTERS_OFFSET = %zu;\n", COUNTER_OFFSET(route));
	printf("export const ROUTE_COUNTERS_SIZE = %zu;\n",
	       sizeof(struct sidetrack_relay_route_counters));
}

static void print_counters(void)
{
	begin("counterOffset", "Unsigned 64-bit counters of one thread; byte offsets.");
#define X(name, help) entry(#name, COUNTER_OFFSET(name), help);
	SIDETRACK_RELAY_COUNTERS(X)
#undef X
	end();
	printf("\n/** One 64-bit counter for each outcome. */\n"
	       "export const OUTCOME_COUNTERS_OFFSET = %zu;\n", COUNTER_OFFSET(outcome));
	printf("export const COUNTERS_SIZE = %zu;\n", sizeof(struct sidetrack_relay_counters));
}

static void print_client(void)
{
	begin("clientOffset", "Unsigned 64-bit values of one client; byte offsets.");
	entry("seen_ms", CLIENT_OFFSET(seen_ms), "Unix time when a connection of it began or ended");
#define X(name, help) entry(#name, CLIENT_OFFSET(name), help);
	SIDETRACK_RELAY_CLIENT_COUNTERS(X)
#undef X
	end();
	printf("\n/** 16 bytes, IPv4 as ::ffff:a.b.c.d. */\n"
	       "export const CLIENT_ADDRESS_OFFSET = %zu;\n"
	       "export const CLIENT_SIZE = %zu;\n"
	       "/** Most entries of one thread; the first is of those clients that have none. */\n"
	       "export const CLIENTS = %d;\n",
	       CLIENT_OFFSET(address), sizeof(struct sidetrack_relay_client),
	       SIDETRACK_RELAY_CLIENTS);
}

static void print_modes(void)
{
	printf("\n/** How bytes move; the index is the number that the engine uses. */\n"
	       "export const modes = [\n");
#define X(NAME, name, help) printf("  /** %s */\n  '%s',\n", help, #name);
	SIDETRACK_RELAY_MODES(X)
#undef X
	printf("] as const;\n");
	printf("\n/** One 64-bit counter for each mode: bytes, and directions that changed to it. */\n"
	       "export const MODE_BYTES_OFFSET = %zu;\n", COUNTER_OFFSET(mode_bytes));
	printf("export const MODE_CHANGES_OFFSET = %zu;\n", COUNTER_OFFSET(mode_changes));
}

static void print_outcomes(void)
{
	printf("\n/** How a connection ended; the index is the number that the engine uses. */\n"
	       "export const outcomes = [\n");
#define X(name, label, help) printf("  /** %s */\n  '%s',\n", help, label);
	SIDETRACK_RELAY_OUTCOMES(X)
#undef X
	printf("] as const;\n");
}

static void print_histograms(void)
{
	begin("histogramOffset", "Histograms of microseconds: a 64-bit sum, then 64-bit buckets.");
#define X(name, help) entry(#name, COUNTER_OFFSET(histogram[HISTOGRAM_##name]), help);
	SIDETRACK_RELAY_HISTOGRAMS(X)
#undef X
	end();
	printf("\nexport const HISTOGRAM_BUCKETS = %d;\n", SIDETRACK_RELAY_HISTOGRAM_BUCKETS);
}

static void print_record(void)
{
	begin("recordOffset", "One recent connection; byte offsets.");
	entry("id", RECORD_OFFSET(id), "u64");
	entry("accepted_ms", RECORD_OFFSET(accepted_ms), "u64, Unix time");
	entry("duration_us", RECORD_OFFSET(duration_us), "u64");
	entry("connect_us", RECORD_OFFSET(connect_us), "u64, until bytes could pass, or 0");
	entry("first_byte_us", RECORD_OFFSET(first_byte_us), "u64, from accept, or 0");
	entry("upload_bytes", RECORD_OFFSET(upload_bytes), "u64");
	entry("download_bytes", RECORD_OFFSET(download_bytes), "u64");
	entry("client", RECORD_OFFSET(client), "16 bytes");
	entry("destination", RECORD_OFFSET(destination), "16 bytes");
	entry("client_port", RECORD_OFFSET(client_port), "u16");
	entry("destination_port", RECORD_OFFSET(destination_port), "u16");
	entry("outcome", RECORD_OFFSET(outcome), "u32, index into outcomes");
	entry("upstream", RECORD_OFFSET(upstream), "u32, its slot");
	entry("route", RECORD_OFFSET(route), "u32, its slot");
	entry("client_rtt_us", RECORD_OFFSET(rtt_us[0]), "u32, 0 is unknown");
	entry("upstream_rtt_us", RECORD_OFFSET(rtt_us[1]), "u32, 0 is unknown");
	entry("client_retransmitted", RECORD_OFFSET(retransmitted[0]), "u32, segments");
	entry("upstream_retransmitted", RECORD_OFFSET(retransmitted[1]), "u32, segments");
	end();
	printf("\nexport const RECORD_SIZE = %zu;\n", sizeof(struct sidetrack_relay_record));
	printf("/** Most listening sockets of one relay. */\nexport const LISTENERS = %d;\n",
	       SIDETRACK_RELAY_LISTENERS);
	printf("/** Records that one thread keeps. */\nexport const RECENT = %d;\n",
	       SIDETRACK_RELAY_RECENT);
}

static void print_entry_offsets(void)
{
	begin("entryOffset", "One open connection; byte offsets.");
	entry("id", ENTRY_OFFSET(id), "u64");
	entry("accepted_ms", ENTRY_OFFSET(accepted_ms), "u64, Unix time");
	entry("age_us", ENTRY_OFFSET(age_us), "u64");
	entry("idle_ms", ENTRY_OFFSET(idle_ms), "u64, since a byte moved");
	entry("upload_bytes", ENTRY_OFFSET(upload_bytes), "u64");
	entry("download_bytes", ENTRY_OFFSET(download_bytes), "u64");
	entry("client", ENTRY_OFFSET(client), "16 bytes");
	entry("destination", ENTRY_OFFSET(destination), "16 bytes");
	entry("client_port", ENTRY_OFFSET(client_port), "u16");
	entry("destination_port", ENTRY_OFFSET(destination_port), "u16");
	entry("upstream", ENTRY_OFFSET(upstream), "u32, its slot");
	entry("route", ENTRY_OFFSET(route), "u32, its slot");
	entry("state", ENTRY_OFFSET(state), "u32, index into connectionStates");
	entry("upload_mode", ENTRY_OFFSET(upload_mode), "u8, index into modes");
	entry("download_mode", ENTRY_OFFSET(download_mode), "u8, index into modes");
	entry("flags", ENTRY_OFFSET(flags), "u32, bits of entryFlag");
	entry("client_rtt_us", ENTRY_OFFSET(rtt_us[0]), "u32, 0 is unknown");
	entry("upstream_rtt_us", ENTRY_OFFSET(rtt_us[1]), "u32, 0 is unknown");
	end();
	printf("\nexport const ENTRY_SIZE = %zu;\n", sizeof(struct sidetrack_relay_entry));
}

static void print_entry(void)
{
	print_entry_offsets();
	printf("\n/** What an open connection is doing; the index is the engine's number. */\n"
	       "export const connectionStates = [\n");
#define X(name, label, help) printf("  /** %s */\n  '%s',\n", help, label);
	SIDETRACK_RELAY_STATES(X)
#undef X
	printf("] as const;\n");
	begin("entryFlag", "Bits of an open connection.");
#define X(name, label, help) entry(label, (size_t)1 << ENTRY_##name##_BIT, help);
	SIDETRACK_RELAY_ENTRY_FLAGS(X)
#undef X
	end();
	printf("\n/** What a snapshot of the open connections is for. */\n"
	       "export const SNAPSHOT_LIST = %d;\nexport const SNAPSHOT_CLOSE = %d;\n"
	       "/** Bytes for the name of an upstream in a line of the log. */\n"
	       "export const NAME_LENGTH = %d;\n", SNAPSHOT_LIST, SNAPSHOT_CLOSE,
	       SIDETRACK_RELAY_NAME_LENGTH);
}

static void print_status(void)
{
	begin("statusOffset", "Unsigned 32-bit values; byte offsets.");
	entry("port", STATUS_OFFSET(port), "the port in use");
	entry("threads", STATUS_OFFSET(threads), "threads");
	entry("max_connections", STATUS_OFFSET(max_connections), "the limit in force");
	entry("active", STATUS_OFFSET(active), "connections open now");
	entry("generations", STATUS_OFFSET(generations), "the current one and older ones in use");
	entry("adopted", STATUS_OFFSET(adopted), "threads that use the current one");
	entry("busy_upstreams", STATUS_OFFSET(busy_upstreams), "bits of slots in use");
	entry("failing_upstreams", STATUS_OFFSET(failing_upstreams), "bits of slots");
	entry("resting_upstreams", STATUS_OFFSET(resting_upstreams), "bits of slots in backoff");
	entry("lacking_ipv4", STATUS_OFFSET(lacking_upstreams[FAMILY_IPV4]), "bits of slots");
	entry("lacking_ipv6", STATUS_OFFSET(lacking_upstreams[FAMILY_IPV6]), "bits of slots");
	entry("silent_upstreams", STATUS_OFFSET(silent_upstreams), "bits of slots");
	entry("unresolved_upstreams", STATUS_OFFSET(unresolved_upstreams), "bits of slots");
	entry("listening_families", STATUS_OFFSET(listening_families), "bits of families");
	entry("refused_families", STATUS_OFFSET(refused_families), "bits of families");
	entry("busy_routes", STATUS_OFFSET(busy_routes), "bits of slots in use, low ones first");
	end();
	printf("\n/** Unsigned 16-bit values, so many for each slot; 0: no more. */\n"
	       "export const STATUS_FORBIDDEN_PORTS_OFFSET = %zu;\n", STATUS_OFFSET(forbidden_ports));
	printf("export const FORBIDDEN_PORTS = %d;\n", SIDETRACK_RELAY_FORBIDDEN_PORTS);
	printf("export const STATUS_SIZE = %zu;\n", sizeof(struct sidetrack_relay_status));
}

int main(void)
{
	printf("// Generated from proxy/engine/abi.h by `make -C proxy/engine abi`; do not edit.\n\n"
	       "export const ABI_VERSION = %d;\n"
	       "export const ERROR_LENGTH = %d;\n",
	       SIDETRACK_RELAY_ABI_VERSION, SIDETRACK_RELAY_ERROR_LENGTH);
	print_options();
	print_probe();
	print_upstream_words();
	print_captures();
	print_upstream();
	print_route();
	print_guard();
	print_counters();
	print_upstream_counters();
	print_route_counters();
	print_client();
	print_modes();
	print_outcomes();
	print_histograms();
	print_record();
	print_entry();
	print_status();
	return 0;
}
