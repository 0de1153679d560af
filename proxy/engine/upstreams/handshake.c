// SPDX-License-Identifier: MIT
#include "upstreams/handshake.h"

#include "upstreams/http.h"
#include "upstreams/socks4.h"
#include "upstreams/socks5.h"

static const struct protocol *protocol_of(const struct handshake *handshake)
{
	static const struct protocol *const protocols[UPSTREAM_KIND_COUNT] = {
		[UPSTREAM_SOCKS5] = &socks5_protocol,
		[UPSTREAM_SOCKS4A] = &socks4_protocol,
		[UPSTREAM_HTTP] = &http_protocol,
	};

	return protocols[handshake->upstream->kind];
}

/**
 * handshake_begin() - Prepare to talk to an upstream
 * @handshake:		Handshake
 * @upstream:		The proxy; must outlive the handshake, like @destination
 * @destination:	Where the client wanted to go
 *
 * Return: false if there is nothing to say: a direct connection stands already
 */
bool handshake_begin(struct handshake *handshake, const struct upstream *upstream,
		     const struct endpoint *destination)
{
	*handshake = (struct handshake){
		.upstream = upstream,
		.destination = destination,
		.sending = true,
	};
	return protocol_of(handshake) != NULL;
}

/* Return: length of the message that is due, written to @out from its beginning */
size_t handshake_message(const struct handshake *handshake,
			 unsigned char out[HANDSHAKE_MESSAGE_MOST])
{
	return protocol_of(handshake)->message(handshake, out);
}

/**
 * handshake_sent() - Some of the message has left
 * @handshake:	Handshake
 * @bytes:	How many, behind those that had left before
 * @length:	Of the whole message
 *
 * Return: true if that was the rest of it, and the reply is next
 */
bool handshake_sent(struct handshake *handshake, size_t bytes, size_t length)
{
	handshake->sent += (uint16_t)bytes;
	handshake->sending = handshake->sent < length;
	return !handshake->sending;
}

/**
 * handshake_take() - Take some of the reply
 * @handshake:	Handshake whose message has been sent
 * @bytes:	Received bytes
 * @length:	How many
 * @taken:	Where to put how many of them belong to the reply
 *
 * Return: what to do next
 */
enum handshake_verdict handshake_take(struct handshake *handshake, const unsigned char *bytes,
				      size_t length, size_t *taken)
{
	const struct protocol *protocol = protocol_of(handshake);
	enum handshake_verdict verdict = HANDSHAKE_MORE;
	size_t i;

	for (i = 0; i < length && verdict == HANDSHAKE_MORE; i++) {
		verdict = handshake->position == HANDSHAKE_REPLY_MOST
				  ? protocol_fail(handshake, OUTCOME_UPSTREAM_PROTOCOL)
				  : protocol->byte(handshake, bytes[i]);
		if (verdict == HANDSHAKE_MORE)
			handshake->position++;
	}
	*taken = i;
	/* what answers before it was asked is no proxy */
	if (verdict == HANDSHAKE_SEND && i < length)
		return protocol_fail(handshake, OUTCOME_UPSTREAM_PROTOCOL);
	return verdict;
}

/* Return: true if the message that is due is the last one, which names the destination */
bool handshake_asks(const struct handshake *handshake)
{
	return handshake->step == protocol_of(handshake)->last_step && handshake->sending;
}

/* Return: true once the upstream knows the destination, which may be what it waits for */
bool handshake_asked(const struct handshake *handshake)
{
	return handshake->step == protocol_of(handshake)->last_step && !handshake->sending;
}
