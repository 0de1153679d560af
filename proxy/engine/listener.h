/* SPDX-License-Identifier: MIT */
/*
 * Where connections come in: one listening socket to a thread, or several.
 *
 * All of them share the port by SO_REUSEPORT and the kernel spreads connections
 * over them, so no lock and no thundering herd.  listen.h opens them.
 *
 * Sockets may come from outside: from the program that ran before this one, or
 * from the service manager.  All of them are taken, since a socket of the group
 * that nobody accepts from would swallow its share of the connections.  More of
 * them than threads: a thread has several.  Fewer: the other threads open their
 * own, or share one where the kernel does not let them (another user's socket).
 *
 * When descriptors, memory or max_connections run out, accepting pauses and is
 * tried again ever more slowly: the kernel's backlog holds the newcomers, and
 * nothing spins on a socket that stays readable.
 *
 * A connection needs two descriptors but accept() only tells of one.  So each
 * thread keeps one in reserve for the upstream leg, and accepts only while it
 * has it: whoever was accepted can be served.
 */
#ifndef SIDETRACK_LISTENER_H
#define SIDETRACK_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "event.h"
#include "timer.h"

struct listener {
	struct event_source source;
	struct timer resume;
	int fd[SIDETRACK_RELAY_LISTENERS];
	unsigned int count;		/* 0 once closed */
	int reserve;
	bool paused;
	uint32_t backoff_ms;
};

void listener_init(struct listener *listener);
void listener_add(struct listener *listener, int fd);
int listener_watch(struct worker *worker);
void listener_resume(struct worker *worker);
bool listener_spend_reserve(struct worker *worker);
void listener_close(struct worker *worker);
void listener_release(struct listener *listener);

#endif /* SIDETRACK_LISTENER_H */
