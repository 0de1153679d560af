// SPDX-License-Identifier: MIT
#include "sockets/congestion.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi.h"

#define NAME_LENGTH SIDETRACK_RELAY_CONGESTION_LENGTH

static int set_name(int fd, const char *name, size_t length)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)length) < 0 ? -errno : 0;
}

static void get_name(int fd, char name[NAME_LENGTH])
{
	socklen_t length = NAME_LENGTH;

	memset(name, 0, NAME_LENGTH);
	(void)getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length);
}

/**
 * congestion_set() - Give a socket a congestion control
 * @fd:		TCP socket
 * @name:	Of the algorithm; empty: what it has is as wanted
 *
 * Best effort: it has been tried before, and what the kernel takes back meanwhile is no
 * reason to break a connection.
 */
void congestion_set(int fd, const char *name)
{
	if (name[0])
		(void)set_name(fd, name, strnlen(name, NAME_LENGTH));
}

/* Return: a socket that is good for asking, or -errno */
static int ask_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 && errno == EAFNOSUPPORT)
		fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}

/**
 * congestion_settle() - What is accepted from now on has this congestion control
 * @listener:	Socket, perhaps from another relay, which may have set another one
 * @name:	Of the algorithm; empty: the system's own
 *
 * A socket that was never told anything follows the sysctl, also when that changes.
 */
void congestion_settle(int listener, const char *name)
{
	char has[NAME_LENGTH], usual[NAME_LENGTH];
	int asked;

	if (name[0]) {
		congestion_set(listener, name);
		return;
	}
	asked = ask_socket();
	if (asked < 0)
		return;
	get_name(asked, usual);
	close(asked);
	get_name(listener, has);
	if (memcmp(has, usual, sizeof(has)))
		congestion_set(listener, usual);
}

/* --- the interface ---------------------------------------------------------------- */

/**
 * sidetrack_congestion() - May this process use a congestion control?
 * @name:	Of the algorithm
 * @length:	Of the name
 *
 * Return: 0; -ENOENT: the kernel has none of that name; -EPERM: it is for the privileged;
 * or another -errno
 */
int32_t sidetrack_congestion(const uint8_t *name, int32_t length)
{
	int fd, error;

	if (length <= 0 || length >= NAME_LENGTH)
		return -EINVAL;
	fd = ask_socket();
	if (fd < 0)
		return fd;
	error = set_name(fd, (const char *)name, (size_t)length);
	close(fd);
	return error;
}
