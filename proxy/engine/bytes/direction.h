/* SPDX-License-Identifier: MIT */
/*
 * One direction of a connection: bytes from one socket to the other.
 *
 * Theory of operation
 *
 * Epoll reports edges, so a run goes on until it knows that the next step has
 * to wait: the source is empty, the sink is full, or the turn is used up and
 * other connections want theirs.  A run is a row of passes; how a pass moves its
 * bytes is the direction's mode (mode.h), which is chosen anew after each.
 *
 * Bytes that were read but that the sink would not take are pending (deliver.h),
 * and nothing more is read until they are gone.  That one rule gives
 * back-pressure with bounded memory, and it settles the old ambiguity of
 * splice(): a pipe is only filled while it is empty, so EAGAIN can only mean
 * that the socket has nothing to read.  (Or that an urgent byte blocks it: the
 * kernel's splice cannot pass one, so the connection's first urgent byte makes
 * this direction copy for good.)
 *
 * FIN is handed on only when nothing is pending.
 *
 * One that moved much in its last run is heavy: it waits for its turn behind those who are
 * there already, while all others run at once, new ones among them (relaying.c).  A turn is
 * bounded by bytes and time, and short while others wait.
 *
 * One that has spliced for long may be read by the clock: bulk.h says when.
 */
#ifndef SIDETRACK_DIRECTION_H
#define SIDETRACK_DIRECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "bytes/bulk.h"
#include "bytes/io-context.h"
#include "bytes/mode.h"
#include "bytes/residency.h"

/* How large the receive buffer of the source is: see connection/read-ahead.h. */
enum window {
	WINDOW_AUTOMATIC,	/* as the kernel began it */
	WINDOW_CUT,
	WINDOW_HELD,
	WINDOW_NEAR,		/* large enough for a sender that is near */
	WINDOW_FREE,		/* the kernel's again */
};

struct direction {
	uint64_t bytes;		/* delivered to the sink */
	struct residency residency;
	struct pipe *pipe;
	unsigned char *stash;
	uint32_t stash_sent;
	uint32_t pending;	/* in the pipe, or in the stash after stash_sent */
	uint32_t last_run_us;
	uint32_t flowed;	/* bytes, in this window */
	struct bulk bulk;
	int16_t error;		/* errno behind the last PROGRESS_*_FAILED */
	uint8_t streak;		/* passes in a row that speak for another mode */
	uint8_t mode;		/* enum mode */
	uint8_t window;		/* enum window */
	bool is_upload;
	bool turn_over;		/* a run is due when the connection has its turn */
	bool heavy;		/* its last run moved much: others come first */
	bool urgent;		/* an urgent byte has been seen */
	bool hangup;		/* the source has announced its end */
	bool finished;		/* FIN handed on */
};

void direction_init(struct direction *direction, bool is_upload,
		    struct sidetrack_relay_histogram *residency);
int direction_preload(struct direction *direction, const unsigned char *bytes, size_t length);
int direction_skip(struct direction *direction, struct io_context *io, int source,
		   size_t length);
void direction_announce(struct direction *direction, const struct io_context *io);
enum progress direction_run(struct direction *direction, struct io_context *io,
			    int source, int sink);
void direction_release(struct direction *direction, struct io_context *io);

#endif /* SIDETRACK_DIRECTION_H */
