// SPDX-License-Identifier: MIT
#include "thread/refusal.h"

#include "thread/thread.h"
#include "upstreams/families.h"
#include "upstreams/generation.h"

/* Return: bits of families, 1 << enum family */
uint32_t refusal_of(const struct thread_group *group)
{
	return __atomic_load_n(&group->refused, __ATOMIC_ACQUIRE);
}

/**
 * refusal_review() - A probe has told something, or other upstreams are in use
 * @thread:	Thread; only the first one decides
 */
void refusal_review(struct thread *thread)
{
	struct thread_group *group = thread->group;
	uint32_t before = refusal_of(group), refused;

	if (thread->context.index || thread_group_phase(group) != PHASE_RUNNING)
		return;
	refused = families_to_refuse(&thread->context.generation->upstreams, before);
	if (!before && !refused)
		return;
	__atomic_store_n(&group->refused, refused, __ATOMIC_RELEASE);
	thread_group_wake(group);
}
