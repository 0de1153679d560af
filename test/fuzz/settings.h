/* SPDX-License-Identifier: MIT */
/*
 * What the input lets the relay be told: options, upstreams and routes, at first
 * and with every reload.
 *
 * A copy of each generation is kept, from which the invariants reckon by
 * themselves what the engine may do: where it may dial, whom it must refuse.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/endpoint.h"
#include "script.h"
#include "upstreams/upstream.h"

#define UPSTREAMS_MOST 3
#define ROUTES_MOST 3
#define GENERATIONS_MOST 24

struct generation;

struct settings {
	const struct generation *generation;
	struct sidetrack_relay_options options;
	uint32_t upstream_count;
	struct upstream upstream[UPSTREAMS_MOST];
	uint32_t route_count;
	struct sidetrack_relay_route route[ROUTES_MOST];
	bool route_ipv4[ROUTES_MOST];	/* matches every IPv4 destination there is here */
	bool route_ipv6[ROUTES_MOST];
};

struct relay *settings_begin(struct script *script);
void settings_reload(struct relay *relay, struct script *script);
const struct settings *settings_of(const struct generation *generation);

/* Bounds over all generations so far; 0 is none. */
uint32_t settings_most_of_client(void);
uint32_t settings_most_handshakes(void);

/* Return: the route that the destination must take, or NULL */
const struct sidetrack_relay_route *settings_route(const struct settings *settings,
						   const struct endpoint *destination);

/* Return: true if nothing ends a connection before its last bytes have arrived */
bool settings_are_patient(const struct settings *settings);

#endif /* SETTINGS_H */
