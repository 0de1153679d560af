/* SPDX-License-Identifier: MIT */
/*
 * How a connection changes to the mode `express`, in which its packets pass without us.
 *
 * Theory of operation
 *
 *	wanted ─▶ held ─▶ drained ─▶ frozen ─▶ passing ─▶ ended, or killed
 *	              └─── abandoned: goes on as before, and tries again later ───┘
 *
 * The program in the kernel can only rename packets, so at the moment when it begins, no byte
 * may be on its way within us.  First the flow is held: the program drops its payload, which
 * the senders send again, and lets acknowledgements pass.  Then what is in sockets and pipes drains,
 * while the thread goes round.  Receivers that delay their acknowledgements are asked for them by
 * a window probe, so that takes a round trip to each.  When both legs are empty
 * and all they sent is acknowledged, they are frozen (TCP_REPAIR), their numbers are read, and one store
 * lets both directions pass.  The sockets stay open, so that their ports stay ours, and say nothing.
 *
 * What takes too long is abandoned.  One flow of a thread is held at a time.
 *
 * Each side must have been seen while it was held.  That proves that its packets
 * come here, by an interface that has the program, with the addresses that we know: what a NAT
 * of this machine changes, or comes by another interface, never passes.
 *
 * A packet that passed the program just before the hold is in its socket microseconds later.  The
 * hold lasts for longer; and should one still come late, its bytes would lie in a frozen socket, acknowledged
 * and never handed on.  So frozen sockets are looked at, and such a connection is reset.
 *
 * Ten times a second each thread reads the slots of its flows: what was acknowledged is counted, and those that
 * have ended are closed.  No event is needed, and none can be lost.
 */
#ifndef SIDETRACK_EXPRESS_H
#define SIDETRACK_EXPRESS_H

#include "connection/connection.h"

void express_init(struct thread_context *thread);
bool express_wanted(const struct thread_context *thread, const struct connection *connection);
void express_hold(struct thread_context *thread, struct connection *connection);
void express_abandon(struct thread_context *thread, struct connection *connection);
bool express_proceed(struct thread_context *thread, struct connection *connection);

#endif /* SIDETRACK_EXPRESS_H */
