/* SPDX-License-Identifier: MIT */
/*
 * Legs whose bytes come in bulk are read by the clock, not for each packet.
 *
 * Theory of operation
 *
 * What a relay of bulk spends most of its time on is waking up: a packet comes,
 * the thread is scheduled, moves 64 KB, sleeps.  Network cards have the same
 * trouble with interrupts and the same cure, which ethtool(8) calls coalescing.
 * Here too: a direction that has proved to be sustained bulk (see bulk.h)
 * takes its source's leg out of the thread's epoll set and into a second one,
 * which is polled every COALESCE_US.  By then more has come, and one pass
 * moves all of it.
 *
 *	thread->epoll ─┬─ listener, eventfd, all other legs: at once
 *	               └─ coalescing.epoll ─── legs of sustained bulk
 *
 * The second set lies in the first one and wakes the thread as the first does,
 * until it has done so some times in a row twice as soon as a poll would have
 * been due.  Then it is masked, and time alone decides; but not for long, nor
 * when polls find nothing.  (NAPI turns interrupts off and on in the same way.)
 * So a flow that comes in larger portions by itself, as one does whose sender
 * waits for the receive window, is not cut into smaller ones.
 *
 * What it costs is latency: all that happens to a leg in there waits up to
 * COALESCE_US (a tick, where the kernel has no high-resolution timers).  What such
 * a direction writes to is not in there, so room for it is noticed at once, unless
 * that leg sends as much itself; nor is anything that is small or rare.  Where
 * epoll_pwait2() is missing or forbidden nothing is ever masked.
 */
#ifndef SIDETRACK_COALESCE_H
#define SIDETRACK_COALESCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"

/*
 * Between polls.  Chosen, as long as network cards wait; that sleeping pays is measured
 * (docs/benchmarks.md, "Why so much in bulk": 200 us gave 36 Gbit where 20 were before).
 */
#define COALESCE_US 500

struct leg;
struct thread_context;

struct coalescing {
	struct event_source source;	/* in the thread's epoll set */
	int epoll;
	bool impossible;		/* to wait as exactly as that */
	bool masked;			/* time decides */
	uint8_t early;			/* wake-ups in a row before half of COALESCE_US had passed */
	uint8_t quiet;			/* polls in a row that found nothing */
	uint8_t polls;			/* since it was masked */
	uint64_t polled_us;		/* when the last poll was */
};

void coalesce_init(struct coalescing *coalescing);
int coalesce_open(struct thread_context *thread);
void coalesce_close(struct coalescing *coalescing);

void coalesce_review(struct thread_context *thread, struct leg *leg, bool wanted);
void coalesce_forget(struct thread_context *thread, struct leg *leg);
int64_t coalesce_wait_us(const struct coalescing *coalescing, uint64_t now_us);
void coalesce_poll(struct thread_context *thread);
void coalesce_give_up(struct thread_context *thread);

#endif /* SIDETRACK_COALESCE_H */
