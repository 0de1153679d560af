/* SPDX-License-Identifier: MIT */
/*
 * The relay as a whole: options, thread threads, and the little that they share.
 *
 * Threads share a few words: what they are asked to do (phase), how many
 * connections there are and how many of them are on their way (active and
 * handshakes, for the limits) and how many threads still listen; and what they
 * know of the upstreams and of clients (upstreams.h, clients.h); and
 * generations (generation.h), which do not change; and whether a child has copies
 * of their sockets (forking).  Everything else
 * belongs to one thread.  A handle is used by one control thread; no call blocks for
 * longer than it takes the threads to wake up.
 */
#ifndef SIDETRACK_RELAY_H
#define SIDETRACK_RELAY_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "connection/clients.h"
#include "upstreams/generation.h"

enum phase {
	PHASE_IDLE,	/* not started */
	PHASE_RUNNING,
	PHASE_DRAINING,	/* no new connections; old ones until drain_deadline_ms */
	PHASE_STOPPING,
};

struct guard;

struct relay {
	struct sidetrack_relay_options options;	/* as at the start: what cannot change */
	struct generation *pending;		/* the control thread's, like the next one */
	struct generation *current;
	struct guard *pending_guard;		/* likewise */
	struct occupancy occupancy;
	struct health health[SIDETRACK_RELAY_UPSTREAM_SLOTS];
	struct clients clients;
	struct thread *threads;
	uint32_t thread_count;
	uint32_t max_connections;	/* atomic, it may change */
	uint16_t port;
	bool pinned;			/* each thread has a CPU of its own: see steering.h */
	bool steering;			/* and gets the connections of that CPU; atomic */
	cpu_set_t cpus;			/* theirs, if pinned */
	uint32_t phase;			/* enum phase, atomic */
	uint32_t active;		/* connections, atomic */
	uint32_t handshakes;		/* those that wait for an upstream, atomic */
	uint32_t listening;		/* threads that still accept, atomic */
	uint64_t drain_deadline_ms;	/* written before the phase that reads it */
	bool handed_over;		/* likewise: somebody else accepts what has arrived */
	bool forking;			/* a child may have copies of our descriptors; atomic */
	uint32_t refused;		/* families, see refusal.h; atomic, the first thread writes */
	bool asked_heartbeat;		/* the threads have been woken to show that they turn */
	int listener[SIDETRACK_RELAY_LISTENERS];	/* closed by the threads that have them */
	uint32_t listener_families[SIDETRACK_RELAY_LISTENERS];	/* that arrive there */
	uint32_t listener_count;
	bool listeners_placed;		/* from here on they are closed with their threads */
	char error[SIDETRACK_RELAY_ERROR_LENGTH];
};

/* Nobody else can be accepted before somebody leaves. */
static inline bool relay_is_full(const struct relay *relay)
{
	return __atomic_load_n(&relay->active, __ATOMIC_RELAXED) >=
	       __atomic_load_n(&relay->max_connections, __ATOMIC_RELAXED);
}

enum phase relay_phase(const struct relay *relay);
bool relay_admit(struct relay *relay);
void relay_leave(struct relay *relay);
bool relay_handshake_begin(struct relay *relay, uint32_t most);
void relay_handshake_end(struct relay *relay);
void relay_listens_no_more(struct relay *relay);
bool relay_forking(const struct relay *relay);
uint32_t relay_max_connections(const struct relay *relay,
			       const struct sidetrack_relay_options *options);
__attribute__((format(printf, 3, 4)))
int relay_fail(struct relay *relay, int error, const char *format, ...);

#endif /* SIDETRACK_RELAY_H */
