// SPDX-License-Identifier: MIT
#include "bytes/direction.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/counters.h"
#include "bytes/deliver.h"

#define HEAVY_RUN (16U << 10)	/* chosen: what a message seldom has, and bulk always */
#define IDLE_US 1000000		/* chosen: what comes after a pause is often something else */

/* A mode that cannot begin is not entered; it has to be earned anew. */
static void enter_mode(struct direction *direction, struct io_context *io, enum mode mode)
{
	const struct mode_ops *from = mode_ops[direction->mode], *to = mode_ops[mode];

	ASSERT(mode < MODE_COUNT);
	if (to->begin && to->begin(direction, io) < 0)
		return;
	if (from->end)
		from->end(direction, io);
	direction->mode = mode;
	counter_add(&io->counters->mode_changes[mode], 1);
}

/* @bytes: of the last pass, 0 before the first of a run */
static void choose_mode(struct direction *direction, struct io_context *io, size_t bytes,
			bool idle)
{
	struct mode_facts facts = {
		.mode = direction->mode,
		.streak = direction->streak,
		.bytes = bytes,
		.idle = idle,
		.urgent = direction->urgent,
		.may_splice = io->may_splice,
	};
	struct mode_choice choice = mode_choose(&facts);

	direction->streak = choice.streak;
	if (choice.mode != direction->mode)
		enter_mode(direction, io, choice.mode);
}

/* Return: PROGRESS_MADE when nothing is pending */
static enum progress flush(struct direction *direction, struct io_context *io, int sink)
{
	enum progress progress;

	if (!direction->pending)
		return PROGRESS_MADE;
	progress = deliver_pending(direction, io, sink);
	if (progress == PROGRESS_MADE)
		residency_unblock(&direction->residency);
	return progress;
}

/* Since when will the next bytes have waited? */
static void note_waiting(struct direction *direction, const struct io_context *io,
			 enum progress progress, size_t moved)
{
	if (progress == PROGRESS_SOURCE_EMPTY)
		residency_empty(&direction->residency);
	else if (progress == PROGRESS_MADE && moved)
		residency_leave(&direction->residency, io->delivered_us);
	else if (progress == PROGRESS_SINK_FULL && moved)
		residency_stall(&direction->residency, io->now_us);
}

/* What is pending is in the pipe or in the stash, and nothing else is in either. */
static bool holds_what_is_pending(const struct direction *direction)
{
	return !(direction->pipe && direction->stash) &&
	       !direction->pending == !(direction->pipe || direction->stash);
}

static enum progress pass(struct direction *direction, struct io_context *io, int source, int sink,
			  size_t *moved)
{
	enum progress progress = flush(direction, io, sink);

	*moved = 0;
	if (progress != PROGRESS_MADE)
		return progress;
	progress = mode_ops[direction->mode]->pass(direction, io, source, sink, moved);
	note_waiting(direction, io, progress, *moved);
	if (*moved)
		choose_mode(direction, io, *moved, false);
	ASSERT(holds_what_is_pending(direction));
	ASSERT(progress != PROGRESS_MADE || !direction->pending);
	return progress;
}

/* How long ago the last run was decides about the mode, and for how long bytes may have waited. */
static void begin_run(struct direction *direction, struct io_context *io)
{
	uint32_t rested_us = (uint32_t)io->now_us - direction->last_run_us;

	bool idle = rested_us > IDLE_US;

	if (idle || direction->urgent)	/* otherwise only a pass speaks for another mode */
		choose_mode(direction, io, 0, idle);
	residency_announce(&direction->residency, io->now_us, io->now_us - io->announced_us,
			   rested_us);
	direction->last_run_us = (uint32_t)io->now_us;
}

/**
 * direction_announce() - Bytes may have come, and wait for the direction's turn
 * @direction:	Direction that is not run at once
 * @io:		With the time of the event that told of them
 */
void direction_announce(struct direction *direction, const struct io_context *io)
{
	residency_announce(&direction->residency, io->now_us, io->now_us - io->announced_us,
			   (uint32_t)io->now_us - direction->last_run_us);
}

/**
 * direction_init() - Prepare a zeroed direction
 * @direction:		Direction
 * @is_upload:		From the client
 * @residency:		Histogram of how long they were here
 */
void direction_init(struct direction *direction, bool is_upload,
		    struct sidetrack_relay_histogram *residency)
{
	direction->residency.histogram = residency;
	direction->is_upload = is_upload;
}

/**
 * direction_preload() - Bytes of the source that the handshake has already read
 * @direction:	Direction that has not run yet
 * @bytes:	They go to the sink before anything else
 * @length:	At least one
 *
 * Return: 0 or -ENOMEM
 */
int direction_preload(struct direction *direction, const unsigned char *bytes, size_t length)
{
	return deliver_stash(direction, bytes, length) == PROGRESS_MADE ? 0 : -ENOMEM;
}

/**
 * direction_skip() - Bytes that the sink has got already, from a look ahead
 * @direction:	Direction that has not run yet
 * @io:		What the thread lends
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
		residency_leave(&direction->residency, io->now_us);	/* with the handshake */
		deliver_count(direction, io, MODE_COPY, received);
		length -= received;
	}
	residency_empty(&direction->residency);
	return 0;
}

/* The clock is read with each hand-over: what was noted last is as good as a look at it. */
static uint64_t turn_end(const struct io_context *io)
{
	return (io->now_us > io->delivered_us ? io->now_us : io->delivered_us) + TURN_US;
}

/**
 * direction_run() - Move bytes until that has to wait for something
 * @direction:	Direction that is not finished
 * @io:		What the thread lends
 * @source:	Socket to read from
 * @sink:	Socket to write to
 *
 * Return: what to wait for, or how it ended; never PROGRESS_MADE
 */
enum progress direction_run(struct direction *direction, struct io_context *io,
			    int source, int sink)
{
	enum progress progress;
	uint64_t until_us = turn_end(io);
	size_t moved, total = 0;

	ASSERT(!direction->finished && holds_what_is_pending(direction));
	begin_run(direction, io);
	do {
		progress = pass(direction, io, source, sink, &moved);
		total += moved;
	} while (progress == PROGRESS_MADE && total < io->turn_bytes &&
		 io->delivered_us < until_us);
	direction->heavy = total >= HEAVY_RUN;

	if (progress == PROGRESS_SINK_FULL && total)
		counter_add(&io->counters->stalls, 1);
	if (direction->mode == MODE_SPLICE && total)
		bulk_moved(&direction->bulk, total, io->now_us);
	return progress == PROGRESS_MADE ? PROGRESS_TURN_OVER : progress;
}

/**
 * direction_release() - Give back everything the direction holds
 * @direction:	Direction
 * @io:		What the thread lends
 */
void direction_release(struct direction *direction, struct io_context *io)
{
	if (mode_ops[direction->mode]->end)
		mode_ops[direction->mode]->end(direction, io);
	direction->mode = MODE_COPY;
	deliver_discard(direction, io);
}
