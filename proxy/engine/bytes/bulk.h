/* SPDX-License-Identifier: MIT */
/*
 * Is this direction sustained bulk, which may be read by the clock (coalesce.h)?
 *
 * Theory of operation
 *
 * A direction earns credit with every large portion, and holds once it has
 * earned megabytes of it.  Small portions cost some, so one now and then does
 * no harm.  Bytes the other way cost a lot: a flow that is asked for each portion
 * waits for its answers, and must not be made to wait for a clock too.
 *
 * Nor may the clock slow down anybody else.  Linux can keep an acknowledgement
 * back while bytes are unread, and then a sender with a small buffer or window
 * stands still until the next poll.  So the pace is measured while credit is
 * earned, when every packet wakes the thread, and compared with the pace under
 * the clock: who is slower there leaves, and has to earn twice as much before
 * the next try.  Only portions that follow each other as closely as polls do are
 * compared, for others are not held up by the clock; and from time to time the
 * pace of such a flow is measured anew.
 *
 * Pure: no sockets, no clock.  Times are the lower 32 bits of microseconds.
 */
#ifndef SIDETRACK_BULK_H
#define SIDETRACK_BULK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bulk {
	uint32_t credit;	/* bytes */
	uint32_t last_us;	/* the last portion */
	uint32_t since_us;	/* what is measured began, while it is earned or held */
	uint32_t bytes;		/* since then */
	uint32_t pace;		/* bytes per 1024 us without the clock */
	uint16_t close;		/* portions that followed each other closely */
	uint8_t slower;		/* comparisons in a row that were lost */
	uint8_t back_off;	/* doublings of what has to be earned */
	bool holds;
};

void bulk_moved(struct bulk *bulk, size_t bytes, uint64_t now_us);
void bulk_answered(struct bulk *bulk);
void bulk_end(struct bulk *bulk);

#endif /* SIDETRACK_BULK_H */
