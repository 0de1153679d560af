/* SPDX-License-Identifier: MIT */
/*
 * The threads of a relay, and the little that they share.
 *
 * A few words: what they are asked to do (phase), how many still listen, which
 * families are refused, whether they are steered, and the limits (limits.h); and
 * whether a child has copies of their sockets (forking), and our own connection to
 * them (accept-check.h).  Besides, what is known of
 * upstreams (upstream-set.h), and generations (generation.h), which do not change.
 * Everything else belongs to one thread.
 */
#ifndef SIDETRACK_THREAD_GROUP_H
#define SIDETRACK_THREAD_GROUP_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "connection/limits.h"
#include "thread/accept-check.h"

enum phase {
	PHASE_IDLE,	/* not started */
	PHASE_RUNNING,
	PHASE_DRAINING,	/* no new connections; old ones until drain_deadline_ms */
	PHASE_STOPPING,
};

struct express_map;
struct thread;

struct thread_group {
	const struct sidetrack_relay_options *options;	/* as at the start: what cannot change */
	struct thread *threads;
	uint32_t thread_count;
	bool pinned;			/* each thread has a CPU of its own: see steering.h */
	bool steering;			/* and gets the connections of that CPU; atomic */
	cpu_set_t cpus;			/* theirs, if pinned */
	uint32_t phase;			/* enum phase, atomic */
	struct limits limits;
	struct express_map *express;	/* NULL: none */
	uint32_t listening;		/* threads that still accept, atomic */
	uint64_t drain_deadline_ms;	/* written before the phase that reads it */
	bool handed_over;		/* likewise: the successor accepts what has arrived */
	bool forking;			/* a child may have copies of our descriptors; atomic */
	uint32_t refused;		/* families (refusal.h); atomic, the first thread writes */
	struct accept_check accept_check;
};

void thread_wake(struct thread *thread);
void thread_group_wake(struct thread_group *group);
enum phase thread_group_phase(const struct thread_group *group);
void thread_group_enter_phase(struct thread_group *group, enum phase phase);
void thread_group_listens_no_more(struct thread_group *group);
bool thread_group_forking(const struct thread_group *group);

#endif /* SIDETRACK_THREAD_GROUP_H */
