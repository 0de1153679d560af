/* SPDX-License-Identifier: MIT */
/*
 * What is read ahead of a receiver that does not take it, and that it stays little.
 *
 * Theory of operation
 *
 * Bytes that a receiver does not take wait in three places: in its leg's send buffer, in
 * the direction (deliver.h), and in the other leg's receive buffer, which the kernel lets grow
 * to megabytes while a flow is fast.  A client that starts many downloads and reads none
 * would fill TCP's memory (net.ipv4.tcp_mem), which is everybody's.  So a direction's source
 * goes through these windows:
 *
 *	AUTOMATIC ──64 KiB──▶ HELD ──four times that, without a stall──▶ FREE
 *	                       ▲ stalled for 200 ms                        │
 *	                       └───────────────────────────────────────────┘
 *	                      CUT: the same, smaller: its client is over its share
 *
 * AUTOMATIC is for those that are over soon, and costs nothing.  HELD is a fixed receive
 * buffer of an eighth of relay.read_ahead, 128 KiB at most.  FREE gives it back to the kernel, so that a
 * flow that is taken is as fast as it can be, and bounds by relay.read_ahead what may wait
 * in the receiver's send buffer.
 *
 * Connections that are stalled are in a list of their thread.  Five times a second it asks
 * what the kernel has for them, by leg.  When all of it is more than the thread's part of
 * relay.read_ahead_budget, the flows of those clients that have more than their share
 * (the budget by the number of clients that have anything) are cut, and new ones of theirs begin so;
 * nobody else's ever are.  No packet costs a system call, a flow two or three in its life.
 *
 * Without SO_BUF_LOCK (before Linux 5.14) a window that is held could never be freed: then only
 * the send buffer is bounded, and those who are over their share are cut.
 */
#ifndef SIDETRACK_READ_AHEAD_H
#define SIDETRACK_READ_AHEAD_H

#include "bytes/mode.h"
#include "connection/connection.h"

void read_ahead_init(struct thread_context *thread);
void read_ahead_ran(struct thread_context *thread, struct connection *connection, int side,
		    uint64_t moved, enum progress progress);
void read_ahead_forget(struct thread_context *thread, struct connection *connection);

#endif /* SIDETRACK_READ_AHEAD_H */
