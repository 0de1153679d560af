/* SPDX-License-Identifier: MIT */
/*
 * Where connections come in: one listening socket of each family to a thread, or several.
 *
 * All of them share the port by SO_REUSEPORT and the kernel spreads connections
 * over them, so no lock and no thundering herd.  listen.h opens them.
 *
 * Sockets may come from outside: from the program that ran before this one, or
 * from the service manager.  All of them are taken, since a socket of the group
 * that no thread accepts from would swallow its share of the connections.  More of
 * them than threads: a thread has several.  Fewer: the other threads open their
 * own, or share one where the kernel does not let them (another user's socket).
 *
 * While no upstream carries a family of addresses (refusal.h) its sockets do not
 * listen: what has come is accepted, then the kernel answers with RST what comes, and
 * the socket keeps its port (listen.h).  listen() takes that back.  Threads do
 * so one after the other, because steering.h knows sockets by the order in which
 * they began to listen.  Who shares our sockets may open or close them as well.
 *
 * When descriptors, memory or max_connections run out, accepting pauses and is
 * tried again ever more slowly: the kernel's backlog holds the newcomers, and
 * nothing spins on a socket that stays readable.
 *
 * A connection needs two descriptors but accept() only tells of one.  So each
 * thread keeps one in reserve for the upstream leg (thread-context.h), and accepts
 * only while it has it: an accepted client can be served.
 */
#ifndef SIDETRACK_LISTENER_H
#define SIDETRACK_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/event.h"
#include "base/timer.h"

struct listening {
	struct event_source source;
	int fd;
	uint32_t families;		/* that arrive here */
	bool refuses;			/* it does not listen, and is in no epoll set */
};

struct listener {
	struct timer resume;
	struct listening socket[SIDETRACK_RELAY_LISTENERS];
	unsigned int count;		/* 0 once closed */
	uint32_t refused;		/* families, as far as acted on; atomic, one writer */
	bool paused;
	uint32_t backoff_ms;
};

struct thread;

void listener_init(struct listener *listener);
void listener_add(struct listener *listener, int fd, uint32_t families);
int listener_watch(struct thread *thread);
void listener_resume(struct thread *thread);
void listener_obey(struct thread *thread);
void listener_close(struct thread *thread);
void listener_release(struct thread *thread);

#endif /* SIDETRACK_LISTENER_H */
