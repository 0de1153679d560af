/* SPDX-License-Identifier: MIT */
/*
 * HANDSHAKING: connected with a proxy that has yet to connect for us.
 *
 * An upstream that wants no handshake is through at once.  If the handshake fails,
 * connection->give_up() goes on with the next upstream.
 */
#ifndef SIDETRACK_HANDSHAKING_H
#define SIDETRACK_HANDSHAKING_H

#include "connection/connection.h"

void handshaking_begin(struct thread_context *thread, struct connection *connection);

#endif /* SIDETRACK_HANDSHAKING_H */
