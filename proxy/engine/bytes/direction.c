// SPDX-License-Identifier: MIT
#include "bytes/direction.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/histogram.h"

#define TURN_BYTES (2U << 20)	/* then the other connections have a turn */
#define LARGE_PASS (16U << 10)	/* above it splicing is cheaper than copying */
#define SMALL_PASS (4U << 10)	/* far enough below that nobody flaps */
#define PROMOTE_AFTER 3
#define DEMOTE_AFTER 8
#define DEMOTE_IDLE_US 1000000

/* The result of a failed system call on the source or the sink. */
static enum progress failed(struct direction *direction, enum progress wait, enum progress fail)
{
	if (errno == EAGAIN)
		return wait;
	direction->error = (int16_t)errno;
	return fail;
}

static enum progress source_failed(struct direction *direction)
{
	return failed(direction, PROGRESS_SOURCE_EMPTY, PROGRESS_SOURCE_FAILED);
}

static enum progress sink_failed(struct direction *direction)
{
	return failed(direction, PROGRESS_SINK_FULL, PROGRESS_SINK_FAILED);
}

/*
 * Counted with every call, so that a scrape sees a io move.  Reading the
 * clock does not enter the kernel.
 */
static void delivered(struct direction *direction, struct io_context *io, uint64_t *how,
		      size_t bytes)
{
	io->delivered_us = clock_us();
	histogram_record(direction->residency, io->delivered_us - direction->readable_us);
	direction->bytes += bytes;
	counter_add(direction->total_bytes, bytes);
	counter_add(how, bytes);
}

static void set_splicing(struct direction *direction, struct io_context *io, bool splicing)
{
	if (direction->splicing == splicing)
		return;
	direction->splicing = splicing;
	bulk_end(&direction->bulk);
	direction->streak = 0;
	counter_add(splicing ? &io->counters->promotions : &io->counters->demotions, 1);
}

/* After a copying pass: has this direction proved bulk? */
static void consider_promotion(struct direction *direction, struct io_context *io, size_t bytes)
{
	if (bytes < LARGE_PASS)
		direction->streak = 0;
	else if (++direction->streak >= PROMOTE_AFTER && io->may_splice && !direction->urgent)
		set_splicing(direction, io, true);
}

/* After a splicing pass: would copying have been cheaper? */
static void consider_demotion(struct direction *direction, struct io_context *io, size_t bytes)
{
	if (bytes >= SMALL_PASS)
		direction->streak = 0;
	else if (++direction->streak >= DEMOTE_AFTER)
		set_splicing(direction, io, false);
}

static ssize_t send_bytes(struct direction *direction, struct io_context *io, int sink,
			  const unsigned char *bytes, size_t length, int flags)
{
	ssize_t sent = send(sink, bytes, length, flags | MSG_NOSIGNAL);

	if (sent > 0)
		delivered(direction, io, &io->counters->copied_bytes, sent);
	return sent;
}

/* Keeps what the sink would not take, at its exact size. */
static enum progress stash(struct direction *direction, const unsigned char *bytes, size_t length)
{
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
		ssize_t sent = send_bytes(direction, io, sink,
					  direction->stash + direction->stash_sent,
					  direction->pending, 0);

		if (sent < 0)
			return sink_failed(direction);
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
			return sink_failed(direction);
		direction->pending -= sent;
		delivered(direction, io, &io->counters->spliced_bytes, sent);
	}
	pipe_give(&io->pipes, direction->pipe);
	direction->pipe = NULL;
	return PROGRESS_MADE;
}

static enum progress flush(struct direction *direction, struct io_context *io, int sink)
{
	enum progress progress;

	if (!direction->pending)
		return PROGRESS_MADE;
	progress = direction->pipe ? pipe_flush(direction, io, sink)
				   : stash_flush(direction, io, sink);
	if (progress == PROGRESS_MADE)
		direction->readable_us = direction->behind_us;
	return progress;
}

/* Since when will the next bytes have waited? */
static void note_waiting(struct direction *direction, const struct io_context *io,
			 enum progress progress, size_t moved)
{
	if (progress == PROGRESS_SOURCE_EMPTY)
		direction->readable_us = 0;
	else if (progress == PROGRESS_MADE && moved)
		direction->readable_us = io->delivered_us;
	else if (progress == PROGRESS_SINK_FULL && moved)
		direction->behind_us = io->now_us;
}

/*
 * The last bytes and the FIN behind them leave in one packet: shutdown() or
 * close() follow at once.  If it is an error that follows, resetting pushes them.
 */
static int send_flags(const struct direction *direction)
{
	return direction->hangup ? MSG_MORE : 0;
}

/* One recv() and its send(). */
static enum progress copy_pass(struct direction *direction, struct io_context *io,
			       int source, int sink, size_t *moved)
{
	ssize_t received = recv(source, io->buffer, io->buffer_size, 0);
	ssize_t sent;
	enum progress progress;

	if (received < 0)
		return source_failed(direction);
	if (received == 0)
		return PROGRESS_FINISHED;
	*moved = received;
	consider_promotion(direction, io, received);
	sent = send_bytes(direction, io, sink, io->buffer, received,
			  send_flags(direction));
	if (sent < 0 && errno != EAGAIN)
		return sink_failed(direction);
	if (sent < 0)
		sent = 0;
	if (sent < received) {
		progress = stash(direction, io->buffer + sent, received - sent);
		return progress == PROGRESS_MADE ? stash_flush(direction, io, sink) : progress;
	}
	/*
	 * A short read has emptied the source; asking again would only cost.
	 * Not so when its end or an urgent byte may be what cut it short: their
	 * edge is already spent.
	 */
	if ((size_t)received < io->buffer_size && !direction->hangup && !direction->urgent)
		return PROGRESS_SOURCE_EMPTY;
	return PROGRESS_MADE;
}

/* One splice() into an empty pipe and as many out of it as it takes. */
static enum progress splice_pass(struct direction *direction, struct io_context *io,
				 int source, int sink, size_t *moved)
{
	struct pipe *pipe = pipe_take(&io->pipes, io->now_ms);
	ssize_t received;
	int error;

	if (!pipe)
		return copy_pass(direction, io, source, sink, moved);
	received = splice(source, NULL, pipe->write_end, NULL, pipe->size,
			  SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	if (received <= 0) {
		error = errno;
		pipe_give(&io->pipes, pipe);
		errno = error;
		return received ? source_failed(direction) : PROGRESS_FINISHED;
	}
	*moved = received;
	consider_demotion(direction, io, received);
	direction->pipe = pipe;
	direction->pending = received;
	return pipe_flush(direction, io, sink);
}

static enum progress pass(struct direction *direction, struct io_context *io,
			  int source, int sink, size_t *moved)
{
	enum progress progress = flush(direction, io, sink);

	*moved = 0;
	if (progress != PROGRESS_MADE)
		return progress;
	if (direction->splicing)
		return splice_pass(direction, io, source, sink, moved);
	return copy_pass(direction, io, source, sink, moved);
}

/* A direction that has rested has to prove itself again, and an urgent byte
 * would block splice() for ever. */
static void choose_mode(struct direction *direction, struct io_context *io)
{
	uint32_t now_us = (uint32_t)io->now_us;

	if (direction->urgent || now_us - direction->last_run_us > DEMOTE_IDLE_US)
		set_splicing(direction, io, false);
}

/* The last run has left nothing readable behind, so nothing has waited longer than that. */
static void note_announced(struct direction *direction, const struct io_context *io)
{
	uint32_t rested_us = (uint32_t)io->now_us - direction->last_run_us;
	uint64_t waited_us = io->now_us - io->announced_us;

	if (direction->readable_us)
		return;
	direction->readable_us = io->now_us - (rested_us < waited_us ? rested_us : waited_us);
	direction->behind_us = direction->readable_us;
}

/**
 * direction_init() - Prepare a zeroed direction
 * @direction:		Direction
 * @total_bytes:	Counter of all bytes that went this way
 * @residency:		Histogram of how long they were here
 */
void direction_init(struct direction *direction, uint64_t *total_bytes,
		    struct sidetrack_relay_histogram *residency)
{
	direction->residency = residency;
	direction->total_bytes = total_bytes;
}

/**
 * direction_preload() - Bytes of the source that somebody else has already read
 * @direction:	Direction that has not run yet
 * @bytes:	They go to the sink before anything else
 * @length:	At least one
 *
 * Return: 0 or -ENOMEM
 */
int direction_preload(struct direction *direction, const unsigned char *bytes, size_t length)
{
	return stash(direction, bytes, length) == PROGRESS_MADE ? 0 : -ENOMEM;
}

/**
 * direction_skip() - Bytes that the sink has got already, from a look ahead
 * @direction:	Direction that has not run yet
 * @io:	What the thread lends
 * @source:	Socket that still holds them
 * @length:	How many
 *
 * Return: 0, or -EIO if the source holds less
 */
int direction_skip(struct direction *direction, struct io_context *io, int source,
		   size_t length)
{
	while (length) {
		size_t most = length < io->buffer_size ? length : io->buffer_size;
		ssize_t received = recv(source, io->buffer, most, 0);

		if (received <= 0)
			return -EIO;
		direction->readable_us = io->now_us;	/* it left with the handshake */
		delivered(direction, io, &io->counters->copied_bytes, received);
		length -= received;
	}
	direction->readable_us = 0;
	return 0;
}

/**
 * direction_run() - Move bytes until that has to wait for something
 * @direction:	Direction that is not finished
 * @io:	What the thread lends
 * @source:	Socket to read from
 * @sink:	Socket to write to
 *
 * Return: what to wait for, or how it ended; never PROGRESS_MADE
 */
enum progress direction_run(struct direction *direction, struct io_context *io,
			    int source, int sink)
{
	enum progress progress;
	size_t moved, total = 0;

	choose_mode(direction, io);
	note_announced(direction, io);
	direction->last_run_us = (uint32_t)io->now_us;
	do {
		progress = pass(direction, io, source, sink, &moved);
		note_waiting(direction, io, progress, moved);
		total += moved;
	} while (progress == PROGRESS_MADE && total < TURN_BYTES);

	if (progress == PROGRESS_SINK_FULL && total)
		counter_add(&io->counters->stalls, 1);
	if (direction->splicing && total)
		bulk_moved(&direction->bulk, total, io->now_us);
	return progress == PROGRESS_MADE ? PROGRESS_TURN_OVER : progress;
}

/**
 * direction_release() - Give back everything the direction holds
 * @direction:	Direction
 * @io:	What the thread lends
 */
void direction_release(struct direction *direction, struct io_context *io)
{
	if (direction->pipe)
		pipe_discard(&io->pipes, direction->pipe);
	free(direction->stash);
	direction->pipe = NULL;
	direction->stash = NULL;
	direction->pending = 0;
}
