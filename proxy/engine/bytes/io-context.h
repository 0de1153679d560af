/* SPDX-License-Identifier: MIT */
/* What a thread lends to the direction that is running. */
#ifndef SIDETRACK_IO_CONTEXT_H
#define SIDETRACK_IO_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "sockets/pipe.h"

/*
 * What a direction may move in its turn: of the first much, for it is alone.  Small ones wait
 * for the end of a turn at most, so the other is about 0.1 ms; of less than that the two system
 * calls would be felt.
 */
#define TURN_BYTES (2U << 20)
#define TURN_BYTES_SHARED (256U << 10)
#define TURN_US 1000		/* where bytes are few and calls are slow */

struct io_context {
	unsigned char *buffer;
	uint32_t buffer_size;
	bool may_splice;
	uint32_t turn_bytes;	/* TURN_BYTES, or TURN_BYTES_SHARED while others wait */
	struct pipe_pool pipes;
	uint64_t now_ms;
	uint64_t now_us;	/* when epoll_wait() returned */
	uint64_t announced_us;	/* since when bytes may have been there of which it told */
	uint64_t delivered_us;	/* when bytes were last handed over */
	struct sidetrack_relay_counters *counters;
};

#endif /* SIDETRACK_IO_CONTEXT_H */
