/* SPDX-License-Identifier: MIT */
/*
 * The relay as a whole: options, worker threads, and the little that they share.
 *
 * Threads share three words: what they are asked to do (phase), how many
 * connections there are (active, for the limit) and how many threads still
 * listen; what they know of the upstreams (see roster.h); and generations (see
 * generation.h), which do not change.  Everything else belongs to one worker.  A handle is used by one control thread; no call blocks for
 * longer than it takes the workers to wake up.
 */
#ifndef SIDETRACK_RELAY_H
#define SIDETRACK_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "generation.h"

enum phase {
	PHASE_IDLE,	/* not started */
	PHASE_RUNNING,
	PHASE_DRAINING,	/* no new connections; old ones until drain_deadline_ms */
	PHASE_STOPPING,
};

struct relay {
	struct sidetrack_relay_options options;	/* as at the start: what cannot change */
	struct generation *draft;		/* the control thread's, like the next one */
	struct generation *current;
	struct occupancy occupancy;
	struct health health[SIDETRACK_RELAY_UPSTREAM_SLOTS];
	struct worker *workers;
	uint32_t thread_count;
	uint32_t max_connections;	/* atomic, it may change */
	uint16_t port;
	uint32_t phase;			/* enum phase, atomic */
	uint32_t active;		/* connections, atomic */
	uint32_t listening;		/* threads that still accept, atomic */
	uint64_t drain_deadline_ms;	/* written before the phase that reads it */
	char error[SIDETRACK_RELAY_ERROR_LENGTH];
};

enum phase relay_phase(const struct relay *relay);
bool relay_admit(struct relay *relay);
void relay_leave(struct relay *relay);
void relay_listens_no_more(struct relay *relay);

#endif /* SIDETRACK_RELAY_H */
