// SPDX-License-Identifier: MIT
#include "sockets/notify.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SECONDS_TO_SEND 1	/* the manager is busy; the caller has more to do */

/* Return: length of the address, or -errno; "@name" is in the abstract name space */
static int notify_address(const uint8_t *text, int32_t length, struct sockaddr_un *address)
{
	if (length < 2 || (text[0] != '/' && text[0] != '@'))
		return -EAFNOSUPPORT;
	if ((size_t)length >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, text, (size_t)length);
	if (text[0] == '@')
		address->sun_path[0] = '\0';
	return (int)offsetof(struct sockaddr_un, sun_path) + length;
}

static int notify_send(int socket, struct msghdr *header, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };

	if (fd >= 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		header->msg_control = &control;
		header->msg_controllen = sizeof(control.room);
	}
	return sendmsg(socket, header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/**
 * sidetrack_notify() - Send one message to the service manager
 * @address:		What NOTIFY_SOCKET says: a path, or @ and an abstract name
 * @address_length:	Bytes
 * @message:		Lines of NAME=value
 * @length:		Bytes
 * @fd:			Descriptor to send along, or -1
 *
 * Return: 0 or -errno
 */
int32_t sidetrack_notify(const uint8_t *address, int32_t address_length, const uint8_t *message,
			 int32_t length, int32_t fd)
{
	struct timeval patience = { .tv_sec = SECONDS_TO_SEND };
	struct sockaddr_un to;
	struct iovec line = { .iov_base = (void *)message, .iov_len = (size_t)length };
	struct msghdr header = { .msg_name = &to, .msg_iov = &line, .msg_iovlen = 1 };
	int to_length = notify_address(address, address_length, &to);
	int from, error;

	if (to_length < 0 || length < 0)
		return to_length < 0 ? to_length : -EINVAL;
	header.msg_namelen = (socklen_t)to_length;
	from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (from < 0)
		return -errno;
	(void)setsockopt(from, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	error = notify_send(from, &header, fd);
	close(from);
	return error;
}
