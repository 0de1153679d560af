// SPDX-License-Identifier: MIT
/* The mode `splice`: one splice() into an empty pipe and as many out of it as it takes. */
#include <errno.h>
#include <fcntl.h>

#include "base/assert.h"
#include "bytes/copy.h"
#include "bytes/deliver.h"

/* While pipes are scarce: what a receiver that stalls may leave in memory of ours. */
#define SCARCE_BYTES (128U << 10)

static size_t most_bytes(const struct io_context *io, const struct pipe *pipe, bool scarce)
{
	size_t most = pipe->size < io->turn_bytes ? pipe->size : io->turn_bytes;

	return scarce && most > SCARCE_BYTES ? SCARCE_BYTES : most;
}

/* Without a pipe it copies: pipe_take() says when the pool has none. */
static enum progress splice_pass(struct direction *direction, struct io_context *io, int source,
				 int sink, size_t *moved)
{
	struct pipe *pipe = pipe_take(&io->pipes, io->now_ms);
	enum progress progress;
	ssize_t received;
	bool scarce;
	int error;

	if (!pipe)
		return copy_pass(direction, io, source, sink, moved);
	scarce = pipe_pool_is_scarce(&io->pipes, io->now_ms);
	received = splice(source, NULL, pipe->write_end, NULL, most_bytes(io, pipe, scarce),
			  SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (received <= 0) {
		error = errno;
		pipe_give(&io->pipes, pipe);
		errno = error;
		return received ? direction_source_failed(direction) : PROGRESS_FINISHED;
	}
	ASSERT(!direction->pipe);
	*moved = received;
	direction->pipe = pipe;
	direction->pending = received;
	progress = deliver_pending(direction, io, sink);
	if (progress == PROGRESS_SINK_FULL && scarce)
		return deliver_unpipe(direction, io);
	return progress;
}

/* Only what is spliced is read by the clock. */
static void splice_end(struct direction *direction, struct io_context *io)
{
	(void)io;
	bulk_end(&direction->bulk);
}

const struct mode_ops splice_mode = { .pass = splice_pass, .end = splice_end };
