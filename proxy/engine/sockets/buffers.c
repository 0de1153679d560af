// SPDX-License-Identifier: MIT
#include "sockets/buffers.h"

#include <limits.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi.h"

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72		/* in headers since Linux 5.14 */
#endif

/* Best effort: a kernel that refuses still relays. */
static bool option_set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

/* Return: true if what has been held can be given back to the kernel */
bool buffer_can_be_freed(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool can = fd >= 0 && option_set(fd, SOL_SOCKET, SO_BUF_LOCK, 0);

	if (fd >= 0)
		close(fd);
	return can;
}

/* Return: the largest receive buffer that may be asked for; 0 where the kernel does not tell */
uint32_t buffer_most(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), doubled = 0;
	socklen_t length = sizeof(doubled);

	if (fd < 0)
		return 0;
	if (!option_set(fd, SOL_SOCKET, SO_RCVBUF, INT_MAX / 2) ||
	    getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &doubled, &length) < 0)
		doubled = 0;
	close(fd);
	return (uint32_t)doubled / 2;
}

/* From now on the sender may have about @bytes on their way that have not been read. */
void buffer_hold(int fd, uint32_t bytes)
{
	(void)option_set(fd, SOL_SOCKET, SO_RCVBUF, (int)bytes);
}

/* From now on the kernel sizes the receive buffer. */
void buffer_free(int fd)
{
	(void)option_set(fd, SOL_SOCKET, SO_BUF_LOCK, 0);
}

/* The socket takes no more once so many bytes wait for the receiver's window. */
void buffer_bound_unsent(int fd, uint32_t bytes)
{
	(void)option_set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, (int)bytes);
}

/* Return: bytes that the kernel has for a socket, in both ways; 0 where it does not tell */
uint32_t buffer_memory(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t length = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &length) < 0)
		return 0;
	return info[SK_MEMINFO_RMEM_ALLOC] + info[SK_MEMINFO_WMEM_QUEUED];
}

/* --- the interface ---------------------------------------------------------------- */

/* Return: 1 if the kernel lets go of a receive buffer that was held, 0 if it is too old */
int32_t sidetrack_can_free_window(void)
{
	return buffer_can_be_freed();
}
