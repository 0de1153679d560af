// SPDX-License-Identifier: MIT
#include "bytes/coalesce.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/counters.h"
#include "bytes/leg.h"
#include "bytes/thread-context.h"

/*
 * Chosen, not measured.  Bulk with these figures is measured as a whole, in docs/benchmarks.md:
 * "Results", and behind the table four rounds since a wake-up counts as early only before
 * half of COALESCE_US.
 */
#define EARLY_WAKES 4		/* then it is time to wait for more: 1 ms at most */
#define QUIET_POLLS 8		/* then there is nothing to wait for: 4 ms */
#define MOST_POLLS 64		/* then it is seen again how wake-ups come by themselves: 32 ms */
#define EVENTS 256		/* for more of them a poll has another turn of the loop */

/* Return: 0 or -errno */
static int coalesce_mask(struct thread_context *thread, int operation, bool masked)
{
	struct coalescing *coalescing = &thread->coalescing;
	struct epoll_event event = {
		.events = masked ? 0 : EPOLLIN,
		.data.ptr = &coalescing->source,
	};

	if (epoll_ctl(thread->epoll, operation, coalescing->epoll, &event) < 0)
		return -errno;
	coalescing->masked = masked;
	coalescing->early = coalescing->quiet = coalescing->polls = 0;
	return 0;
}

/* Return: how many legs had something */
static int coalesce_take(struct thread_context *thread, uint64_t since_us)
{
	struct epoll_event event[EVENTS];
	int count = epoll_wait(thread->coalescing.epoll, event, EVENTS, 0);

	thread->io.announced_us = since_us;
	context_dispatch(thread, event, count);
	thread->io.announced_us = thread->io.now_us;
	if (count < EVENTS)
		thread->coalescing.polled_us = thread->io.now_us;
	return count;
}

static void coalesce_event(struct thread_context *thread, struct event_source *source,
			   uint32_t events)
{
	struct coalescing *coalescing = &thread->coalescing;
	uint64_t now_us = thread->io.now_us;
	bool early = now_us - coalescing->polled_us < COALESCE_US / 2;

	(void)source;
	(void)events;
	coalesce_take(thread, now_us);
	coalescing->early = early ? coalescing->early + 1 : 0;
	if (coalescing->early >= EARLY_WAKES && !coalescing->impossible)
		(void)coalesce_mask(thread, EPOLL_CTL_MOD, true);
}

void coalesce_init(struct coalescing *coalescing)
{
	*coalescing = (struct coalescing){ .source = { coalesce_event }, .epoll = -1 };
}

/**
 * coalesce_open() - Make the second epoll set
 * @thread:	Thread that has the first one
 *
 * Return: 0 or -errno
 */
int coalesce_open(struct thread_context *thread)
{
	thread->coalescing.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (thread->coalescing.epoll < 0)
		return -errno;
	return coalesce_mask(thread, EPOLL_CTL_ADD, false);
}

void coalesce_close(struct coalescing *coalescing)
{
	if (coalescing->epoll >= 0)
		close(coalescing->epoll);
	coalescing->epoll = -1;
}

/**
 * coalesce_review() - Put a leg where it belongs
 * @thread:	Its thread
 * @leg:	Leg of a connection that is RELAYING
 * @wanted:	Its direction is sustained bulk
 *
 * In both sets for a moment, so that no edge is lost: to add a socket that is
 * readable is an event.  If it cannot be added it stays where it is, where it
 * is served as well.
 */
void coalesce_review(struct thread_context *thread, struct leg *leg, bool wanted)
{
	int to = wanted ? thread->coalescing.epoll : thread->epoll;
	int from = wanted ? thread->epoll : thread->coalescing.epoll;

	if (leg->coalesced == wanted || leg_watch(to, leg) < 0)
		return;
	(void)epoll_ctl(from, EPOLL_CTL_DEL, leg->fd, NULL);
	leg->coalesced = wanted;
	if (wanted)
		counter_add(&thread->counters->coalesced, 1);
	else
		counter_subtract(&thread->counters->coalesced, 1);
}

/* The leg's socket is about to be closed. */
void coalesce_forget(struct thread_context *thread, struct leg *leg)
{
	if (leg->coalesced)
		counter_subtract(&thread->counters->coalesced, 1);
	leg->coalesced = false;
}

/**
 * coalesce_wait_us() - How long the thread may sleep before the next poll
 * @coalescing:	Of this thread
 * @now_us:	Time
 *
 * Return: microseconds, or -1 when an event will tell
 */
int64_t coalesce_wait_us(const struct coalescing *coalescing, uint64_t now_us)
{
	uint64_t due_us = coalescing->polled_us + COALESCE_US;

	if (!coalescing->masked)
		return -1;
	return due_us > now_us ? (int64_t)(due_us - now_us) : 0;
}

/**
 * coalesce_poll() - See what has come for the legs in the second set
 * @thread:	Its thread, when the poll is due
 *
 * When it came is not known: it is taken to have waited since the last poll.
 */
void coalesce_poll(struct thread_context *thread)
{
	struct coalescing *coalescing = &thread->coalescing;

	counter_add(&thread->counters->coalesced_polls, 1);
	if (coalesce_take(thread, coalescing->polled_us) > 0)
		coalescing->quiet = 0;
	else
		coalescing->quiet++;
	if (++coalescing->polls >= MOST_POLLS || coalescing->quiet >= QUIET_POLLS)
		(void)coalesce_mask(thread, EPOLL_CTL_MOD, false);
}

/**
 * coalesce_give_up() - Never mask again: the thread cannot wait for less than milliseconds
 * @thread:	The thread
 */
void coalesce_give_up(struct thread_context *thread)
{
	thread->coalescing.impossible = true;
	if (thread->coalescing.masked)
		(void)coalesce_mask(thread, EPOLL_CTL_MOD, false);
}
