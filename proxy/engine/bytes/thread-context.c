// SPDX-License-Identifier: MIT
#include "bytes/thread-context.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Hands each event to its owner. */
void context_dispatch(struct thread_context *thread, const struct epoll_event *event, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		struct event_source *source = event[i].data.ptr;

		source->handle(thread, source, event[i].events);
	}
}

/* What others wait for besides is shared with them. */
static void share_turns(struct thread_context *thread)
{
	thread->io.turn_bytes = thread->queued ? TURN_BYTES_SHARED : TURN_BYTES;
}

/* To be run when all who are in the queue have had a turn. */
void context_queue(struct thread_context *thread, struct list *turn)
{
	if (!list_empty(turn))
		return;
	list_add(&thread->queue, turn);
	thread->queued++;
	share_turns(thread);
}

/* It has its turn, or wants none any more. */
void context_unqueue(struct thread_context *thread, struct list *turn)
{
	if (list_empty(turn))
		return;
	list_remove(turn);
	thread->queued--;
	share_turns(thread);
}

/**
 * context_free_later() - Free memory when the events at hand cannot name it any more
 * @thread:	The thread
 * @node:	What the memory begins with
 */
void context_free_later(struct thread_context *thread, struct list *node)
{
	list_remove(node);
	list_add(&thread->deferred_free, node);
}

/* A descriptor that is good for nothing but being closed.  Return: false with errno */
bool context_fill_reserve(struct thread_context *thread)
{
	if (thread->reserve < 0)
		thread->reserve = fcntl(thread->epoll, F_DUPFD_CLOEXEC, 0);
	return thread->reserve >= 0;
}

/**
 * context_spend_reserve() - Free one descriptor for an accepted connection
 * @thread:	Its thread
 *
 * Return: false if there was none left to free
 */
bool context_spend_reserve(struct thread_context *thread)
{
	if (thread->reserve < 0)
		return false;
	close(thread->reserve);
	thread->reserve = -1;
	return true;
}
