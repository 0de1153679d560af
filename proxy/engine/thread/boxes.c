// SPDX-License-Identifier: MIT
#include "thread/boxes.h"

#include <string.h>

#include "thread/probe-rounds.h"
#include "thread/refusal.h"
#include "thread/thread.h"
#include "upstreams/generation.h"
#include "upstreams/guard.h"

/* --- the control thread ------------------------------------------------------------ */

/* One that has not been taken out of the box never will be. */
void boxes_give_generation(struct thread *thread, struct generation *generation)
{
	struct generation *missed =
		__atomic_exchange_n(&thread->next, generation, __ATOMIC_ACQ_REL);

	if (missed)
		generation_retire(missed, thread->context.index);
	thread_wake(thread);
}

void boxes_give_guard(struct thread *thread, struct guard *guard)
{
	guard_release(__atomic_exchange_n(&thread->next_guard, guard, __ATOMIC_ACQ_REL));
	thread_wake(thread);
}

/* --- the thread itself -------------------------------------------------------------- */

/* Turns begin anew: the numbers now stand for other upstreams. */
static void adopt_generation(struct thread *thread)
{
	struct generation *next = __atomic_exchange_n(&thread->next, NULL, __ATOMIC_ACQ_REL);

	if (!next)
		return;
	if (thread->context.generation)
		generation_retire(thread->context.generation, thread->context.index);
	thread->context.generation = next;
	memset(&thread->context.rotation, 0, sizeof(thread->context.rotation));
	probe_rounds_schedule(thread);
	refusal_review(thread);
}

/* The one before is not in use any more: no question takes longer than a turn. */
static void adopt_guard(struct thread *thread)
{
	struct guard *next = __atomic_exchange_n(&thread->next_guard, NULL, __ATOMIC_ACQ_REL);

	if (!next)
		return;
	guard_release(thread->context.guard);
	thread->context.guard = next;
}

/**
 * boxes_adopt() - Take what the control thread has put there
 * @thread:	Thread that has been woken, or has ended
 */
void boxes_adopt(struct thread *thread)
{
	adopt_generation(thread);
	adopt_guard(thread);
}
