/* SPDX-License-Identifier: MIT */
/* A handshake's messages on the connection's sockets; what they say is handshake.h's. */
#ifndef SIDETRACK_HANDSHAKING_H
#define SIDETRACK_HANDSHAKING_H

#include "abi.h"

struct connection;
struct upstream;
struct thread_context;

enum handshaking {
	HANDSHAKING_GOES_ON,
	HANDSHAKING_WAITS,	/* for an event */
	HANDSHAKING_DONE,	/* bytes may pass */
	HANDSHAKING_FAILED,
};

enum handshaking handshaking_run(struct thread_context *thread, struct connection *connection,
				 const struct upstream *upstream, enum outcome *why);

#endif /* SIDETRACK_HANDSHAKING_H */
