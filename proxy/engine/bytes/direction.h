/* SPDX-License-Identifier: MIT */
/*
 * One direction of a connection: bytes from one socket to the other.
 *
 * Theory of operation
 *
 * Epoll reports edges, so a run goes on until it knows that the next step has
 * to wait: the source is empty, the sink is full, or the turn is used up and
 * other connections want theirs.  Two ways to move bytes:
 *
 *  copy	recv() into the thread's buffer, send() from it.  Cheapest for
 *		small messages: two system calls and a short memcpy.
 *  splice	splice() into a pipe and out of it.  Cheapest for bulk: the
 *		pages move and the bytes are never touched.
 *
 * A direction starts by copying.  Some large passes in a row prove bulk and
 * promote it; some small ones, or a pause, demote it again.
 *
 * Bytes that were read but that the sink would not take are *pending*: in the
 * pipe, which then belongs to this direction alone, or in a stash of exactly
 * their size.  Nothing more is read until they are gone.  That one rule gives
 * back-pressure with bounded memory, and it settles the old ambiguity of
 * splice(): a pipe is only filled while it is empty, so EAGAIN can only mean
 * that the socket has nothing to read.  (Or that an urgent byte blocks it: the
 * kernel's splice cannot pass one, so the connection's first urgent byte makes
 * this direction copy for good.)
 *
 * FIN is handed on only when nothing is pending.
 *
 * One that has spliced for long may be read by the clock: bulk.h says when.
 *
 * Residency, from readable to written, is counted with every hand-over.  Bytes
 * count as readable from the return of epoll_wait() that announced them, or, if
 * they are read by the clock, from the time when they were last polled for.  What
 * is left in the source after a pass is counted from the end of that pass, so
 * other connections' turns show; after a stall, from where the stall began, so
 * the wait shows and yet no stream's residency grows without bound.
 */
#ifndef SIDETRACK_DIRECTION_H
#define SIDETRACK_DIRECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "bytes/bulk.h"
#include "sockets/pipe.h"

/* What a thread lends to whichever direction is running. */
struct io_context {
	unsigned char *buffer;
	uint32_t buffer_size;
	bool may_splice;
	struct pipe_pool pipes;
	uint64_t now_ms;
	uint64_t now_us;	/* when epoll_wait() returned */
	uint64_t announced_us;	/* since when bytes may have been there of which it told */
	uint64_t delivered_us;	/* when bytes were last handed over */
	struct sidetrack_relay_counters *counters;
};

enum progress {
	PROGRESS_MADE,		/* go on */
	PROGRESS_SOURCE_EMPTY,	/* wait for the source to be readable */
	PROGRESS_SINK_FULL,	/* wait for the sink to be writable */
	PROGRESS_TURN_OVER,	/* run again after the others */
	PROGRESS_FINISHED,	/* FIN received and everything delivered */
	PROGRESS_SOURCE_FAILED,
	PROGRESS_SINK_FAILED,
	PROGRESS_NO_MEMORY,
};

struct direction {
	uint64_t bytes;		/* delivered to the sink */
	uint64_t *total_bytes;	/* the thread's counter for this way */
	struct sidetrack_relay_histogram *residency;	/* the thread's, likewise */
	uint64_t readable_us;	/* since when the bytes at hand have waited; 0: none are */
	uint64_t behind_us;	/* the same for those behind what is pending */
	struct pipe *pipe;
	unsigned char *stash;
	uint32_t stash_sent;
	uint32_t pending;	/* in the pipe, or in the stash after stash_sent */
	uint32_t last_run_us;
	struct bulk bulk;
	int16_t error;		/* errno behind the last PROGRESS_*_FAILED */
	uint8_t streak;		/* passes in a row that speak for the other mode */
	bool splicing;
	bool urgent;		/* an urgent byte has been seen */
	bool hangup;		/* the source has announced its end */
	bool finished;		/* FIN handed on */
};

void direction_init(struct direction *direction, uint64_t *total_bytes,
		    struct sidetrack_relay_histogram *residency);
int direction_preload(struct direction *direction, const unsigned char *bytes, size_t length);
int direction_skip(struct direction *direction, struct io_context *io, int source,
		   size_t length);
enum progress direction_run(struct direction *direction, struct io_context *io,
			    int source, int sink);
void direction_release(struct direction *direction, struct io_context *io);

#endif /* SIDETRACK_DIRECTION_H */
