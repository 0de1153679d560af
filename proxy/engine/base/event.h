/* SPDX-License-Identifier: MIT */
/* What epoll hands back: something that knows how to take its events. */
#ifndef SIDETRACK_EVENT_H
#define SIDETRACK_EVENT_H

#include <stdint.h>

struct thread_context;
struct event_source;
typedef void (*event_handler)(struct thread_context *thread, struct event_source *source,
			      uint32_t events);

struct event_source {
	event_handler handle;
};

#endif /* SIDETRACK_EVENT_H */
