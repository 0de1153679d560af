/* SPDX-License-Identifier: MIT */
/*
 * One thread of the relay: an epoll loop with everything it needs to itself.
 *
 * Each turn of the loop: wait; take every event; if it is time, poll the legs
 * that are read by the clock (coalesce.h); give those connections whose turn was
 * over another one; fire timers; free what was closed.  Memory of closed
 * connections is freed last because the events at hand may name them.
 */
#ifndef SIDETRACK_THREAD_H
#define SIDETRACK_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/counters.h"
#include "base/event.h"
#include "base/list.h"
#include "base/timer.h"
#include "bytes/thread-context.h"
#include "thread/listener.h"
#include "thread/snapshot.h"
#include "thread/thread-group.h"

struct thread {
	struct thread_context context;	/* all that its connections know of it */
	struct thread_group *group;
	int wake;			/* eventfd: the phase has changed, or the box is full */
	bool has_thread;
	uint64_t turns;			/* of the loop; one writer, see sidetrack_relay_heartbeat() */
	uint64_t cpu_us;		/* in all, once the thread has ended; atomic */
	uint64_t turns_seen;		/* by the control thread */
	enum phase phase;		/* as far as this thread has acted on it */
	pthread_t pthread;
	struct event_source wake_source;
	struct listener listener;
	struct counter_page *page;
	struct snapshot snapshot;
	struct generation *next;	/* the box: put in by the control thread, atomic */
	struct guard *next_guard;	/* its box, likewise */
	struct list probes;		/* of the first thread */
	struct timer probe_timer;	/* for their next round */
	uint32_t probing[FAMILIES];	/* bits of slots whose probe is on its way */
	struct timer drain_timer;
};

/* Events and timers bring the context along. */
static inline struct thread *thread_of(struct thread_context *context)
{
	return container_of(context, struct thread, context);
}

int thread_init(struct thread *thread, struct thread_group *group, uint32_t index);
int thread_start(struct thread *thread);
bool thread_turned(struct thread *thread);
uint64_t thread_cpu_us(const struct thread *thread);
void thread_join(struct thread *thread);
void thread_close(struct thread *thread);
void thread_release(struct thread *thread);

#endif /* SIDETRACK_THREAD_H */
