// SPDX-License-Identifier: MIT
#include "bytes/coalesce.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/counters.h"
#include "connection/connection.h"
#include "thread/thread.h"

#define EARLY_WAKES 4		/* then it is time to wait for more */
#define QUIET_LOOKS 8		/* then there is nothing to wait for */
#define MOST_LOOKS 64		/* then it is seen again how wake-ups come by themselves */
#define EVENTS 256		/* for more of them a look has another turn of the loop */

/* Return: 0 or -errno */
static int coalesce_mask(struct worker *worker, int operation, bool masked)
{
	struct coalescing *coalescing = &worker->coalescing;
	struct epoll_event event = {
		.events = masked ? 0 : EPOLLIN,
		.data.ptr = &coalescing->source,
	};

	if (epoll_ctl(worker->epoll, operation, coalescing->epoll, &event) < 0)
		return -errno;
	coalescing->masked = masked;
	coalescing->early = coalescing->quiet = coalescing->looks = 0;
	return 0;
}

/* Return: how many legs had something */
static int coalesce_take(struct worker *worker, uint64_t since_us)
{
	struct epoll_event event[EVENTS];
	int count = epoll_wait(worker->coalescing.epoll, event, EVENTS, 0);

	worker->transfer.announced_us = since_us;
	worker_dispatch(worker, event, count);
	worker->transfer.announced_us = worker->transfer.now_us;
	if (count < EVENTS)
		worker->coalescing.looked_us = worker->transfer.now_us;
	return count;
}

static void coalesce_event(struct worker *worker, struct event_source *source, uint32_t events)
{
	struct coalescing *coalescing = &worker->coalescing;
	uint64_t now_us = worker->transfer.now_us;
	bool early = now_us - coalescing->looked_us < COALESCE_US / 2;

	(void)source;
	(void)events;
	coalesce_take(worker, now_us);
	coalescing->early = early ? coalescing->early + 1 : 0;
	if (coalescing->early >= EARLY_WAKES && !coalescing->impossible)
		(void)coalesce_mask(worker, EPOLL_CTL_MOD, true);
}

void coalesce_init(struct coalescing *coalescing)
{
	*coalescing = (struct coalescing){ .source = { coalesce_event }, .epoll = -1 };
}

/**
 * coalesce_open() - Make the second epoll set
 * @worker:	Thread that has the first one
 *
 * Return: 0 or -errno
 */
int coalesce_open(struct worker *worker)
{
	worker->coalescing.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (worker->coalescing.epoll < 0)
		return -errno;
	return coalesce_mask(worker, EPOLL_CTL_ADD, false);
}

void coalesce_close(struct coalescing *coalescing)
{
	if (coalescing->epoll >= 0)
		close(coalescing->epoll);
	coalescing->epoll = -1;
}

/**
 * coalesce_review() - Put a leg where it belongs
 * @worker:	Its thread
 * @leg:	Leg of a connection that is RELAYING
 * @wanted:	Its direction is sustained bulk
 *
 * In both sets for a moment, so that no edge is lost: to add a socket that is
 * readable is an event.  If it cannot be added it stays where it is, where it
 * is served as well.
 */
void coalesce_review(struct worker *worker, struct leg *leg, bool wanted)
{
	int to = wanted ? worker->coalescing.epoll : worker->epoll;
	int from = wanted ? worker->epoll : worker->coalescing.epoll;

	if (leg->coalesced == wanted || leg_watch(to, leg) < 0)
		return;
	(void)epoll_ctl(from, EPOLL_CTL_DEL, leg->fd, NULL);
	leg->coalesced = wanted;
	if (wanted)
		counter_add(&worker->counters->coalesced, 1);
	else
		counter_subtract(&worker->counters->coalesced, 1);
}

/* The leg's socket is about to be closed. */
void coalesce_forget(struct worker *worker, struct leg *leg)
{
	if (leg->coalesced)
		counter_subtract(&worker->counters->coalesced, 1);
	leg->coalesced = false;
}

/**
 * coalesce_wait_us() - How long the thread may sleep before the next look
 * @coalescing:	Of this thread
 * @now_us:	Time
 *
 * Return: microseconds, or -1 when an event will tell
 */
int64_t coalesce_wait_us(const struct coalescing *coalescing, uint64_t now_us)
{
	uint64_t due_us = coalescing->looked_us + COALESCE_US;

	if (!coalescing->masked)
		return -1;
	return due_us > now_us ? (int64_t)(due_us - now_us) : 0;
}

/**
 * coalesce_look() - See what has come for the legs in the second set
 * @worker:	Its thread, when the look is due
 *
 * When it came is not known: it is taken to have waited since the last look.
 */
void coalesce_look(struct worker *worker)
{
	struct coalescing *coalescing = &worker->coalescing;

	counter_add(&worker->counters->looks, 1);
	if (coalesce_take(worker, coalescing->looked_us) > 0)
		coalescing->quiet = 0;
	else
		coalescing->quiet++;
	if (++coalescing->looks >= MOST_LOOKS || coalescing->quiet >= QUIET_LOOKS)
		(void)coalesce_mask(worker, EPOLL_CTL_MOD, false);
}

/**
 * coalesce_give_up() - Never mask again: the thread cannot wait for less than milliseconds
 * @worker:	The thread
 */
void coalesce_give_up(struct worker *worker)
{
	worker->coalescing.impossible = true;
	if (worker->coalescing.masked)
		(void)coalesce_mask(worker, EPOLL_CTL_MOD, false);
}
