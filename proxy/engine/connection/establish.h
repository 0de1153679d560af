/* SPDX-License-Identifier: MIT */
/*
 * How a connection gets its upstream leg: choose, dial, speak with a proxy, or try the next.
 *
 * A route says among which upstreams; with none, among all.  Of an upstream with
 * several addresses each is tried before the next upstream is.  One that has no
 * address yet, or that does not carry the destination's family, is none of them.
 *
 * Nothing has been read from the client yet, so any number of upstreams may be
 * tried and the client never knows.  The next one is tried if the upstream at
 * fault may be the upstream itself, or if it has a rule against the port or the
 * kind of address.  What it says about the destination (refused, unreachable) is
 * an answer, and final; so is the time that runs out after it has been asked, for
 * it may be waiting in vain for the destination.
 *
 * To an *optimistic* upstream the client's first bytes go along with the request
 * that names the destination.  They are only looked at, and stay with the
 * client's socket until the upstream says yes: whatever happens before, they are
 * not lost.  But once they have left, only an upstream that says that it wants
 * other credentials has certainly not handed them on; after any other failure
 * nobody else gets them, since a request must not be made twice.
 */
#ifndef SIDETRACK_ESTABLISH_H
#define SIDETRACK_ESTABLISH_H

#include <stdint.h>

struct connection;
struct thread_context;

void establish_begin(struct thread_context *thread, struct connection *connection);
void establish_event(struct thread_context *thread, struct connection *connection, uint32_t events);
void establish_timeout(struct thread_context *thread, struct connection *connection);
void establish_release(struct thread_context *thread, struct connection *connection);
uint32_t establish_slot(const struct connection *connection);

#endif /* SIDETRACK_ESTABLISH_H */
