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

/* Run again after everybody else has had a turn. */
void context_queue(struct thread_context *thread, struct list *turn)
{
	if (list_empty(turn))
		list_add(&thread->queue, turn);
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
