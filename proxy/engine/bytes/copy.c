// SPDX-License-Identifier: MIT
/* The mode `copy`: one recv() and its send(). */
#include <errno.h>
#include <sys/socket.h>

#include "bytes/copy.h"
#include "bytes/deliver.h"

/*
 * The last bytes and the FIN behind them leave in one packet: shutdown() or
 * close() follow at once.  If it is an error that follows, resetting pushes them.
 */
static int send_flags(const struct direction *direction)
{
	return direction->hangup ? MSG_MORE : 0;
}

/* The sink would not take all: the rest is kept, and tried once more, for room may have come. */
static enum progress keep_rest(struct direction *direction, struct io_context *io, int sink,
			       const unsigned char *bytes, size_t length)
{
	enum progress progress = deliver_stash(direction, bytes, length);

	return progress == PROGRESS_MADE ? deliver_pending(direction, io, sink) : progress;
}

enum progress copy_pass(struct direction *direction, struct io_context *io, int source, int sink,
			size_t *moved)
{
	ssize_t received = recv(source, io->buffer, io->buffer_size, 0);
	ssize_t sent;

	if (received < 0)
		return direction_source_failed(direction);
	if (received == 0)
		return PROGRESS_FINISHED;
	*moved = received;
	sent = deliver_bytes(direction, io, sink, io->buffer, received, send_flags(direction));
	if (sent < 0 && errno != EAGAIN)
		return direction_sink_failed(direction);
	if (sent < 0)
		sent = 0;
	if (sent < received)
		return keep_rest(direction, io, sink, io->buffer + sent, received - sent);
	/*
	 * A short read has emptied the source; asking again would only cost.
	 * Not so when its end or an urgent byte may be what cut it short: their
	 * edge is already spent.
	 */
	if ((size_t)received < io->buffer_size && !direction->hangup && !direction->urgent)
		return PROGRESS_SOURCE_EMPTY;
	return PROGRESS_MADE;
}

const struct mode_ops copy_mode = { .pass = copy_pass };
