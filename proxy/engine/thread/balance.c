// SPDX-License-Identifier: MIT
#include "thread/balance.h"

#include <sys/socket.h>

#include "base/counters.h"
#include "thread/thread.h"

#define REVIEW_EVERY 16		/* connections of one thread */
#define REVIEW_LEAST 32

static uint64_t accepted(const struct thread *thread)
{
	return counter_read(&thread->context.counters->accepted_ipv4) +
	       counter_read(&thread->context.counters->accepted_ipv6);
}

/**
 * balance_review() - Detach the program where it leaves other threads idle
 * @thread:	Thread that has just accepted a connection
 *
 * More than one and a half times the fair share is far more.  The threads stay
 * where they are: one on each CPU is right for the kernel's hash, too.
 */
void balance_review(struct thread *thread)
{
	struct thread_group *group = thread->group;
	uint64_t own = accepted(thread), all = 0;
	const struct listener *listener = &thread->listener;
	int zero = 0;
	uint32_t i;

	if (own % REVIEW_EVERY || own < REVIEW_LEAST ||
	    !__atomic_load_n(&group->steering, __ATOMIC_RELAXED))
		return;
	for (i = 0; i < group->thread_count; i++)
		all += accepted(&group->threads[i]);
	if (own * group->thread_count * 2 <= all * 3)
		return;
	__atomic_store_n(&group->steering, false, __ATOMIC_RELAXED);
	for (i = 0; i < listener->count; i++)
		(void)setsockopt(listener->socket[i].fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF,
				 &zero, sizeof(zero));
}
