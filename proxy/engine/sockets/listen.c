// SPDX-License-Identifier: MIT
#include "sockets/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "sockets/dial.h"

#define DEFAULT_BACKLOG 4096

static int option_on(int fd, int level, int name)
{
	int on = 1;

	return setsockopt(fd, level, name, &on, sizeof(on));
}

/* All of the machine, and no address in particular. */
static bool listens_everywhere(const struct sidetrack_relay_options *options)
{
	static const struct in6_addr anywhere;

	return memcmp(options->address, &anywhere, sizeof(anywhere)) == 0;
}

/**
 * listen_wanted() - Families of addresses that the relay is to listen on
 * @options:	The relay's options
 *
 * Return: bits, 1 << enum family
 */
uint32_t listen_wanted(const struct sidetrack_relay_options *options)
{
	struct endpoint local = { 0 };

	if (listens_everywhere(options))
		return 1U << FAMILY_IPV4 | 1U << FAMILY_IPV6;
	memcpy(&local.address, options->address, sizeof(local.address));
	return 1U << endpoint_family(&local);
}

/* Return: a socket for one family only, with the address that it is to be bound to */
static int listen_socket(const struct sidetrack_relay_options *options, uint16_t port,
			 enum family family, union socket_address *address, socklen_t *length)
{
	struct endpoint local = { .port = port };
	int fd;

	memcpy(&local.address, options->address, sizeof(local.address));
	if (family == FAMILY_IPV4 && listens_everywhere(options))
		local.address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
	*length = endpoint_to_socket_address(&local, address);
	fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && address->any.sa_family == AF_INET6)
		(void)option_on(fd, SOL_IPV6, IPV6_V6ONLY);
	return fd;
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

/* One option serves a dual-stack socket of an older relay: both are the same bit. */
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
	dial_set_keepalive(fd, options->keepalive_s, options->keepalive_interval_s);
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

/**
 * listen_begin() - Have a bound socket listen, for the first time or again
 * @fd:		Descriptor
 * @options:	The relay's options
 *
 * Return: 0 or -errno
 */
int listen_begin(int fd, const struct sidetrack_relay_options *options)
{
	int backlog = options->backlog ? (int)options->backlog : DEFAULT_BACKLOG;

	/* best effort: net.ipv4.tcp_fastopen has the last word anyway */
	if (options->fast_open)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &backlog, sizeof(backlog));
	return listen(fd, backlog) < 0 ? -errno : 0;
}

/**
 * listen_end() - Have a listening socket listen no more, and keep its port
 * @fd:		Descriptor; if it does not listen now, that is as well
 *
 * Not shutdown(): a socket that does not listen would remember that, and all that it
 * accepts after the next listen() would seem to be at their end.
 */
void listen_end(int fd)
{
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	(void)connect(fd, &nobody, sizeof(nobody));
}

/* Return: descriptor of a bound socket, or -errno */
static int listen_bound(const struct sidetrack_relay_options *options, uint16_t port,
			enum family family, bool first)
{
	int off = 0, error;
	union socket_address address;
	socklen_t length;
	int fd = listen_socket(options, port, family, &address, &length);

	if (fd < 0)
		return -errno;
	if (first && family == FAMILY_IPV6)
		(void)setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	error = listen_configure(fd, address.any.sa_family, options);
	if (!error)
		error = listen_bind(fd, &address, length, first);
	if (!error)
		return fd;
	close(fd);
	return error;
}

/**
 * listen_reserve() - Bind the port, unless another socket has it in either family
 * @options:	The relay's options
 * @port:	Gets the port
 *
 * To be closed when the sockets that listen are there.
 *
 * Return: descriptor, or -errno: -EPERM when TPROXY is beyond our privileges
 */
int listen_reserve(const struct sidetrack_relay_options *options, uint16_t *port)
{
	bool ipv6 = listen_wanted(options) & 1U << FAMILY_IPV6;
	int fd = listen_bound(options, (uint16_t)options->port,
			      ipv6 ? FAMILY_IPV6 : FAMILY_IPV4, true);

	if (fd == -EAFNOSUPPORT && listens_everywhere(options))
		fd = listen_bound(options, (uint16_t)options->port, FAMILY_IPV4, true);
	if (fd < 0)
		return fd;
	*port = listen_port(fd);
	if (*port)
		return fd;
	close(fd);
	return -EIO;
}

/**
 * listen_open() - Open one listening socket
 * @options:	The relay's options
 * @port:	The relay's port, which a socket of ours has already
 * @family:	One that listen_wanted() names
 *
 * Return: descriptor, or -errno: -EAFNOSUPPORT if the kernel has no such family
 */
int listen_open(const struct sidetrack_relay_options *options, uint16_t port, enum family family)
{
	int fd = listen_bound(options, port, family, false);
	int error = fd < 0 ? fd : listen_begin(fd, options);

	if (!error)
		return fd;
	if (fd >= 0)
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
 * listen_refuses() - Has another owner made this socket refuse newcomers?
 * @fd:		Socket that has listened
 *
 * Return: true if it keeps its port and listens no more
 */
bool listen_refuses(int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	return option_of(fd, SOL_SOCKET, SO_ACCEPTCONN) == 0 && listen_port(fd) &&
	       getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
	       info.tcpi_state == TCP_CLOSE;
}

/**
 * listen_families() - Families that a socket from outside listens to
 * @fd:		Descriptor that listen_check() has approved
 *
 * Return: bits, 1 << enum family; both for a dual-stack one
 */
uint32_t listen_families(int fd)
{
	static const struct in6_addr anywhere;
	union socket_address address = { 0 };
	socklen_t length = sizeof(address);
	struct endpoint local;

	(void)getsockname(fd, &address.any, &length);
	endpoint_from_socket_address(&local, &address);
	if (address.any.sa_family == AF_INET6 && option_of(fd, SOL_IPV6, IPV6_V6ONLY) == 0 &&
	    memcmp(&local.address, &anywhere, sizeof(anywhere)) == 0)
		return 1U << FAMILY_IPV4 | 1U << FAMILY_IPV6;
	return 1U << endpoint_family(&local);
}

/**
 * listen_check() - Is this a socket that we could have opened ourselves?
 * @fd:		Descriptor that was handed to us
 * @options:	The relay's options
 * @port:	Gets the port it listens on
 *
 * Return: 0; -ENOTSOCK or another -errno if it is no socket; -EINVAL if it is no
 * listening TCP socket; -EADDRNOTAVAIL if it listens elsewhere
 */
int listen_check(int fd, const struct sidetrack_relay_options *options, uint16_t *port)
{
	union socket_address address = { 0 };
	socklen_t length = sizeof(address);
	struct endpoint local;
	int listening = option_of(fd, SOL_SOCKET, SO_ACCEPTCONN);

	if (listening < 0)
		return listening;
	if (option_of(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_TCP ||
	    (!listening && !listen_refuses(fd)))
		return -EINVAL;
	if (getsockname(fd, &address.any, &length) < 0)
		return -errno;
	endpoint_from_socket_address(&local, &address);
	*port = local.port;
	if (options->port && options->port != local.port)
		return -EADDRNOTAVAIL;
	if (!listens_everywhere(options) &&
	    memcmp(options->address, &local.address, sizeof(local.address)))
		return -EADDRNOTAVAIL;
	return 0;
}

/**
 * listen_adopt() - Make a socket from outside like one of our own
 * @fd:		Descriptor that listen_check() has approved
 * @options:	The relay's options
 *
 * The socket is shared with the process that handed it over, so its options change for
 * both; nothing here hurts a relay that goes on with it.  One that refuses goes on
 * refusing.
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
	if (error || listen_refuses(fd))
		return error;
	return listen_begin(fd, options);
}
