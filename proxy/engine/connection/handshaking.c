// SPDX-License-Identifier: MIT
#include "connection/handshaking.h"

#include <errno.h>
#include <sys/socket.h>

#include "connection/connection.h"
#include "sockets/dial.h"
#include "thread/thread.h"
#include "upstreams/upstream.h"

#define EARLY_MOST (16U << 10)	/* of the client's bytes, with the request */

/*
 * Looks at what of the client's may go with the request.  A look takes the error
 * of a reset out of the socket, where nobody would find it again: what is left
 * looks like an end.
 *
 * Return: false if the client has gone, else *@seen of its bytes are in the thread's buffer
 */
static bool early_look(struct worker *worker, const struct connection *connection,
		       const struct upstream *upstream, size_t *seen)
{
	ssize_t received;

	*seen = 0;
	if (!upstream->optimistic || connection->probe ||
	    !handshake_asks(&connection->handshake))
		return true;
	received = recv(connection->leg[CLIENT].fd, worker->transfer.buffer, EARLY_MOST, MSG_PEEK);
	if (received < 0)
		return errno == EAGAIN;
	*seen = (size_t)received;
	return true;
}

static enum shake failed(enum outcome outcome, enum outcome *why)
{
	*why = outcome;
	return SHAKE_FAILED;
}

static enum shake message_send(struct worker *worker, struct connection *connection,
			       const struct upstream *upstream, enum outcome *why)
{
	struct handshake *handshake = &connection->handshake;
	unsigned char message[HANDSHAKE_MESSAGE_MOST];
	size_t length = handshake_message(handshake, message);
	size_t left = length - handshake->sent;
	struct iovec part[2] = {
		{ message + handshake->sent, left }, { worker->transfer.buffer, 0 },
	};
	struct msghdr header = { .msg_iov = part, .msg_iovlen = 2 };
	ssize_t sent;

	if (!early_look(worker, connection, upstream, &part[1].iov_len))
		return failed(OUTCOME_CLIENT_RESET, why);
	sent = sendmsg(connection->leg[UPSTREAM].fd, &header, MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EAGAIN ? SHAKE_WAITS : failed(dial_outcome(errno), why);
	if ((size_t)sent > left) {
		connection->early = (uint16_t)((size_t)sent - left);
		sent = (ssize_t)left;
	}
	handshake_sent(handshake, (size_t)sent, length);
	return SHAKE_GOES_ON;
}

/* What came behind the reply is the client's: it goes before all that is yet to come. */
static enum shake reply_done(struct worker *worker, struct connection *connection,
			     size_t taken, size_t received, enum outcome *why)
{
	if (taken < received &&
	    direction_preload(&connection->direction[UPSTREAM], worker->transfer.buffer + taken,
			      received - taken) < 0)
		return failed(OUTCOME_NO_MEMORY, why);
	return SHAKE_DONE;
}

static enum shake reply_receive(struct worker *worker, struct connection *connection,
				enum outcome *why)
{
	struct transfer *transfer = &worker->transfer;
	ssize_t received = recv(connection->leg[UPSTREAM].fd, transfer->buffer,
				transfer->buffer_size, 0);
	size_t taken;

	if (received < 0)
		return errno == EAGAIN ? SHAKE_WAITS : failed(dial_outcome(errno), why);
	if (received == 0)
		return failed(OUTCOME_UPSTREAM_PROTOCOL, why);
	switch (handshake_take(&connection->handshake, transfer->buffer, (size_t)received,
			       &taken)) {
	case HANDSHAKE_DONE:
		return reply_done(worker, connection, taken, (size_t)received, why);
	case HANDSHAKE_FAILED:
		return failed(connection->handshake.outcome, why);
	default:
		return SHAKE_GOES_ON;
	}
}

/**
 * shake_run() - Speak with the proxy until it is its turn
 * @worker:	The connection's thread
 * @connection:	Connection that is HANDSHAKING
 * @upstream:	The proxy
 * @why:	Gets how it failed: OUTCOME_CLIENT_RESET, or what the next upstream may do better
 *
 * Return: never SHAKE_GOES_ON
 */
enum shake shake_run(struct worker *worker, struct connection *connection,
		     const struct upstream *upstream, enum outcome *why)
{
	enum shake shake;

	do {
		shake = connection->handshake.sending
				? message_send(worker, connection, upstream, why)
				: reply_receive(worker, connection, why);
	} while (shake == SHAKE_GOES_ON);
	return shake;
}
