// SPDX-License-Identifier: MIT
/*
 * libFuzzer: what an upstream says, however it is cut.
 *
 * The first byte chooses protocol and credentials, the rest is the conversation
 * as the upstream tells it.  Each input is run twice, at once and byte by byte;
 * the two must agree, for the network may cut a reply anywhere.
 */
#include <stdlib.h>
#include <string.h>

#include "upstreams/handshake.h"

#define require(condition)				\
	do {						\
		if (!(condition))			\
			abort();			\
	} while (0)

struct result {
	enum handshake_verdict verdict;
	enum outcome outcome;
	size_t taken;
};

static struct upstream choose_upstream(uint8_t byte)
{
	struct upstream upstream = {
		.kind = (enum upstream_kind)(1 + byte % (UPSTREAM_KIND_COUNT - 1)),
	};

	if (byte & 0x80) {
		upstream.username = (struct credential){ 255, { 'u' } };
		upstream.password = (struct credential){ 255, { 'p' } };
	}
	return upstream;
}

static void send_message(struct handshake *handshake)
{
	unsigned char message[HANDSHAKE_MESSAGE_MOST];
	size_t length = handshake_message(handshake, message);

	require(length > 0 && length < sizeof(message));
	require(handshake_sent(handshake, length, length));
}

static bool is_failure(enum outcome outcome)
{
	return outcome == OUTCOME_UPSTREAM_REFUSED || outcome == OUTCOME_UPSTREAM_AUTH ||
	       outcome == OUTCOME_UPSTREAM_PROTOCOL || outcome == OUTCOME_DESTINATION_REFUSED ||
	       outcome == OUTCOME_DESTINATION_UNREACHABLE;
}

/* Each reply arrives when its message has been sent, as far as @bytes go. */
static struct result converse(const struct upstream *upstream, const struct endpoint *destination,
			      const uint8_t *bytes, size_t length, size_t chunk)
{
	struct result result = { HANDSHAKE_SEND, OUTCOME_OPEN, 0 };
	struct handshake handshake;
	size_t taken, now;

	require(handshake_begin(&handshake, upstream, destination));
	while (result.taken < length) {
		if (result.verdict == HANDSHAKE_SEND)
			send_message(&handshake);
		now = length - result.taken < chunk ? length - result.taken : chunk;
		result.verdict = handshake_take(&handshake, bytes + result.taken, now, &taken);
		require(taken <= now);
		result.taken += taken;
		require(result.verdict != HANDSHAKE_DONE || handshake_asked(&handshake));
		if (result.verdict == HANDSHAKE_DONE || result.verdict == HANDSHAKE_FAILED)
			break;
		require(taken == now);
		require(handshake.position <= HANDSHAKE_REPLY_MOST);
	}
	result.outcome = handshake.outcome;
	require(result.verdict != HANDSHAKE_FAILED || is_failure(result.outcome));
	return result;
}

/*
 * Who answers in advance is caught only if it shows in one read, which takes a
 * protocol with several replies; that is no disagreement.
 */
static bool agree(const struct upstream *upstream, const struct result *whole,
		  const struct result *pieces)
{
	if (upstream->kind == UPSTREAM_SOCKS5 && whole->verdict == HANDSHAKE_FAILED &&
	    whole->outcome == OUTCOME_UPSTREAM_PROTOCOL)
		return true;
	return whole->verdict == pieces->verdict && whole->outcome == pieces->outcome &&
	       whole->taken == pieces->taken;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct endpoint destinations[] = {
		{ { .s6_addr = { [10] = 0xff, [11] = 0xff, [12] = 198, [15] = 7 } }, 443 },
		{ { .s6_addr = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 } }, 65535 },
	};
	struct upstream upstream;
	const struct endpoint *destination;
	struct result whole, pieces;

	if (size < 1)
		return 0;
	upstream = choose_upstream(data[0]);
	destination = &destinations[data[0] >> 6 & 1];
	whole = converse(&upstream, destination, data + 1, size - 1, size);
	pieces = converse(&upstream, destination, data + 1, size - 1, 1);
	require(agree(&upstream, &whole, &pieces));
	return 0;
}
