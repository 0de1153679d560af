// SPDX-License-Identifier: MIT
#include "settings.h"

#include <string.h>

#include "kernel/kernel.h"
#include "relay/relay.h"

/* Around the destinations of kernel/tcp.c: 198.51.100.7 and 2001:db8::7. */
#define IPV4_FIRST 0xc6336400U
#define IPV4_BEHIND 0xc6336500U
#define IPV6_FIRST { 0x20, 0x01, 0x0d, 0xb8 }
#define IPV6_BEHIND { 0x20, 0x01, 0x0d, 0xb9 }

/* The header of abi.h, and what comes behind it: in the range all these routes, then none. */
struct destinations_table {
	struct sidetrack_relay_destinations header;
	uint32_t ipv4_start[2];
	uint32_t ipv4_routes[2];
	uint8_t ipv6_start[2][16];
	uint32_t ipv6_routes[2];
};

static struct {
	struct settings settings[GENERATIONS_MOST];
	unsigned int count;
} all;

/* --- taking ------------------------------------------------------------------------------ */

static void take_limits(struct sidetrack_relay_options *options, uint8_t bits)
{
	struct sidetrack_relay_probe *probe = &options->probe[FAMILY_IPV6];

	options->fast_open = bits & 1;
	options->capture = bits & 2 ? CAPTURE_TPROXY : CAPTURE_REDIRECT;
	options->max_connections_per_client = bits & 4 ? 2 : 0;
	options->max_handshakes = bits & 8 ? 2 : 0;
	options->tcp_info = options->log_records = bits >> 5 & 1;
	options->upstream_keepalive_s = bits >> 6 & 1;
	options->keepalive_s = bits >> 6 & 1;
	if (!(bits & 16))
		return;
	options->probe_answer = bits & 1 ? bits >> 1 & 3 : PROBE_ANSWER_NONE;
	options->probe_interval_ms = 1000;
	options->probe_timeout_ms = 3000;
	probe->port = 443;
	probe->request_length = bits & 2 ? 16 : 0;
	memset(probe->request, 'q', sizeof(probe->request));
	memcpy(probe->address, (uint8_t[16])IPV6_FIRST, sizeof(probe->address));
	probe->address[15] = 8;
}

static struct sidetrack_relay_options take_options(struct script *script)
{
	uint8_t bits = take_byte(script), more = take_byte(script);
	struct sidetrack_relay_options options = {
		.read_ahead = 1U << 20,
		.read_ahead_budget_mib = 1,
		.abi_version = SIDETRACK_RELAY_ABI_VERSION,
		.threads = 1,
		.max_connections = bits & 1 ? 2 : 0,
		.connect_timeout_ms = bits & 2 ? 5000 : 0,
		.handshake_timeout_ms = bits & 4 ? 5000 : 0,
		.idle_timeout_ms = bits & 8 ? 2000 : 0,
		.half_close_timeout_ms = bits & 16 ? 1000 : 0,
		.splice = !(bits & 32),
		.pipe_size = bits & 64 ? 65536 : 0,
		.pipes_per_thread = bits & 128 ? 1 : 0,
		.strategy = more % STRATEGY_COUNT,
	};

	take_limits(&options, more / STRATEGY_COUNT);
	return options;
}

/* Return: false if there was no memory */
static bool add_upstream(struct relay *relay, struct settings *settings, uint8_t byte)
{
	uint32_t index = settings->upstream_count++;
	struct sidetrack_relay_upstream from = {
		.kind = byte % UPSTREAM_KIND_COUNT,
		.port = 1080,
		.slot = index,
		.weight = byte % 5,
		.optimistic = byte & 32,
		.more_addresses = byte % UPSTREAM_KIND_COUNT != UPSTREAM_DIRECT && byte & 128 ? 2 : 0,
		.address = { 0x20, 0x01, 0x0d, 0xb8, [14] = (uint8_t)(index + 1) },
	};
	uint32_t i;

	for (i = 0; i < from.more_addresses; i++) {
		memcpy(from.more_address[i], from.address, sizeof(from.address));
		from.more_address[i][15] = (uint8_t)(i + 1);
	}
	if (byte & 64) {
		from.username_length = from.password_length = 255;
		memset(from.username, 'u', 255);
		memset(from.password, 'p', 255);
	}
	require(upstream_init(&settings->upstream[index], &from) == 0);
	return sidetrack_relay_add_upstream(relay, (uint8_t *)&from, sizeof(from)) == 0;
}

static bool set_destinations(struct relay *relay, const struct settings *settings)
{
	struct destinations_table table = {
		.header = { 2, 2 },
		.ipv4_start = { IPV4_FIRST, IPV4_BEHIND },
		.ipv6_start = { IPV6_FIRST, IPV6_BEHIND },
	};
	uint32_t i;

	for (i = 0; i < settings->route_count; i++) {
		table.ipv4_routes[0] |= (uint32_t)settings->route_ipv4[i] << i;
		table.ipv6_routes[0] |= (uint32_t)settings->route_ipv6[i] << i;
	}
	return sidetrack_relay_set_destinations(relay, (uint8_t *)&table, sizeof(table)) == 0;
}

static void take_route(struct script *script, struct settings *settings)
{
	uint32_t number = settings->route_count++;
	struct sidetrack_relay_route *route = &settings->route[number];
	uint32_t every = (1U << settings->upstream_count) - 1;
	uint8_t byte = take_byte(script);

	route->slot = number + 1;
	route->upstreams = byte & every ? byte & every : every;
	settings->route_ipv4[number] = byte & 8;
	settings->route_ipv6[number] = byte & 16;
	route->any_destination = byte & 32;
	route->port_ranges = byte & 64 ? 1 : 0;
	route->ports[0].first = byte & 128 ? 443 : 1;
	route->ports[0].last = byte & 128 ? 443 : 80;
}

/* Return: false if there was no memory, or the relay is not running any more */
static bool take_ways(struct relay *relay, struct script *script, struct settings *settings,
		      uint8_t counts)
{
	uint32_t i, routes = counts / UPSTREAMS_MOST % (ROUTES_MOST + 1);
	bool added = true;

	for (i = 0; i < counts % UPSTREAMS_MOST + 1U; i++)
		added &= add_upstream(relay, settings, take_byte(script));
	for (i = 0; i < routes; i++)
		take_route(script, settings);
	if (routes)
		added &= set_destinations(relay, settings);
	for (i = 0; added && i < routes; i++)
		added = sidetrack_relay_add_route(relay, (uint8_t *)&settings->route[i],
						  sizeof(settings->route[i])) == 0;
	return added;
}

static struct settings *next_settings(void)
{
	struct settings *settings = &all.settings[all.count];

	memset(settings, 0, sizeof(*settings));
	return settings;
}

/* A generation lives at an address where an older one may have lived: the last counts. */
static void keep(struct settings *settings, const struct relay *relay)
{
	settings->generation = relay->current;
	all.count++;
}

/* Return: a relay that has been started */
struct relay *settings_begin(struct script *script)
{
	static const uint64_t capacities[] = { 1, 700, 65536, 4 << 20 };
	struct settings *settings;
	struct relay *relay;
	uint8_t byte;

	all.count = 0;
	settings = next_settings();
	settings->options = take_options(script);
	relay = sidetrack_relay_create((uint8_t *)&settings->options, sizeof(settings->options));
	byte = take_byte(script);
	require(relay);
	kernel.capacity = capacities[byte % 4];
	kernel.transparent = settings->options.capture == CAPTURE_TPROXY;
	require(take_ways(relay, script, settings, byte / 4));
	require(sidetrack_relay_start(relay) == 0);
	keep(settings, relay);
	return relay;
}

/* All or nothing: without memory, or when the relay drains, nothing has changed. */
void settings_reload(struct relay *relay, struct script *script)
{
	const struct generation *before = relay->current;
	struct settings *settings = next_settings();
	int32_t begun;

	settings->options = take_options(script);
	if (all.count == GENERATIONS_MOST - 1)
		return;
	begun = sidetrack_relay_begin(relay, (uint8_t *)&settings->options,
				      sizeof(settings->options));
	require((begun == 0) == (relay_phase(relay) == PHASE_RUNNING));
	if (begun)
		return;
	if (!take_ways(relay, script, settings, take_byte(script))) {
		require(kernel.memory_failed && relay->current == before);
		return;
	}
	require(sidetrack_relay_commit(relay) == 0 && relay->current != before);
	keep(settings, relay);
}

/* --- asking ------------------------------------------------------------------------------ */

const struct settings *settings_of(const struct generation *generation)
{
	unsigned int i;

	for (i = all.count; i--; )
		if (all.settings[i].generation == generation)
			return &all.settings[i];
	require(!"a generation that has been committed");
	return NULL;
}

/* Who came under a wider limit stays, so the widest of all bounds. */
static uint32_t widest(uint32_t bound, uint32_t option, bool first)
{
	if (first)
		return option;
	return !bound || !option ? 0 : option > bound ? option : bound;
}

uint32_t settings_most_of_client(void)
{
	uint32_t most = 0;
	unsigned int i;

	for (i = 0; i < all.count; i++)
		most = widest(most, all.settings[i].options.max_connections_per_client, i == 0);
	return most;
}

uint32_t settings_most_handshakes(void)
{
	uint32_t most = 0;
	unsigned int i;

	for (i = 0; i < all.count; i++)
		most = widest(most, all.settings[i].options.max_handshakes, i == 0);
	return most;
}

static bool matches(const struct settings *settings, uint32_t number,
		    const struct endpoint *destination)
{
	const struct sidetrack_relay_route *route = &settings->route[number];
	bool named = endpoint_is_ipv4(destination) ? settings->route_ipv4[number]
						   : settings->route_ipv6[number];

	if (!named && !route->any_destination)
		return false;
	return !route->port_ranges || (destination->port >= route->ports[0].first &&
				       destination->port <= route->ports[0].last);
}

const struct sidetrack_relay_route *settings_route(const struct settings *settings,
						   const struct endpoint *destination)
{
	uint32_t i;

	for (i = 0; i < settings->route_count; i++)
		if (matches(settings, i, destination))
			return &settings->route[i];
	return NULL;
}

bool settings_are_patient(const struct settings *settings)
{
	return !settings->options.idle_timeout_ms && !settings->options.half_close_timeout_ms;
}
