// SPDX-License-Identifier: MIT
#include "upstreams/protocol.h"

enum handshake_verdict protocol_next(struct handshake *handshake, uint8_t step)
{
	handshake->step = step;
	handshake->sending = true;
	handshake->sent = 0;
	handshake->position = 0;
	return HANDSHAKE_SEND;
}

enum handshake_verdict protocol_fail(struct handshake *handshake, enum outcome outcome)
{
	handshake->outcome = outcome;
	return HANDSHAKE_FAILED;
}

/* It would not make such a connection for anybody: a port, or a kind of address. */
enum handshake_verdict protocol_forbid(struct handshake *handshake)
{
	handshake->forbidden = true;
	return protocol_fail(handshake, OUTCOME_UPSTREAM_REFUSED);
}
