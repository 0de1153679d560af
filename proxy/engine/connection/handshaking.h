/* SPDX-License-Identifier: MIT */
/* A handshake's messages on the connection's sockets; what they say is handshake.h's. */
#ifndef SIDETRACK_SHAKE_H
#define SIDETRACK_SHAKE_H

#include "abi.h"

struct connection;
struct upstream;
struct worker;

enum shake {
	SHAKE_GOES_ON,
	SHAKE_WAITS,	/* for an event */
	SHAKE_DONE,	/* bytes may pass */
	SHAKE_FAILED,
};

enum shake shake_run(struct worker *worker, struct connection *connection,
		     const struct upstream *upstream, enum outcome *why);

#endif /* SIDETRACK_SHAKE_H */
