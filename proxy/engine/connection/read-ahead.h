/* SPDX-License-Identifier: MIT */
/*
 * What is read ahead of a receiver that does not take it, and that it stays little.
 *
 * Theory of operation
 *
 * Bytes that a receiver does not take wait in three places: in its leg's send buffer, in
 * the direction (deliver.h), and in the other leg's receive buffer.  A client that starts many
 * downloads and reads none would fill TCP's memory (net.ipv4.tcp_mem), which is everybody's.
 * What one flow may have there is what it has earned: see window.h.
 *
 * Connections that stall are in a list of their thread, in the order in which they did.  At once
 * they count as what one comes to that has earned nothing yet, so that a flood is noticed
 * while it comes.  Those that have lasted 200 ms are asked what the kernel has for them, by leg, and
 * again later, some hundreds at a time.  When all of it is more than the thread's part of
 * relay.read_ahead_budget, the flows of those clients that have more than their share
 * (base/holders.h) are cut, and new ones of theirs begin so; nobody else's ever are.  No packet
 * costs a system call.
 */
#ifndef SIDETRACK_READ_AHEAD_H
#define SIDETRACK_READ_AHEAD_H

#include "bytes/mode.h"
#include "connection/connection.h"

/* Of a connection that stalls, or once did. */
struct stall {
	struct list node;
	struct connection *connection;
	uint32_t since_ms;
	uint32_t held[SIDES];	/* bytes that it counts with, by leg */
	bool is_reviewed;	/* it has lasted, and counts as stalled */
};

bool read_ahead_init(struct thread_context *thread);
void read_ahead_begin(struct thread_context *thread, struct connection *connection);
void read_ahead_ran(struct thread_context *thread, struct connection *connection, int side,
		    uint64_t moved, enum progress progress);
void read_ahead_forget(struct thread_context *thread, struct connection *connection);

#endif /* SIDETRACK_READ_AHEAD_H */
