/* SPDX-License-Identifier: MIT */
/*
 * All that a connection knows of its thread.
 *
 * The thread owns it (thread.h), the floors below get nothing else of the thread to
 * see: where to wait, what time it is, what is counted, what to queue behind, and what
 * newcomers are given.  What has to be done by the thread itself is one function,
 * connection_gone.  Everything here is touched by the one thread only, but for
 * `limits`, which all threads share.
 */
#ifndef SIDETRACK_THREAD_CONTEXT_H
#define SIDETRACK_THREAD_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/holders.h"
#include "base/list.h"
#include "base/timer.h"
#include "bytes/coalesce.h"
#include "bytes/direction.h"
#include "upstreams/upstream-set.h"

struct client_table;
struct epoll_event;
struct express;
struct express_map;
struct generation;
struct guard;
struct limits;
struct log;
struct recent;

struct thread_context {
	int epoll;
	int reserve;			/* a descriptor kept for the next upstream leg, or -1 */
	uint32_t index;			/* of the thread */
	uint32_t thread_count;		/* of the relay */
	struct io_context io;		/* with the time of this turn of the loop */
	struct coalescing coalescing;
	struct sidetrack_relay_counters *counters;
	struct list queue;		/* connections that wait for a turn */
	uint32_t queued;		/* how many */
	struct list stalls;		/* of connections with bytes that their receiver does not take */
	struct list reviewed;		/* those that have lasted */
	struct timer review;		/* of both */
	bool reviews;			/* the timer is set */
	bool can_free_windows;		/* the kernel can: see connection/window.h */
	uint32_t buffer_most;		/* the largest that may be asked for */
	struct holders holders;		/* whose they are */
	struct express_map *express;	/* NULL: there is no such mode */
	struct express *holding;	/* the one that is about to change to it */
	struct list express_flows;
	struct timer express_timer;	/* of their review */
	struct list deferred_free;	/* what this turn's events may still name */
	struct list connections;
	struct recent *recent;
	struct client_table *clients;
	struct log *log;		/* NULL: no log */
	const struct sidetrack_relay_options *options;	/* those that cannot change */
	struct generation *generation;	/* what new connections get */
	struct guard *guard;		/* what newcomers are asked; NULL asks little */
	struct rotation rotation;
	struct limits *limits;
	void (*connection_gone)(struct thread_context *thread);
	struct timer_wheel timers;
};

void context_dispatch(struct thread_context *thread, const struct epoll_event *event, int count);
void context_queue(struct thread_context *thread, struct list *turn);
void context_unqueue(struct thread_context *thread, struct list *turn);
void context_free_later(struct thread_context *thread, struct list *node);
bool context_fill_reserve(struct thread_context *thread);
bool context_spend_reserve(struct thread_context *thread);

#endif /* SIDETRACK_THREAD_CONTEXT_H */
