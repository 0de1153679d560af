/* SPDX-License-Identifier: MIT */
/*
 * Does the listener accept?  A connection to ourselves finds out.
 *
 * The control thread makes it, and leaves its own end's address here before it connects, so
 * that the thread that accepts it knows it: it is no client, and counts for nothing.
 * One that waits in the queue goes on waiting, however long the listener pauses: it
 * tells when that is over, and another would only be one more in the queue.  What was given
 * up there would be accepted as a client.  One that is in no queue is given up.
 */
#ifndef SIDETRACK_ACCEPT_CHECK_H
#define SIDETRACK_ACCEPT_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "base/endpoint.h"

struct accept_check {
	uint64_t source[2];		/* address of our end, as in an endpoint; atomic */
	uint32_t port;			/* its port, and 0 while there is none; atomic */
	uint32_t accepted;		/* 1: a thread has accepted it; atomic */
	/* the control thread's */
	bool open;
	int fd;
	uint64_t begun_ms;		/* this connection */
	uint64_t waits_since_ms;	/* the first of those that have not been accepted */
};

bool accept_check_is_own(struct accept_check *check, const struct endpoint *client);
int accept_check_ask(struct accept_check *check, const struct endpoint *listening, bool queued);
void accept_check_end(struct accept_check *check);

#endif /* SIDETRACK_ACCEPT_CHECK_H */
