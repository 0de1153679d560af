// SPDX-License-Identifier: MIT
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "dial.h"
#include "endpoint.h"

#define DEFAULT_BACKLOG 4096

static int option_on(int fd, int level, int name)
{
	int on = 1;

	return setsockopt(fd, level, name, &on, sizeof(on));
}

/* Everywhere unless told: both families if there are both. */
static int listen_socket(const struct sidetrack_relay_options *options, uint16_t port,
			   union socket_address *address, socklen_t *length)
{
	struct endpoint local = { .port = port };
	int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int off = 0;
	int fd;

	memcpy(&local.address, options->address, sizeof(local.address));
	*length = endpoint_to_socket_address(&local, address);
	fd = socket(address->any.sa_family, type, 0);
	if (fd >= 0 && address->any.sa_family == AF_INET6)
		(void)setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (fd >= 0 || errno != EAFNOSUPPORT || !endpoint_is_unspecified(&local))
		return fd;
	local.address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	*length = endpoint_to_socket_address(&local, address);
	return socket(AF_INET, type, 0);
}

static int listen_bind(int fd, const union socket_address *address, socklen_t length, bool first)
{
	if (option_on(fd, SOL_SOCKET, SO_REUSEADDR) < 0)
		return -errno;
	if (!first && option_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0)
		return -errno;
	if (bind(fd, &address->any, length) < 0)
		return -errno;
	if (first && option_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0)
		return -errno;
	return 0;
}

/* One option serves a dual-stack socket: both are the same bit. */
static int listen_set_transparent(int fd, int family)
{
	int error = family == AF_INET6 ? option_on(fd, SOL_IPV6, IPV6_TRANSPARENT)
				       : option_on(fd, SOL_IP, IP_TRANSPARENT);

	return error < 0 ? -errno : 0;
}

/* What accepted sockets inherit, and what must be so before bind(). */
static int listen_configure(int fd, int family, const struct sidetrack_relay_options *options)
{
	dial_set_options(fd, options);
	dial_set_no_delay(fd);
	dial_set_keepalive(fd, options->client_keepalive_idle_s, options->keepalive_interval_s);
	return options->capture == CAPTURE_TPROXY ? listen_set_transparent(fd, family) : 0;
}

static uint16_t listen_port(int fd)
{
	union socket_address address = { 0 };
	socklen_t length = sizeof(address);
	struct endpoint local;

	if (getsockname(fd, &address.any, &length) < 0)
		return 0;
	endpoint_from_socket_address(&local, &address);
	return local.port;
}

static int listen_begin(int fd, const struct sidetrack_relay_options *options)
{
	int backlog = options->backlog ? (int)options->backlog : DEFAULT_BACKLOG;

	/* best effort: net.ipv4.tcp_fastopen has the last word anyway */
	if (options->fast_open)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &backlog, sizeof(backlog));
	return listen(fd, backlog);
}

/**
 * listen_open() - Open one listening socket
 * @options:	The relay's options
 * @port:	0 for the first socket of the relay; the port it got, for the rest
 *
 * Return: descriptor, or -errno: -EPERM when TPROXY is beyond our privileges
 */
int listen_open(const struct sidetrack_relay_options *options, uint16_t *port)
{
	bool first = *port == 0;
	union socket_address address;
	socklen_t length;
	int fd, error;

	fd = listen_socket(options, first ? (uint16_t)options->port : *port, &address, &length);
	if (fd < 0)
		return -errno;
	error = listen_configure(fd, address.any.sa_family, options);
	if (!error)
		error = listen_bind(fd, &address, length, first);
	if (error)
		goto fail;
	error = -EIO;
	*port = listen_port(fd);
	if (!*port)
		goto fail;
	if (listen_begin(fd, options) == 0)
		return fd;
	error = -errno;

fail:
	close(fd);
	return error;
}

/* --- sockets from outside -------------------------------------------------------- */

static int option_of(int fd, int level, int name)
{
	int value = 0;
	socklen_t length = sizeof(value);

	return getsockopt(fd, level, name, &value, &length) < 0 ? -errno : value;
}

/**
 * listen_check() - Is this a socket that we could have opened ourselves?
 * @fd:		Descriptor that somebody handed to us
 * @options:	The relay's options
 * @port:	Gets the port it listens on
 *
 * Return: 0; -ENOTSOCK or another -errno if it is no socket; -EINVAL if it is no
 * listening TCP socket; -EADDRNOTAVAIL if it listens elsewhere
 */
int listen_check(int fd, const struct sidetrack_relay_options *options, uint16_t *port)
{
	static const struct in6_addr anywhere;
	union socket_address address = { 0 };
	socklen_t length = sizeof(address);
	struct endpoint local;
	int listening = option_of(fd, SOL_SOCKET, SO_ACCEPTCONN);

	if (listening < 0)
		return listening;
	if (listening != 1 || option_of(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP)
		return -EINVAL;
	if (getsockname(fd, &address.any, &length) < 0)
		return -errno;
	endpoint_from_socket_address(&local, &address);
	*port = local.port;
	if (options->port && options->port != local.port)
		return -EADDRNOTAVAIL;
	if (memcmp(options->address, &anywhere, sizeof(anywhere)) &&
	    memcmp(options->address, &local.address, sizeof(local.address)))
		return -EADDRNOTAVAIL;
	return 0;
}

/**
 * listen_adopt() - Make a socket from outside like one of our own
 * @fd:		Descriptor that listen_check() has approved
 * @options:	The relay's options
 *
 * The socket is shared with whoever handed it over, so its options change for
 * both; nothing here hurts a relay that goes on with it.
 *
 * Return: 0 or -errno
 */
int listen_adopt(int fd, const struct sidetrack_relay_options *options)
{
	int flags = fcntl(fd, F_GETFL);
	int error;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || option_on(fd, SOL_SOCKET, SO_REUSEPORT) < 0)
		return -errno;
	error = listen_configure(fd, option_of(fd, SOL_SOCKET, SO_DOMAIN), options);
	if (error)
		return error;
	return listen_begin(fd, options) < 0 ? -errno : 0;
}
