/* SPDX-License-Identifier: MIT */
/* A protocol's half of a handshake: its messages, and what it makes of each byte of a reply. */
#ifndef SIDETRACK_PROTOCOL_H
#define SIDETRACK_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "base/endpoint.h"
#include "upstreams/upstream.h"

#define HANDSHAKE_MESSAGE_MOST 1024
#define HANDSHAKE_REPLY_MOST 8192

enum handshake_verdict {
	HANDSHAKE_MORE,		/* the reply goes on */
	HANDSHAKE_SEND,		/* it is complete, and a message is due */
	HANDSHAKE_DONE,		/* it is complete, and so is the handshake */
	HANDSHAKE_FAILED,
};

struct handshake {
	const struct upstream *upstream;
	const struct endpoint *destination;
	enum outcome outcome;	/* once it has failed */
	uint8_t step;		/* which message, and the reply to it */
	uint8_t part;		/* of the reply; the protocol's own */
	bool sending;		/* the message, else taking the reply */
	bool forbidden;		/* refused by a rule of the upstream's, not by the destination */
	uint16_t sent;		/* bytes of the message */
	uint16_t position;	/* of the next byte in the reply */
	uint16_t mark;		/* in the reply; the protocol's own */
	uint16_t status;	/* in the reply; the protocol's own */
};

struct protocol {
	/* Writes the message of this step; returns its length. */
	size_t (*message)(const struct handshake *handshake, unsigned char *out);
	/* Takes the reply's byte at `position`. */
	enum handshake_verdict (*byte)(struct handshake *handshake, unsigned char byte);
	uint8_t last_step;	/* whose message names the destination */
};

/* What a byte may lead to. */
enum handshake_verdict protocol_next(struct handshake *handshake, uint8_t step);
enum handshake_verdict protocol_fail(struct handshake *handshake, enum outcome outcome);
enum handshake_verdict protocol_forbid(struct handshake *handshake);

#endif /* SIDETRACK_PROTOCOL_H */
