/* SPDX-License-Identifier: MIT */
/* One end of a connection: a socket, and in which of the thread's two epoll sets it is. */
#ifndef SIDETRACK_LEG_H
#define SIDETRACK_LEG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/event.h"

#define END_EVENTS (EPOLLRDHUP | EPOLLHUP | EPOLLERR)
#define READ_EVENTS (EPOLLIN | EPOLLPRI | END_EVENTS)

enum side {
	CLIENT,
	UPSTREAM,
	SIDES
};

struct leg {
	struct event_source source;
	int fd;
	enum side side;
	bool coalesced;		/* in the second epoll set: see coalesce.h */
};

int leg_watch(int epoll, struct leg *leg);
void leg_unwatch(int epoll, const struct leg *leg);
void leg_close(struct leg *leg, bool reset);

#endif /* SIDETRACK_LEG_H */
