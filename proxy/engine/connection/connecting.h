/* SPDX-License-Identifier: MIT */
/*
 * CONNECTING: connect() is on its way, to one upstream after the other.
 *
 * Nothing has been read from the client yet, so any number of upstreams may be
 * tried and the client never knows.  The next one is tried if the upstream at
 * fault may be the upstream itself, or if it has a rule against the port or the
 * kind of address.  What it says about the destination (refused, unreachable) is
 * an answer, and final; so is the time that runs out after it has been asked, for
 * it may be waiting in vain for the destination.
 */
#ifndef SIDETRACK_CONNECTING_H
#define SIDETRACK_CONNECTING_H

#include "connection/connection.h"

void connecting_begin(struct thread_context *thread, struct connection *connection);

#endif /* SIDETRACK_CONNECTING_H */
