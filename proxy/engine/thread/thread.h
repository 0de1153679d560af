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

#include "base/counters.h"
#include "base/event.h"
#include "base/list.h"
#include "base/log.h"
#include "base/recent.h"
#include "base/timer.h"
#include "bytes/coalesce.h"
#include "bytes/direction.h"
#include "relay/relay.h"
#include "thread/listener.h"
#include "thread/snapshot.h"

struct connection;
struct epoll_event;
struct guard;

struct thread {
	struct relay *relay;
	uint32_t index;
	int epoll;
	int wake;			/* eventfd: the phase has changed, or the box is full */
	bool has_thread;
	uint64_t turns;			/* of the loop; one writer, see relay_heartbeat() */
	uint64_t turns_seen;		/* by the control thread */
	enum phase phase;		/* as far as this thread has acted on it */
	pthread_t pthread;
	struct event_source wake_source;
	struct listener listener;
	struct coalescing coalescing;
	struct io_context io;
	struct counter_page *page;
	struct sidetrack_relay_counters *counters;	/* in the page */
	struct recent *recent;
	struct log *log;		/* NULL: nobody wants one */
	struct snapshot snapshot;
	struct generation *generation;	/* what new connections get */
	struct generation *next;	/* the box: put in by the control thread, atomic */
	struct guard *guard;		/* what newcomers are asked; NULL asks little */
	struct guard *next_guard;	/* its box, likewise */
	struct rotation rotation;
	struct timer probe_timer;	/* of the first thread */
	uint32_t probing[FAMILIES];	/* bits of slots whose probe is on its way */
	struct list connections;
	struct list queue;		/* connections whose turn was over */
	struct list deferred_free;
	struct timer drain_timer;
	struct timer_wheel timers;
};

int thread_init(struct thread *thread, struct relay *relay, uint32_t index);
int thread_start(struct thread *thread);
void thread_wake(struct thread *thread);
bool thread_turned(struct thread *thread);
void thread_join(struct thread *thread);
void thread_close(struct thread *thread);
void thread_release(struct thread *thread);

void thread_dispatch(struct thread *thread, const struct epoll_event *event, int count);
void thread_queue(struct thread *thread, struct connection *connection);
void thread_free_later(struct thread *thread, struct connection *connection);
void thread_connection_gone(struct thread *thread);

#endif /* SIDETRACK_THREAD_H */
