// SPDX-License-Identifier: MIT
/* Which route names a destination, compared with asking each of them in turn. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "check.h"
#include "upstreams/route.h"

#define ROUTES 5
#define RANGES 40	/* of each route and family */
#define QUESTIONS 20000
#define ROUNDS 20

struct range {
	uint32_t first;
	uint32_t last;
};

/* In IPv6 the numbers are the last four bytes of 2001:db8::. */
struct plain_route {
	struct range range[2][RANGES];
	struct range port[3];
	int ports;
	bool any;
};

static uint32_t pseudo_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void make_ports(struct plain_route *route, uint32_t *state)
{
	uint32_t next = 1;
	int i;

	route->ports = (int)(pseudo_random(state) % 4);
	for (i = 0; i < route->ports; i++) {
		route->port[i].first = next + pseudo_random(state) % 10000;
		route->port[i].last = route->port[i].first + pseudo_random(state) % 9000;
		next = route->port[i].last + 1;
	}
}

/* Few high bits, so that ranges touch, overlap and repeat. */
static struct range make_range(uint32_t *state)
{
	uint32_t first = pseudo_random(state) & 0xff00000f;
	uint32_t length = pseudo_random(state) & 0x01000003;

	return (struct range){ first, first > UINT32_MAX - length ? UINT32_MAX : first + length };
}

static void make_routes(struct plain_route *route, uint32_t *state)
{
	int i, j;

	for (i = 0; i < ROUTES; i++) {
		for (j = 0; j < RANGES; j++) {
			route[i].range[0][j] = make_range(state);
			route[i].range[1][j] = make_range(state);
		}
		make_ports(&route[i], state);
		route[i].any = pseudo_random(state) % 16 == 0;
	}
}

static bool plain_names(const struct plain_route *route, int family, uint32_t address)
{
	int i;

	for (i = 0; i < RANGES; i++)
		if (address >= route->range[family][i].first &&
		    address <= route->range[family][i].last)
			return true;
	return false;
}

static bool plain_has_port(const struct plain_route *route, uint32_t port)
{
	int i;

	for (i = 0; i < route->ports; i++)
		if (port >= route->port[i].first && port <= route->port[i].last)
			return true;
	return route->ports == 0;
}

static int plain_find(const struct plain_route *route, int family, uint32_t address, uint32_t port)
{
	int i;

	for (i = 0; i < ROUTES; i++)
		if ((route[i].any || plain_names(&route[i], family, address)) &&
		    plain_has_port(&route[i], port))
			return i;
	return -1;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Every place where the answer may change. */
static uint32_t list_borders(const struct plain_route *route, int family, uint32_t *border)
{
	uint32_t count = 0, unique = 0, i;
	int r, j;

	for (r = 0; r < ROUTES; r++)
		for (j = 0; j < RANGES; j++) {
			border[count++] = route[r].range[family][j].first;
			if (route[r].range[family][j].last != UINT32_MAX)
				border[count++] = route[r].range[family][j].last + 1;
		}
	qsort(border, count, sizeof(*border), compare);
	for (i = 0; i < count; i++)
		if (i == 0 || border[i] != border[i - 1])
			border[unique++] = border[i];
	return unique;
}

static uint32_t names_at(const struct plain_route *route, int family, uint32_t address)
{
	uint32_t bits = 0;
	int i;

	for (i = 0; i < ROUTES; i++)
		bits |= (uint32_t)plain_names(&route[i], family, address) << i;
	return bits;
}

static struct in6_addr ipv6_of(uint32_t number)
{
	struct in6_addr address = { .s6_addr = { 0x20, 0x01, 0x0d, 0xb8 } };

	address.s6_addr32[3] = htonl(number);
	return address;
}

static void set_destinations(struct route_table *table, const struct plain_route *route)
{
	static uint32_t border[2][ROUTES * RANGES * 2];
	struct sidetrack_relay_destinations header = {
		list_borders(route, 0, border[0]), list_borders(route, 1, border[1]),
	};
	size_t size = sizeof(header) + header.ipv4_count * 8 + header.ipv6_count * 20;
	uint8_t *block = malloc(size), *end = block;
	uint32_t i, bits;

	expect(block);
#define PUT(value) (memcpy(end, &(value), sizeof(value)), end += sizeof(value))
	PUT(header);
	for (i = 0; i < header.ipv4_count; i++)
		PUT(border[0][i]);
	for (i = 0; i < header.ipv4_count; i++) {
		bits = names_at(route, 0, border[0][i]);
		PUT(bits);
	}
	for (i = 0; i < header.ipv6_count; i++) {
		struct in6_addr address = ipv6_of(border[1][i]);

		PUT(address);
	}
	for (i = 0; i < header.ipv6_count; i++) {
		bits = names_at(route, 1, border[1][i]);
		PUT(bits);
	}
	expect_equal(end - block, size);
	expect_equal(route_set_destinations(table, block, size), 0);
	expect_equal(route_set_destinations(table, block, size - 1), -EINVAL);
	expect_equal(route_set_destinations(table, block, size), 0);
	free(block);
}

static void add_routes(struct route_table *table, const struct plain_route *route)
{
	int i, j;

	for (i = 0; i < ROUTES; i++) {
		struct sidetrack_relay_route from = {
			.slot = (uint32_t)i + 1, .upstreams = 1,
			.any_destination = route[i].any, .port_ranges = (uint32_t)route[i].ports,
		};

		for (j = 0; j < route[i].ports; j++) {
			from.ports[j].first = route[i].port[j].first;
			from.ports[j].last = route[i].port[j].last;
		}
		expect_equal(route_add(table, &from), 0);
	}
}

static struct endpoint endpoint_of(int family, uint32_t number, uint16_t port)
{
	struct endpoint endpoint = { .port = port };

	if (family) {
		endpoint.address = ipv6_of(number);
		return endpoint;
	}
	endpoint.address.s6_addr16[5] = 0xffff;
	endpoint.address.s6_addr32[3] = htonl(number);
	return endpoint;
}

static void agrees_with_a_plain_search(void)
{
	struct plain_route *route = calloc(ROUTES, sizeof(*route));
	struct route_table *table = calloc(1, sizeof(*table));
	uint32_t state = 20250607;
	int round, question;

	expect(route && table);
	for (round = 0; round < ROUNDS; round++) {
		make_routes(route, &state);
		set_destinations(table, route);
		add_routes(table, route);
		for (question = 0; question < QUESTIONS / ROUNDS; question++) {
			int family = (int)(pseudo_random(&state) & 1);
			uint32_t address = pseudo_random(&state) & 0xff00001f;
			uint16_t port = (uint16_t)pseudo_random(&state);
			struct endpoint endpoint = endpoint_of(family, address, port);

			expect_equal(route_find(table, &endpoint),
				     plain_find(route, family, address, port));
		}
		route_release(table);
	}
	free(table);
	free(route);
}

/* The far ends of both families, and what lies in the other one. */
static void extreme_addresses(void)
{
	struct {
		struct sidetrack_relay_destinations header;
		uint32_t ipv4[2];
		uint8_t ipv6[1][16];
		uint32_t routes;
	} block = { { 1, 1 }, { UINT32_MAX, 1 }, { { 0xff } }, 2 };
	struct sidetrack_relay_route from = { .slot = 1, .upstreams = 1 };
	struct route_table *table = calloc(1, sizeof(*table));
	struct endpoint last = endpoint_of(0, UINT32_MAX, 1), zero = { .port = 1 };

	expect(table);
	expect_equal(route_set_destinations(table, (uint8_t *)&block, sizeof(block)), 0);
	expect_equal(route_add(table, &from), 0);
	expect_equal(route_find(table, &last), 0);
	last = endpoint_of(0, UINT32_MAX - 1, 1);
	expect_equal(route_find(table, &last), -1);
	expect_equal(route_find(table, &zero), -1);
	/* bits of a route that is not there */
	memset(&last.address, 0xff, sizeof(last.address));
	expect_equal(route_find(table, &last), -1);
	route_release(table);
	free(table);
}

static void bad_routes(void)
{
	const struct sidetrack_relay_route good = { .slot = 1, .upstreams = 1 };
	struct route_table *table = calloc(1, sizeof(*table));
	uint32_t unsorted[] = { 2, 0, 7, 7, 1, 1 };
	struct sidetrack_relay_route from = good;
	uint32_t i;

	expect(table);
	expect_equal(route_set_destinations(table, (uint8_t *)unsorted, sizeof(unsorted)), -EINVAL);
	expect_equal(route_set_destinations(table, (uint8_t *)unsorted, 4), -EINVAL);
	unsorted[0] = UINT32_MAX;
	expect_equal(route_set_destinations(table, (uint8_t *)unsorted, sizeof(unsorted)), -EINVAL);
	from.upstreams = 0;
	expect_equal(route_add(table, &from), -EINVAL);
	from = good;
	from.slot = 0;
	expect_equal(route_add(table, &from), -EINVAL);
	from.slot = SIDETRACK_RELAY_ROUTE_SLOTS;
	expect_equal(route_add(table, &from), -EINVAL);
	from = good;
	from.port_ranges = SIDETRACK_RELAY_ROUTE_PORTS + 1;
	expect_equal(route_add(table, &from), -EINVAL);
	from.port_ranges = 2;
	from.ports[0].first = from.ports[0].last = from.ports[1].first = from.ports[1].last = 80;
	expect_equal(route_add(table, &from), -EINVAL);
	from = good;
	for (i = 1; i <= SIDETRACK_RELAY_ROUTES; i++) {
		from.slot = i;
		expect_equal(route_add(table, &from), 0);
	}
	expect_equal(route_add(table, &from), -ENOSPC);
	free(table);
}

const struct test route_tests[] = {
	{ "route: agrees with a plain search", agrees_with_a_plain_search },
	{ "route: extreme addresses", extreme_addresses },
	{ "route: bad routes", bad_routes },
	{ NULL, NULL }
};
