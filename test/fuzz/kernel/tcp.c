// SPDX-License-Identifier: MIT
/* Sockets: what TCP does to a program, as tcp.c of Linux does it. */
#include "kernel.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "base/endpoint.h"
#include "calls.h"

#define ORIGINAL_DESTINATION 80
#define PATTERN 1048573U

static unsigned char pattern[PATTERN];
static bool pattern_filled;

/* Of every stream another part of one pattern, whose period is a prime number. */
static void fill_pattern(void)
{
	uint64_t i;

	for (i = 0; i < PATTERN && !pattern_filled; i++)
		pattern[i] = (unsigned char)((i * 2654435761u) >> 11 ^ i >> 19);
	pattern_filled = true;
}

/* Return: bytes from @offset on that lie together at *@bytes, @most or fewer */
static uint64_t tcp_piece(const struct file *file, uint64_t offset, uint64_t most,
			  const unsigned char **bytes)
{
	uint64_t at = (offset + (uint64_t)file->fd * 100003) % PATTERN, left = PATTERN - at;

	*bytes = &pattern[at];
	if (offset < file->reply_length) {
		*bytes = &file->reply[offset];
		left = file->reply_length - offset;
	}
	return left < most ? left : most;
}

void tcp_copy(const struct file *file, uint64_t offset, unsigned char *out, uint64_t length)
{
	const unsigned char *bytes;
	uint64_t now;

	fill_pattern();
	for (; length; length -= now, offset += now, out += now) {
		now = tcp_piece(file, offset, length, &bytes);
		memcpy(out, bytes, now);
	}
}

bool tcp_equal(const struct file *file, uint64_t offset, const unsigned char *in, uint64_t length)
{
	const unsigned char *bytes;
	uint64_t now;

	for (; length; length -= now, offset += now, in += now) {
		now = tcp_piece(file, offset, length, &bytes);
		if (memcmp(in, bytes, now))
			return false;
	}
	return true;
}

bool tcp_has_room(const struct file *file)
{
	return file->queued < file->capacity;
}

/* As tcp_poll(). */
uint32_t tcp_mask(const struct file *file)
{
	uint32_t mask = file->error ? EPOLLERR : 0;

	if (file->broken || (file->shut && file->fin))
		mask |= EPOLLHUP;
	if (file->fin || file->broken)
		mask |= EPOLLIN | EPOLLRDHUP;
	if (file->broken || file->shut)
		mask |= EPOLLOUT;
	if (!file->connected)
		return mask;
	if (file->read < file->received)
		mask |= EPOLLIN;
	if (tcp_has_room(file))
		mask |= EPOLLOUT;
	if (file->urgent != UINT64_MAX)
		mask |= EPOLLPRI;
	return mask;
}

void tcp_wake(struct file *file)
{
	unsigned int set;

	for (set = 0; set < EPOLLS; set++)
		file->watch[set].woken |= file->watch[set].on;
}

int tcp_take_error(struct file *file)
{
	int error = file->error;

	file->error = 0;
	return error;
}

struct file *tcp_at(int fd)
{
	struct file *file = file_at(fd);

	require(file->kind == FILE_TCP);
	return file;
}

/* --- life -------------------------------------------------------------------------- */

int kernel_socket(int family, int type, int protocol)
{
	struct file *file;

	(void)type;
	(void)protocol;
	if (fails(CALL_SOCKET))
		return fail_with(kernel.how % 2 ? EMFILE : ENOBUFS);
	file = file_open(family == AF_NETLINK ? FILE_OTHER : FILE_TCP);
	file->ipv4 = family == AF_INET;
	file->capacity = kernel.capacity;
	return file->fd;
}

/* The listener's own, or the question whether an address is ours. */
int kernel_bind(int fd, const struct sockaddr *address, socklen_t length)
{
	(void)address;
	(void)length;
	tcp_at(fd);
	return !kernel.booted || fails(CALL_IS_LOCAL) ? 0 : fail_with(EADDRNOTAVAIL);
}

int kernel_listen(int fd, int backlog)
{
	struct file *file = tcp_at(fd);

	(void)backlog;
	file->kind = FILE_LISTENER;
	kernel.listener = file;
	return 0;
}

static struct endpoint endpoint_of(bool ipv4, uint8_t host, uint16_t port)
{
	if (ipv4)
		return (struct endpoint){
			.address.s6_addr = { [10] = 0xff, [11] = 0xff, [12] = 198, 51, 100, host },
			.port = port,
		};
	return (struct endpoint){
		.address.s6_addr = { 0x20, 0x01, 0x0d, 0xb8, [15] = host }, .port = port,
	};
}

static void address_write(const struct endpoint *endpoint, struct sockaddr *out, socklen_t *length)
{
	union socket_address address;
	socklen_t needed = endpoint_to_socket_address(endpoint, &address);

	memcpy(out, &address, needed < *length ? needed : *length);
	*length = needed;
}

/* Where the client of an accepted socket wanted to go. */
struct endpoint tcp_destination(const struct file *file)
{
	return endpoint_of(file->ipv4, 7, file->fd % 5 ? 443 : 80);
}

int kernel_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	static const int errors[] = { EMFILE, ENFILE, ENOMEM, ENOBUFS, ECONNABORTED, EPERM, EINTR,
				      EPROTO };
	const struct file *listener = file_at(fd);
	struct endpoint client;
	struct file *file;

	require(listener->kind == FILE_LISTENER && flags == (SOCK_NONBLOCK | SOCK_CLOEXEC));
	if (!kernel.backlog)
		return fail_with(EAGAIN);
	if (fails(CALL_ACCEPT))
		return fail_with(errors[kernel.how % 8]);
	kernel.backlog--;
	file = file_open(FILE_TCP);
	file->accepted = file->connected = true;
	file->linger = listener->linger;
	file->ipv4 = file->fd % 3 != 0;
	file->capacity = kernel.capacity;
	client = endpoint_of(file->ipv4, (uint8_t)(8 + file->fd % 2),
			     (uint16_t)(1024 + file->fd % 60000));
	address_write(&client, address, length);
	return file->fd;
}

/* Return: 0 with the SYN on its way, or -1 with errno */
int tcp_dial(struct file *file, const struct sockaddr *address)
{
	static const int errors[] = { ENETUNREACH, EADDRNOTAVAIL, EAGAIN, ENOMEM, EPERM,
				      ECONNREFUSED, EHOSTUNREACH, EADDRINUSE };
	struct endpoint to;

	require(!file->connecting && !file->connected);
	endpoint_from_socket_address(&to, (const union socket_address *)address);
	invariant_dialled(file, &to);
	if (fails(CALL_CONNECT))
		return fail_with(errors[kernel.how % 8]);
	file->connecting = true;
	return 0;
}

int kernel_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	(void)length;
	return tcp_dial(tcp_at(fd), address) < 0 ? -1 : fail_with(EINPROGRESS);
}

int kernel_shutdown(int fd, int how)
{
	struct file *file = tcp_at(fd);

	require(how == SHUT_WR && !file->shut);
	invariant_shut(file);
	if (file->broken)
		return fail_with(ENOTCONN);
	file->shut = true;
	file->corked = false;
	return 0;
}

/* --- questions --------------------------------------------------------------------- */

int kernel_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
	struct file *file = file_at(fd);
	struct endpoint local = endpoint_of(file->ipv4, 1, 12345);

	if (file->accepted && kernel.transparent)
		local = tcp_destination(file);
	address_write(&local, address, length);
	return 0;
}

/* Much of it, so that budgets are spent. */
static int memory_info(void *value, socklen_t length)
{
	uint32_t each = 1U << 20;
	socklen_t at;

	for (at = 0; at + sizeof(each) <= length; at += sizeof(each))
		memcpy((char *)value + at, &each, sizeof(each));
	return 0;
}

int kernel_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	struct file *file = file_at(fd);
	struct endpoint original;
	int error;

	if (level == IPPROTO_TCP && name == TCP_CONGESTION) {	/* of a listener, too */
		memset(value, 0, *length);
		return 0;
	}
	file = tcp_at(fd);
	if (level == SOL_SOCKET && name == SO_MEMINFO)
		return memory_info(value, *length);

	if (level == SOL_SOCKET && name == SO_ERROR) {
		error = tcp_take_error(file);
		memcpy(value, &error, sizeof(error));
		return 0;
	}
	if (level == IPPROTO_TCP) {
		memset(value, 0, *length);	/* TCP_INFO */
		return 0;
	}
	if ((level != SOL_IP && level != SOL_IPV6) || name != ORIGINAL_DESTINATION)
		return fail_with(ENOPROTOOPT);
	if (fails(CALL_ORIGINAL_DESTINATION))
		return fail_with(ENOENT);
	require(!kernel.transparent);	/* conntrack has seen nothing */
	original = tcp_destination(file);
	address_write(&original, value, length);
	return 0;
}

int kernel_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	struct file *file = file_at(fd);

	(void)length;
	if (level == SOL_SOCKET && name == SO_LINGER)
		file->linger = ((const struct linger *)value)->l_onoff;
	if (level == IPPROTO_TCP && name == TCP_NODELAY)
		file->corked = false;
	return 0;
}

int kernel_ioctl(int fd, unsigned long request, ...)
{
	struct file *file = tcp_at(fd);
	va_list arguments;

	require(request == SIOCOUTQ);
	va_start(arguments, request);
	*va_arg(arguments, int *) = (int)file->queued;
	va_end(arguments);
	return 0;
}
