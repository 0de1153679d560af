/* SPDX-License-Identifier: MIT */
/* What a thread lends to the direction that is running. */
#ifndef SIDETRACK_IO_CONTEXT_H
#define SIDETRACK_IO_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "sockets/pipe.h"

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

#endif /* SIDETRACK_IO_CONTEXT_H */
