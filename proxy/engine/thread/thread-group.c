// SPDX-License-Identifier: MIT
#include "thread/thread-group.h"

#include <errno.h>
#include <unistd.h>

#include "thread/thread.h"

/* Tell the thread that something of the group's, or its box, has changed. */
void thread_wake(struct thread *thread)
{
	uint64_t one = 1;

	while (thread->wake >= 0 && write(thread->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void thread_group_wake(struct thread_group *group)
{
	uint32_t i;

	for (i = 0; group->threads && i < group->thread_count; i++)
		thread_wake(&group->threads[i]);
}

enum phase thread_group_phase(const struct thread_group *group)
{
	return (enum phase)__atomic_load_n(&group->phase, __ATOMIC_ACQUIRE);
}

void thread_group_enter_phase(struct thread_group *group, enum phase phase)
{
	__atomic_store_n(&group->phase, phase, __ATOMIC_RELEASE);
	thread_group_wake(group);
}

/* A thread has closed its listener; what it accepted before is counted. */
void thread_group_listens_no_more(struct thread_group *group)
{
	__atomic_sub_fetch(&group->listening, 1, __ATOMIC_RELEASE);
}

/* A child may have copies of the descriptors that a thread has just closed. */
bool thread_group_forking(const struct thread_group *group)
{
	return __atomic_load_n(&group->forking, __ATOMIC_ACQUIRE);
}
