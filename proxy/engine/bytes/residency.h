/* SPDX-License-Identifier: MIT */
/*
 * How long bytes are here: from readable to written, counted with every hand-over.
 *
 * Bytes count as readable from the return of epoll_wait() that announced them, or,
 * if they are read by the clock, from the time when they were last looked for.  What
 * is left in the source after a pass is counted from the end of that pass, so
 * other connections' turns show; after a stall, from where the stall began, so
 * the wait shows and yet no stream's residency grows without bound.
 *
 * Inline, for it is done in every pass.
 */
#ifndef SIDETRACK_RESIDENCY_H
#define SIDETRACK_RESIDENCY_H

#include <stdint.h>

#include "base/histogram.h"

struct residency {
	struct sidetrack_relay_histogram *histogram;	/* the thread's, for this way */
	uint64_t readable_us;	/* since when the bytes at hand have waited; 0: none are */
	uint64_t behind_us;	/* the same for those behind what is pending */
};

/**
 * residency_announce() - Bytes may have come since the last run
 * @residency:	Of a direction that is about to run
 * @now_us:	When epoll_wait() returned
 * @waited_us:	For how long bytes may have waited of which it told
 * @rested_us:	Since the last run, which has left nothing readable behind
 */
static inline void residency_announce(struct residency *residency, uint64_t now_us,
				      uint64_t waited_us, uint32_t rested_us)
{
	if (residency->readable_us)
		return;
	residency->readable_us = now_us - (rested_us < waited_us ? rested_us : waited_us);
	residency->behind_us = residency->readable_us;
}

/* Some of the bytes at hand have been handed over. */
static inline void residency_deliver(const struct residency *residency, uint64_t now_us)
{
	histogram_record(residency->histogram, now_us - residency->readable_us);
}

/* What was pending is gone; now it is the turn of what came behind it. */
static inline void residency_unblock(struct residency *residency)
{
	residency->readable_us = residency->behind_us;
}

/* The source has nothing more. */
static inline void residency_empty(struct residency *residency)
{
	residency->readable_us = 0;
}

/* What is left in the source waits from @since_us on. */
static inline void residency_leave(struct residency *residency, uint64_t since_us)
{
	residency->readable_us = since_us;
}

/* A stall has begun: what is left in the source waits from @since_us on, behind what is pending. */
static inline void residency_stall(struct residency *residency, uint64_t since_us)
{
	residency->behind_us = since_us;
}

#endif /* SIDETRACK_RESIDENCY_H */
