/* SPDX-License-Identifier: MIT */
/*
 * Which upstreams a connection may use, by its destination.
 *
 * Routes are numbered in the order of the configuration; the first that matches
 * counts.  TypeScript has cut the address space at every border of every set,
 * so that one binary search finds all routes that name an address, as bits,
 * however many prefixes there are: 20 steps for a million.  Ports are then
 * looked at route by route.  Asked once for each connection.
 *
 * The guard (guard.h) keeps its addresses in the same way.
 */
#ifndef SIDETRACK_ROUTE_H
#define SIDETRACK_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "base/endpoint.h"

struct destinations {
	uint32_t ipv4_count;
	uint32_t ipv6_count;
	const uint32_t *ipv4_start;	/* all four in one block, which begins here */
	const uint32_t *ipv4_routes;
	const uint8_t *ipv6_start;
	const uint32_t *ipv6_routes;
};

struct route_table {
	uint32_t count;
	uint32_t any_destination;	/* bits of routes */
	struct sidetrack_relay_route route[SIDETRACK_RELAY_ROUTES];
	struct destinations destinations;
};

int destinations_set(struct destinations *destinations, const uint8_t *from, size_t length);
uint32_t destinations_find(const struct destinations *destinations,
			   const struct endpoint *endpoint);
void destinations_release(struct destinations *destinations);

int route_add(struct route_table *table, const struct sidetrack_relay_route *from);
int route_set_destinations(struct route_table *table, const uint8_t *from, size_t length);
int route_copy(struct route_table *to, const struct route_table *from);
uint32_t route_upstreams(const struct route_table *table);
int route_find(const struct route_table *table, const struct endpoint *destination);
void route_release(struct route_table *table);

#endif /* SIDETRACK_ROUTE_H */
