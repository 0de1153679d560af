/* SPDX-License-Identifier: MIT */
/*
 * The relay as a whole: options, configurations, sockets, and the group of its threads.
 *
 * A handle is used by one control thread; no call blocks for longer than it takes the
 * threads to wake up.
 */
#ifndef SIDETRACK_RELAY_H
#define SIDETRACK_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "sockets/express-map.h"
#include "thread/thread-group.h"
#include "upstreams/generation.h"

struct guard;

struct relay {
	struct sidetrack_relay_options options;	/* as at the start: what cannot change */
	struct generation *pending;		/* the control thread's, like the next one */
	struct generation *current;
	struct guard *pending_guard;		/* likewise */
	struct occupancy occupancy;
	struct health health[SIDETRACK_RELAY_UPSTREAM_SLOTS];
	struct thread_group group;
	struct express_map express;
	uint16_t port;
	bool asked_heartbeat;		/* the threads have been woken to show that they turn */
	int listener[SIDETRACK_RELAY_LISTENERS];	/* closed by the threads that have them */
	uint32_t listener_families[SIDETRACK_RELAY_LISTENERS];	/* that arrive there */
	uint32_t listener_count;
	bool listeners_placed;		/* from here on they are closed with their threads */
	char error[SIDETRACK_RELAY_ERROR_LENGTH];
};

enum phase relay_phase(const struct relay *relay);
uint32_t relay_max_connections(const struct relay *relay,
			       const struct sidetrack_relay_options *options);
__attribute__((format(printf, 3, 4)))
int relay_fail(struct relay *relay, int error, const char *format, ...);

#endif /* SIDETRACK_RELAY_H */
