/* SPDX-License-Identifier: MIT */
/*
 * What a reload replaces: options, upstreams and routes, never changed once in use.
 *
 * Theory of operation
 *
 *	pending ──publish──▶ current in every thread ──retire──▶ old ──▶ freed
 *
 * A connection keeps the generation under which it was accepted until it
 * closes: its upstreams, its time-outs.  A new one takes its thread's current
 * one.  Threads change over by themselves, when they are woken: the control
 * thread puts the new generation into each thread's box (thread->next), with a
 * hold already taken on the thread's behalf, and the thread takes it out.  So
 * no generation is used without holding it.
 *
 * A thread counts its connections of each generation itself, on a cache line of
 * its own, and gives its hold back when the generation is neither current nor
 * has connections left there.  The last hold frees it, and wipes the passwords.
 * Only the routes go earlier, with the last thread for which it is current:
 * they may be large, and a connection asks them once, at its beginning.
 *
 * Not all options can change: port, address, threads, backlog, reserve and
 * pipes are read from the relay's own copy, from when it was created.
 */
#ifndef SIDETRACK_GENERATION_H
#define SIDETRACK_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/memory.h"
#include "upstreams/route.h"
#include "upstreams/upstream-set.h"

#define THREADS_MOST 64

/* What living generations use; all of it atomic. */
struct occupancy {
	uint32_t generations;
	uint32_t upstream[SIDETRACK_RELAY_UPSTREAM_SLOTS];
	uint32_t route[SIDETRACK_RELAY_ROUTE_SLOTS];
};

/* One thread's part of a generation. */
struct share {
	uint32_t connections __attribute__((aligned(CACHE_LINE)));
	bool retired;
};

struct generation {
	struct sidetrack_relay_options options;
	struct upstream_set upstreams;
	struct route_table routes;
	struct occupancy *occupancy;	/* once it has been published */
	uint32_t route_slot[SIDETRACK_RELAY_ROUTES];	/* also when the routes are gone */
	uint32_t route_count;
	uint32_t holds;			/* threads that use it in any way, atomic */
	uint32_t current;		/* threads that give it to new connections, atomic */
	struct share share[THREADS_MOST];
};

struct generation *generation_create(const struct sidetrack_relay_options *options,
				     struct health *health);
struct generation *generation_copy(const struct generation *from);
int generation_complete(struct generation *generation);
void generation_publish(struct generation *generation, const struct generation *before,
			struct occupancy *occupancy, uint32_t threads);
void generation_discard(struct generation *generation);

void generation_enter(struct generation *generation, uint32_t thread);
void generation_leave(struct generation *generation, uint32_t thread);
void generation_retire(struct generation *generation, uint32_t thread);

#endif /* SIDETRACK_GENERATION_H */
