/* SPDX-License-Identifier: MIT */
/*
 * What is said to a proxy until it passes bytes: SOCKS5, SOCKS4a, HTTP CONNECT.
 *
 * Theory of operation
 *
 * Pure: no socket, no clock, no memory of its own.  The caller sends what
 * handshake_message() makes and feeds what it receives to handshake_take().
 *
 *	message ──sent──▶ reply, byte by byte ──┬─▶ SEND: the next message
 *	                                        ├─▶ DONE: the tunnel stands
 *	                                        └─▶ FAILED: see outcome
 *
 * The parsers take one byte at a time, so it cannot matter how the network cuts
 * a reply, and they stop at its last byte: what lies behind it is the
 * destination's and goes to the client.  A reply is at most
 * HANDSHAKE_REPLY_MOST bytes, nothing of it is kept but a few numbers.
 *
 * A message is made anew when only a part of it could be sent, which costs less
 * than keeping it: nearly every message leaves at once.
 */
#ifndef SIDETRACK_HANDSHAKE_H
#define SIDETRACK_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "base/endpoint.h"
#include "upstreams/protocol.h"
#include "upstreams/upstream.h"

bool handshake_begin(struct handshake *handshake, const struct upstream *upstream,
		     const struct endpoint *destination);
size_t handshake_message(const struct handshake *handshake,
			 unsigned char out[HANDSHAKE_MESSAGE_MOST]);
bool handshake_sent(struct handshake *handshake, size_t bytes, size_t length);
enum handshake_verdict handshake_take(struct handshake *handshake, const unsigned char *bytes,
				      size_t length, size_t *taken);
bool handshake_asks(const struct handshake *handshake);
bool handshake_asked(const struct handshake *handshake);

#endif /* SIDETRACK_HANDSHAKE_H */
