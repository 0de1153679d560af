// SPDX-License-Identifier: MIT
#include "bytes/leg.h"

#include <unistd.h>

#include "sockets/dial.h"

/* Return: 0, or -1 with errno */
int leg_watch(int epoll, struct leg *leg)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET,
		.data.ptr = &leg->source,
	};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, leg->fd, &event);
}

/*
 * By hand, because close() does not when a child has the socket too, and its events
 * would pass for those of the next one.
 */
void leg_unwatch(int epoll, const struct leg *leg)
{
	if (leg->fd >= 0)
		(void)epoll_ctl(epoll, EPOLL_CTL_DEL, leg->fd, NULL);
}

/* @reset: RST, unless the kernel has already ended the connection */
void leg_close(struct leg *leg, bool reset)
{
	if (leg->fd < 0)
		return;
	if (!reset)	/* it was to be, in case we end sooner than the connection */
		dial_reset_on_close(leg->fd, false);
	close(leg->fd);
	leg->fd = -1;
}
