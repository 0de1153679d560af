// SPDX-License-Identifier: MIT
#include "bytes/deliver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/counters.h"

/* The result of a failed system call on the source or the sink. */
static enum progress failed(struct direction *direction, enum progress wait, enum progress fail)
{
	if (errno == EAGAIN)
		return wait;
	direction->error = (int16_t)errno;
	return fail;
}

enum progress direction_source_failed(struct direction *direction)
{
	return failed(direction, PROGRESS_SOURCE_EMPTY, PROGRESS_SOURCE_FAILED);
}

enum progress direction_sink_failed(struct direction *direction)
{
	return failed(direction, PROGRESS_SINK_FULL, PROGRESS_SINK_FAILED);
}

/**
 * deliver_count() - The sink has got some bytes
 * @direction:	Direction
 * @io:		What the thread lends
 * @mode:	How they went
 * @bytes:	How many
 *
 * Done with every call, so that a scrape sees a long stream move.  Reading the
 * clock does not enter the kernel.
 */
void deliver_count(struct direction *direction, struct io_context *io, enum mode mode,
		   size_t bytes)
{
	ASSERT(bytes && direction->residency.readable_us);
	io->delivered_us = clock_us();
	residency_deliver(&direction->residency, io->delivered_us);
	direction->bytes += bytes;
	counter_add(direction->is_upload ? &io->counters->upload_bytes
					 : &io->counters->download_bytes,
		    bytes);
	counter_add(&io->counters->mode_bytes[mode], bytes);
}

/* Return: as send() does */
ssize_t deliver_bytes(struct direction *direction, struct io_context *io, int sink,
		      const unsigned char *bytes, size_t length, int flags)
{
	ssize_t sent = send(sink, bytes, length, flags | MSG_NOSIGNAL);

	if (sent > 0)
		deliver_count(direction, io, MODE_COPY, sent);
	return sent;
}

/* Keeps what the sink would not take, at its exact size. */
enum progress deliver_stash(struct direction *direction, const unsigned char *bytes, size_t length)
{
	ASSERT(length && !direction->pending && !direction->stash);
	direction->stash = malloc(length);
	if (!direction->stash)
		return PROGRESS_NO_MEMORY;
	memcpy(direction->stash, bytes, length);
	direction->stash_sent = 0;
	direction->pending = length;
	return PROGRESS_MADE;
}

static enum progress stash_flush(struct direction *direction, struct io_context *io, int sink)
{
	while (direction->pending) {
		ssize_t sent = deliver_bytes(direction, io, sink,
					     direction->stash + direction->stash_sent,
					     direction->pending, 0);

		if (sent < 0)
			return direction_sink_failed(direction);
		direction->stash_sent += sent;
		direction->pending -= sent;
	}
	free(direction->stash);
	direction->stash = NULL;
	return PROGRESS_MADE;
}

/*
 * The length is exact and SPLICE_F_MORE is left off: the kernel joins the pages
 * of one call by itself, and a wrong promise of more costs 200 ms.
 */
static enum progress pipe_flush(struct direction *direction, struct io_context *io, int sink)
{
	while (direction->pending) {
		ssize_t sent = splice(direction->pipe->read_end, NULL, sink, NULL,
				      direction->pending, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (sent == 0)
			errno = EIO;	/* bytes lost in the pipe: cannot happen, must not spin */
		if (sent <= 0)
			return direction_sink_failed(direction);
		direction->pending -= sent;
		deliver_count(direction, io, MODE_SPLICE, sent);
	}
	pipe_give(&io->pipes, direction->pipe);
	direction->pipe = NULL;
	return PROGRESS_MADE;
}

/**
 * deliver_pending() - Hand over what is pending, if the sink takes it now
 * @direction:	Direction with something pending, in its pipe or its stash
 * @io:		What the thread lends
 * @sink:	Socket to write to
 *
 * Return: PROGRESS_MADE when nothing is pending any more
 */
enum progress deliver_pending(struct direction *direction, struct io_context *io, int sink)
{
	ASSERT(direction->pending);
	return direction->pipe ? pipe_flush(direction, io, sink)
			       : stash_flush(direction, io, sink);
}

/**
 * deliver_unpipe() - Move what is pending out of its pipe, which others need
 * @direction:	Direction whose sink took only a part
 * @io:		What the thread lends
 *
 * Without memory the bytes stay where they are.
 *
 * Return: PROGRESS_SINK_FULL, or that bytes were lost
 */
enum progress deliver_unpipe(struct direction *direction, struct io_context *io)
{
	unsigned char *stash = malloc(direction->pending);
	uint32_t got = 0;

	ASSERT(direction->pipe && direction->pending && !direction->stash);
	if (!stash)
		return PROGRESS_SINK_FULL;
	while (got < direction->pending) {
		ssize_t count = read(direction->pipe->read_end, stash + got,
				     direction->pending - got);

		if (count == 0)
			errno = EIO;	/* as in pipe_flush() */
		if (count <= 0) {
			free(stash);
			direction->error = (int16_t)errno;
			return PROGRESS_SINK_FAILED;
		}
		got += (uint32_t)count;
	}
	direction->stash = stash;
	direction->stash_sent = 0;
	pipe_give(&io->pipes, direction->pipe);
	direction->pipe = NULL;
	return PROGRESS_SINK_FULL;
}

/* What is pending will not be wanted any more. */
void deliver_discard(struct direction *direction, struct io_context *io)
{
	if (direction->pipe)
		pipe_discard(&io->pipes, direction->pipe);
	free(direction->stash);
	direction->pipe = NULL;
	direction->stash = NULL;
	direction->pending = 0;
}
