// SPDX-License-Identifier: MIT
#include "connection/handshaking.h"

#include <errno.h>
#include <sys/socket.h>

#include "connection/connection.h"
#include "sockets/dial.h"
#include "upstreams/upstream.h"

#define EARLY_MOST (16U << 10)	/* of the client's bytes, with the request */

/*
 * Peeks at what of the client's may go with the request.  A peek takes the error
 * of a reset out of the socket, where nobody would find it again: what is left
 * looks like an end.
 *
 * Return: false if the client has gone, else *@seen of its bytes are in the thread's buffer
 */
static bool early_peek(struct thread_context *thread, const struct connection *connection,
		       const struct upstream *upstream, size_t *seen)
{
	ssize_t received;

	*seen = 0;
	if (!upstream->optimistic || connection->probe ||
	    !handshake_asks(&connection->handshake))
		return true;
	received = recv(connection->leg[CLIENT].fd, thread->io.buffer, EARLY_MOST, MSG_PEEK);
	if (received < 0)
		return errno == EAGAIN;
	*seen = (size_t)received;
	return true;
}

static enum handshaking failed(enum outcome outcome, enum outcome *why)
{
	*why = outcome;
	return HANDSHAKING_FAILED;
}

static enum handshaking message_send(struct thread_context *thread, struct connection *connection,
				     const struct upstream *upstream, enum outcome *why)
{
	struct handshake *handshake = &connection->handshake;
	unsigned char message[HANDSHAKE_MESSAGE_MOST];
	size_t length = handshake_message(handshake, message);
	size_t left = length - handshake->sent;
	struct iovec part[2] = {
		{ message + handshake->sent, left }, { thread->io.buffer, 0 },
	};
	struct msghdr header = { .msg_iov = part, .msg_iovlen = 2 };
	ssize_t sent;

	if (!early_peek(thread, connection, upstream, &part[1].iov_len))
		return failed(OUTCOME_CLIENT_RESET, why);
	sent = sendmsg(connection->leg[UPSTREAM].fd, &header, MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EAGAIN ? HANDSHAKING_WAITS : failed(dial_outcome(errno), why);
	if ((size_t)sent > left) {
		connection->early = (uint16_t)((size_t)sent - left);
		sent = (ssize_t)left;
	}
	handshake_sent(handshake, (size_t)sent, length);
	return HANDSHAKING_GOES_ON;
}

/* What came behind the reply is the client's: it goes before all that is yet to come. */
static enum handshaking reply_done(struct thread_context *thread, struct connection *connection,
				   size_t taken, size_t received, enum outcome *why)
{
	if (taken < received &&
	    direction_preload(&connection->direction[UPSTREAM], thread->io.buffer + taken,
			      received - taken) < 0)
		return failed(OUTCOME_NO_MEMORY, why);
	return HANDSHAKING_DONE;
}

static enum handshaking reply_receive(struct thread_context *thread, struct connection *connection,
				      enum outcome *why)
{
	struct io_context *io = &thread->io;
	ssize_t received = recv(connection->leg[UPSTREAM].fd, io->buffer,
				io->buffer_size, 0);
	size_t taken;

	if (received < 0)
		return errno == EAGAIN ? HANDSHAKING_WAITS : failed(dial_outcome(errno), why);
	if (received == 0)
		return failed(OUTCOME_UPSTREAM_PROTOCOL, why);
	switch (handshake_take(&connection->handshake, io->buffer, (size_t)received,
			       &taken)) {
	case HANDSHAKE_DONE:
		return reply_done(thread, connection, taken, (size_t)received, why);
	case HANDSHAKE_FAILED:
		return failed(connection->handshake.outcome, why);
	default:
		return HANDSHAKING_GOES_ON;
	}
}

/**
 * handshaking_run() - Speak with the proxy until it is its turn
 * @thread:	The connection's thread
 * @connection:	Connection that is HANDSHAKING
 * @upstream:	The proxy
 * @why:	Gets how it failed: OUTCOME_CLIENT_RESET, or what the next upstream may do better
 *
 * Return: never HANDSHAKING_GOES_ON
 */
enum handshaking handshaking_run(struct thread_context *thread, struct connection *connection,
				 const struct upstream *upstream, enum outcome *why)
{
	enum handshaking result;

	do {
		result = connection->handshake.sending
				? message_send(thread, connection, upstream, why)
				: reply_receive(thread, connection, why);
	} while (result == HANDSHAKING_GOES_ON);
	return result;
}
