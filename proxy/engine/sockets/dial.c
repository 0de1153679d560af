// SPDX-License-Identifier: MIT
#include "sockets/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "sockets/congestion.h"
#include "sockets/destination.h"

#define KEEPALIVE_PROBES 4

static void option_set(int fd, int level, int name, int value)
{
	/* best effort: a kernel without the option still relays */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

/*
 * close() then sends RST instead of FIN, and forgets what was not sent.  Also
 * when the kernel closes for a relay that was killed: a FIN in the middle would
 * tell the other end that it has got everything.
 */
void dial_reset_on_close(int fd, bool reset)
{
	struct linger linger = { .l_onoff = reset };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

/* A small message must not wait until the one before it is acknowledged. */
void dial_set_no_delay(int fd)
{
	option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

/**
 * dial_set_options() - What every TCP socket of the relay wants from the start
 * @fd:		Listener (accepted sockets inherit it) or upstream socket
 * @options:	The relay's options
 *
 * Urgent data is read in line: a relay that dropped the urgent byte would hand
 * on a stream with a hole in it.
 */
void dial_set_options(int fd, const struct sidetrack_relay_options *options)
{
	option_set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
	dial_reset_on_close(fd, true);
	if (options->user_timeout_ms)
		option_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)options->user_timeout_ms);
}

/**
 * dial_set_keepalive() - Probe a silent peer; four system calls
 * @fd:		Listener (accepted sockets inherit it) or upstream socket
 * @idle_s:	Silence before the first probe, or 0 for none
 * @interval_s:	Between probes; 0 is the kernel's own
 */
void dial_set_keepalive(int fd, uint32_t idle_s, uint32_t interval_s)
{
	option_set(fd, SOL_SOCKET, SO_KEEPALIVE, idle_s != 0);
	if (!idle_s)
		return;
	option_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)idle_s);
	option_set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES);
	if (interval_s)
		option_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)interval_s);
}

/**
 * dial_outcome() - Name for a failed connect
 * @error:	errno of connect(), or SO_ERROR afterwards
 *
 * Return: how the connection ended
 */
enum outcome dial_outcome(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return OUTCOME_REFUSED;
	case ENETUNREACH:
	case EHOSTUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
		return OUTCOME_UNREACHABLE;
	case ETIMEDOUT:
		return OUTCOME_CONNECT_TIMEOUT;
	case ECONNRESET:
	case EPIPE:
		return OUTCOME_CONNECT_RESET;
	case EADDRNOTAVAIL:
	case EADDRINUSE:
	case EAGAIN:
		return OUTCOME_NO_PORTS;
	case EMFILE:
	case ENFILE:
		return OUTCOME_NO_DESCRIPTORS;
	case ENOMEM:
	case ENOBUFS:
		return OUTCOME_NO_MEMORY;
	default:
		return OUTCOME_CONNECT_OTHER;
	}
}

static int dial_socket(const struct endpoint *address)
{
	int family = endpoint_is_ipv4(address) ? AF_INET : AF_INET6;

	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/*
 * The quick question about @destination needs a socket of its family.  It tries to
 * bind there, and a socket that is bound is never connected: so connect() chooses
 * the port, which destinations share, without IP_BIND_ADDRESS_NO_PORT.
 */
static bool certainly_not_local(int fd, const struct endpoint *address,
				const struct endpoint *destination)
{
	return endpoint_is_ipv4(address) == endpoint_is_ipv4(destination) &&
	       !destination_may_be_local(fd, destination);
}

/* Return: OUTCOME_OPEN and a socket that is free to connect, or why not */
static enum outcome dial_open(const struct endpoint *address, const struct endpoint *destination,
			      int *fd)
{
	*fd = dial_socket(address);
	if (*fd < 0)
		return dial_outcome(errno);
	if (certainly_not_local(*fd, address, destination))
		return OUTCOME_OPEN;
	/* perhaps bound by the question: a fresh one, if the answer turns out to be no */
	close(*fd);
	*fd = -1;
	if (destination_is_local(destination))
		return OUTCOME_LOOP;
	*fd = dial_socket(address);
	return *fd < 0 ? dial_outcome(errno) : OUTCOME_OPEN;
}

/* Return: true if the connection is on its way */
static bool dial_fast(int fd, const union socket_address *to, socklen_t length,
		      struct greeting *greeting)
{
	ssize_t sent = sendto(fd, greeting->bytes, greeting->length, MSG_FASTOPEN | MSG_NOSIGNAL,
			      &to->any, length);

	if (sent > 0)
		greeting->sent = (size_t)sent;
	/* EINPROGRESS: no cookie yet; the SYN asks for one and the words come later */
	return sent >= 0 || errno == EINPROGRESS;
}

/* Return: true if the connection is on its way */
static bool dial_connect(int fd, const union socket_address *to, socklen_t length,
			 struct greeting *greeting)
{
	if (greeting->length) {
		if (dial_fast(fd, to, length, greeting))
			return true;
		if (errno != EOPNOTSUPP)	/* net.ipv4.tcp_fastopen forbids it */
			return false;
	}
	return connect(fd, &to->any, length) == 0 || errno == EINPROGRESS;
}

/**
 * dial() - Begin to connect
 * @options:		The relay's options
 * @address:		What to dial: the destination, or a proxy, which may be local
 * @destination:	Where the client wanted to go, which may not
 * @greeting:		What may leave in the SYN; how much of it did
 * @fd:			Where to put the socket
 *
 * Return: OUTCOME_OPEN with *@fd on its way, or why not with *@fd -1
 */
enum outcome dial(const struct sidetrack_relay_options *options, const struct endpoint *address,
		  const struct endpoint *destination, struct greeting *greeting, int *fd)
{
	union socket_address to;
	socklen_t length = endpoint_to_socket_address(address, &to);
	enum outcome outcome = dial_open(address, destination, fd);

	if (outcome != OUTCOME_OPEN)
		return outcome;
	dial_set_options(*fd, options);
	congestion_set(*fd, options->congestion[CONGESTION_UPSTREAM]);
	if (dial_connect(*fd, &to, length, greeting))
		return OUTCOME_OPEN;
	outcome = dial_outcome(errno);
	close(*fd);
	*fd = -1;
	return outcome;
}
