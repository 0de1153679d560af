/* SPDX-License-Identifier: MIT */
/*
 * How many connections there may be: in all, on their way to an upstream, of one client.
 *
 * Shared by all threads: a few atomic words, and the table of clients (clients.h).
 */
#ifndef SIDETRACK_LIMITS_H
#define SIDETRACK_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "connection/clients.h"

struct limits {
	uint32_t max_connections;	/* it may change */
	uint32_t active;		/* connections */
	uint32_t handshakes;		/* those that wait for an upstream */
	struct clients clients;
};

/* No client can be accepted before another one leaves. */
static inline bool limits_are_reached(const struct limits *limits)
{
	return __atomic_load_n(&limits->active, __ATOMIC_RELAXED) >=
	       __atomic_load_n(&limits->max_connections, __ATOMIC_RELAXED);
}

uint32_t limits_of_descriptors(const struct sidetrack_relay_options *options, uint32_t threads,
			       uint32_t reserve);
bool limits_admit(struct limits *limits);
void limits_leave(struct limits *limits);
bool limits_handshake_begin(struct limits *limits, uint32_t most);
void limits_handshake_end(struct limits *limits);
enum client_verdict limits_client_enter(struct limits *limits, const struct endpoint *client,
					uint32_t most);

#endif /* SIDETRACK_LIMITS_H */
