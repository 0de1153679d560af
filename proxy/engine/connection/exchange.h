/* SPDX-License-Identifier: MIT */
/*
 * A handshake's messages on the upstream's socket; what they say is handshake.h's.
 *
 * To an *optimistic* upstream the client's first bytes go along with the request
 * that names the destination.  They are only looked at, and stay with the
 * client's socket until the upstream accepts: until then they are
 * not lost.  But once they have left, only an upstream that says that it wants
 * other credentials has certainly not handed them on; after any other failure
 * no other upstream gets them, since a request must not be made twice.
 */
#ifndef SIDETRACK_EXCHANGE_H
#define SIDETRACK_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "connection/establish.h"

enum exchange_state {
	EXCHANGE_GOES_ON,
	EXCHANGE_WAITS,		/* for an event */
	EXCHANGE_DONE,		/* bytes may pass */
	EXCHANGE_FAILED,
};

struct exchange {
	int client;		/* whose first bytes may go along; -1 if there is none */
	enum outcome why;	/* EXCHANGE_FAILED; OUTCOME_CLIENT_RESET if the client has gone */
	const unsigned char *rest;	/* EXCHANGE_DONE: what came behind the last reply */
	size_t rest_length;
};

enum exchange_state exchange_run(struct exchange *exchange, struct establish *establish,
				 struct thread_context *thread, int upstream);

#endif /* SIDETRACK_EXCHANGE_H */
