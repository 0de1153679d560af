// SPDX-License-Identifier: MIT
/* The mode `splice`: one splice() into an empty pipe and as many out of it as it takes. */
#include <errno.h>
#include <fcntl.h>

#include "base/assert.h"
#include "bytes/copy.h"
#include "bytes/deliver.h"

/* Without a pipe it copies: pipe_take() says when the pool has none. */
static enum progress splice_pass(struct direction *direction, struct io_context *io, int source,
				 int sink, size_t *moved)
{
	struct pipe *pipe = pipe_take(&io->pipes, io->now_ms);
	ssize_t received;
	int error;

	if (!pipe)
		return copy_pass(direction, io, source, sink, moved);
	received = splice(source, NULL, pipe->write_end, NULL,
			  pipe->size < io->turn_bytes ? pipe->size : io->turn_bytes,
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
	return deliver_pending(direction, io, sink);
}

/* Only what is spliced is read by the clock. */
static void splice_end(struct direction *direction, struct io_context *io)
{
	(void)io;
	bulk_end(&direction->bulk);
}

const struct mode_ops splice_mode = { .pass = splice_pass, .end = splice_end };
