// SPDX-License-Identifier: MIT
#include "connection/exchange.h"

#include <errno.h>
#include <sys/socket.h>

#include "sockets/dial.h"

#define EARLY_MOST (16U << 10)	/* of the client's bytes, with the request */

/*
 * Peeks at what of the client's may go with the request.  A peek takes the error
 * of a reset out of the socket, where no later call would find it: what is left
 * looks like an end.
 *
 * Return: false if the client has gone, else *@seen of its bytes are in the thread's buffer
 */
static bool early_peek(const struct exchange *exchange, const struct establish *establish,
		       struct thread_context *thread, size_t *seen)
{
	ssize_t received;

	*seen = 0;
	if (exchange->client < 0 || !establish_upstream(establish)->optimistic ||
	    !handshake_asks(&establish->handshake))
		return true;
	received = recv(exchange->client, thread->io.buffer, EARLY_MOST, MSG_PEEK);
	if (received < 0)
		return errno == EAGAIN;
	*seen = (size_t)received;
	return true;
}

static enum exchange_state failed(struct exchange *exchange, enum outcome why)
{
	exchange->why = why;
	return EXCHANGE_FAILED;
}

static enum exchange_state message_send(struct exchange *exchange, struct establish *establish,
					struct thread_context *thread, int upstream)
{
	struct handshake *handshake = &establish->handshake;
	unsigned char message[HANDSHAKE_MESSAGE_MOST];
	size_t length = handshake_message(handshake, message);
	size_t left = length - handshake->sent;
	struct iovec part[2] = {
		{ message + handshake->sent, left }, { thread->io.buffer, 0 },
	};
	struct msghdr header = { .msg_iov = part, .msg_iovlen = 2 };
	ssize_t sent;

	if (!early_peek(exchange, establish, thread, &part[1].iov_len))
		return failed(exchange, OUTCOME_CLIENT_RESET);
	sent = sendmsg(upstream, &header, MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EAGAIN ? EXCHANGE_WAITS : failed(exchange, dial_outcome(errno));
	if ((size_t)sent > left) {
		establish->early = (uint16_t)((size_t)sent - left);
		sent = (ssize_t)left;
	}
	handshake_sent(handshake, (size_t)sent, length);
	return EXCHANGE_GOES_ON;
}

static enum exchange_state reply_receive(struct exchange *exchange, struct establish *establish,
					 struct thread_context *thread, int upstream)
{
	struct io_context *io = &thread->io;
	ssize_t received = recv(upstream, io->buffer, io->buffer_size, 0);
	size_t taken;

	if (received < 0)
		return errno == EAGAIN ? EXCHANGE_WAITS : failed(exchange, dial_outcome(errno));
	if (received == 0)
		return failed(exchange, OUTCOME_UPSTREAM_PROTOCOL);
	switch (handshake_take(&establish->handshake, io->buffer, (size_t)received, &taken)) {
	case HANDSHAKE_DONE:
		exchange->rest = io->buffer + taken;
		exchange->rest_length = (size_t)received - taken;
		return EXCHANGE_DONE;
	case HANDSHAKE_FAILED:
		return failed(exchange, establish->handshake.outcome);
	default:
		return EXCHANGE_GOES_ON;
	}
}

/**
 * exchange_run() - Speak with the proxy until it is its turn
 * @exchange:	With the client, if there is one; gets what comes out
 * @establish:	Connected with a proxy
 * @thread:	Its thread, whose buffer holds the rest
 * @upstream:	Socket
 *
 * Return: never EXCHANGE_GOES_ON
 */
enum exchange_state exchange_run(struct exchange *exchange, struct establish *establish,
				 struct thread_context *thread, int upstream)
{
	enum exchange_state state;

	do {
		state = establish->handshake.sending
				? message_send(exchange, establish, thread, upstream)
				: reply_receive(exchange, establish, thread, upstream);
	} while (state == EXCHANGE_GOES_ON);
	return state;
}
