// SPDX-License-Identifier: MIT
#include "upstreams/route.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IPV6_BYTES sizeof(struct in6_addr)

/* --- building --------------------------------------------------------------------- */

static bool ports_are_sorted(const struct sidetrack_relay_route *route)
{
	uint32_t next = 0, i;

	for (i = 0; i < route->port_ranges; i++) {
		if (route->ports[i].first < next || route->ports[i].last < route->ports[i].first ||
		    route->ports[i].last > UINT16_MAX)
			return false;
		next = route->ports[i].last + 1;
	}
	return true;
}

static bool has_slot(const struct route_table *table, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < table->count; i++)
		if (table->route[i].slot == slot)
			return true;
	return false;
}

/**
 * route_add() - Add one more route behind the others
 * @table:	Table that no thread uses yet
 * @from:	Route as TypeScript wrote it
 *
 * Whether its upstreams exist is for the generation to say.
 *
 * Return: 0, -EINVAL or -ENOSPC
 */
int route_add(struct route_table *table, const struct sidetrack_relay_route *from)
{
	if (table->count == SIDETRACK_RELAY_ROUTES)
		return -ENOSPC;
	if (!from->slot || from->slot >= SIDETRACK_RELAY_ROUTE_SLOTS ||
	    has_slot(table, from->slot) || !from->upstreams ||
	    from->port_ranges > SIDETRACK_RELAY_ROUTE_PORTS || !ports_are_sorted(from))
		return -EINVAL;
	if (from->any_destination)
		table->any_destination |= 1U << table->count;
	table->route[table->count++] = *from;
	return 0;
}

static bool starts_are_sorted(const struct destinations *destinations)
{
	uint32_t i;

	for (i = 1; i < destinations->ipv4_count; i++)
		if (destinations->ipv4_start[i] <= destinations->ipv4_start[i - 1])
			return false;
	for (i = 1; i < destinations->ipv6_count; i++)
		if (memcmp(destinations->ipv6_start + i * IPV6_BYTES,
			   destinations->ipv6_start + (i - 1) * IPV6_BYTES, IPV6_BYTES) <= 0)
			return false;
	return true;
}

static size_t block_size(const struct sidetrack_relay_destinations *header)
{
	return header->ipv4_count * 2 * sizeof(uint32_t) +
	       header->ipv6_count * (IPV6_BYTES + sizeof(uint32_t));
}

static void lay_out(struct destinations *destinations, const uint8_t *block,
		    const struct sidetrack_relay_destinations *header)
{
	size_t ipv4 = header->ipv4_count, ipv6 = header->ipv6_count;

	destinations->ipv4_count = header->ipv4_count;
	destinations->ipv6_count = header->ipv6_count;
	destinations->ipv4_start = (const uint32_t *)block;
	destinations->ipv4_routes = destinations->ipv4_start + ipv4;
	destinations->ipv6_start = (const uint8_t *)(destinations->ipv4_routes + ipv4);
	destinations->ipv6_routes =
		(const uint32_t *)(destinations->ipv6_start + ipv6 * IPV6_BYTES);
}

/**
 * destinations_set() - Say which addresses have which bits
 * @destinations:	What no thread uses yet, empty
 * @from:		struct sidetrack_relay_destinations and what comes behind it; copied
 * @length:		Of all of it
 *
 * Return: 0, or -EINVAL or -ENOMEM, and it is still empty
 */
int destinations_set(struct destinations *destinations, const uint8_t *from, size_t length)
{
	struct sidetrack_relay_destinations header;
	uint8_t *block;
	size_t size;

	if (length < sizeof(header))
		return -EINVAL;
	memcpy(&header, from, sizeof(header));
	size = block_size(&header);
	if (length - sizeof(header) != size)
		return -EINVAL;
	block = malloc(size ? size : 1);
	if (!block)
		return -ENOMEM;
	memcpy(block, from + sizeof(header), size);
	lay_out(destinations, block, &header);
	if (starts_are_sorted(destinations))
		return 0;
	destinations_release(destinations);
	return -EINVAL;
}

/* No address has a bit any more. */
void destinations_release(struct destinations *destinations)
{
	free((void *)destinations->ipv4_start);
	memset(destinations, 0, sizeof(*destinations));
}

/**
 * route_set_destinations() - Say which addresses the routes name
 * @table:	Table that no thread uses yet
 * @from:	struct sidetrack_relay_destinations and what comes behind it; copied
 * @length:	Of all of it
 *
 * Return: 0, -EINVAL or -ENOMEM
 */
int route_set_destinations(struct route_table *table, const uint8_t *from, size_t length)
{
	route_release(table);
	return destinations_set(&table->destinations, from, length);
}

/* Gives the large part back; nothing matches any more. */
void route_release(struct route_table *table)
{
	destinations_release(&table->destinations);
	table->count = 0;
	table->any_destination = 0;
}

/* Return: 0, or -ENOMEM with nothing in @to */
int route_copy(struct route_table *to, const struct route_table *from)
{
	struct sidetrack_relay_destinations header = {
		from->destinations.ipv4_count, from->destinations.ipv6_count,
	};
	size_t size = block_size(&header);
	uint8_t *block = NULL;

	if (from->destinations.ipv4_start) {
		block = malloc(size ? size : 1);
		if (!block)
			return -ENOMEM;
		memcpy(block, from->destinations.ipv4_start, size);
	}
	*to = *from;
	if (block)
		lay_out(&to->destinations, block, &header);
	return 0;
}

/* Return: bits of the upstreams that some connection may use */
uint32_t route_upstreams(const struct route_table *table)
{
	uint32_t set = 0, i;

	for (i = 0; i < table->count; i++) {
		set |= table->route[i].upstreams;
		if (table->route[i].any_destination && !table->route[i].port_ranges)
			return set;
	}
	return UINT32_MAX;	/* what no route matches may use all */
}

/* --- finding ---------------------------------------------------------------------- */

static uint32_t find_ipv4(const struct destinations *destinations, uint32_t address)
{
	uint32_t low = 0, high = destinations->ipv4_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (destinations->ipv4_start[middle] <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? destinations->ipv4_routes[low - 1] : 0;
}

static uint32_t find_ipv6(const struct destinations *destinations, const struct in6_addr *address)
{
	uint32_t low = 0, high = destinations->ipv6_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (memcmp(destinations->ipv6_start + middle * IPV6_BYTES, address,
			   IPV6_BYTES) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? destinations->ipv6_routes[low - 1] : 0;
}

/**
 * destinations_find() - The bits of an address
 * @destinations:	Where to look
 * @endpoint:		Whose address
 *
 * Return: 0 if nothing names it
 */
uint32_t destinations_find(const struct destinations *destinations,
			   const struct endpoint *endpoint)
{
	if (endpoint_is_ipv4(endpoint))
		return find_ipv4(destinations, ntohl(endpoint->address.s6_addr32[3]));
	return find_ipv6(destinations, &endpoint->address);
}

static bool matches_port(const struct sidetrack_relay_route *route, uint16_t port)
{
	uint32_t i;

	for (i = 0; i < route->port_ranges; i++)
		if (port <= route->ports[i].last)
			return port >= route->ports[i].first;
	return route->port_ranges == 0;
}

/**
 * route_find() - The first route that matches
 * @table:		Table
 * @destination:	Where the client wanted to go
 *
 * Return: its number, or -1
 */
int route_find(const struct route_table *table, const struct endpoint *destination)
{
	uint32_t routes = table->any_destination |
			  destinations_find(&table->destinations, destination);

	for (; routes; routes &= routes - 1) {
		uint32_t number = (uint32_t)__builtin_ctz(routes);

		if (number >= table->count)
			break;
		if (matches_port(&table->route[number], destination->port))
			return (int)number;
	}
	return -1;
}
