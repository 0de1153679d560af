// SPDX-License-Identifier: MIT
#include "upstreams/socks4.h"

#include <arpa/inet.h>
#include <string.h>

#define VERSION 4
#define COMMAND_CONNECT 1
#define REPLY_LENGTH 8

enum code {
	CODE_GRANTED = 90,
	CODE_REFUSED,
	CODE_NO_IDENTD,
	CODE_OTHER_USER,
};

/* An address that cannot be says that a name follows. */
static unsigned char *put_address(unsigned char *out, const struct endpoint *destination)
{
	static const unsigned char name_follows[] = { 0, 0, 0, 1 };

	memcpy(out, endpoint_is_ipv4(destination) ? &destination->address.s6_addr[12]
						  : name_follows, sizeof(name_follows));
	return out + sizeof(name_follows);
}

static unsigned char *put_name(unsigned char *out, const struct endpoint *destination)
{
	char text[INET6_ADDRSTRLEN];
	size_t length;

	inet_ntop(AF_INET6, &destination->address, text, sizeof(text));
	length = strlen(text) + 1;
	memcpy(out, text, length);
	return out + length;
}

static size_t message(const struct handshake *handshake, unsigned char *out)
{
	const struct credential *user = &handshake->upstream->username;
	const struct endpoint *destination = handshake->destination;
	unsigned char *end = out;

	*end++ = VERSION;
	*end++ = COMMAND_CONNECT;
	*end++ = (unsigned char)(destination->port >> 8);
	*end++ = (unsigned char)destination->port;
	end = put_address(end, destination);
	memcpy(end, user->bytes, user->length);
	end += user->length;
	*end++ = 0;
	if (!endpoint_is_ipv4(destination))
		end = put_name(end, destination);
	return (size_t)(end - out);
}

static enum handshake_verdict reply_code(struct handshake *handshake, unsigned char code)
{
	switch (code) {
	case CODE_GRANTED:
		return HANDSHAKE_MORE;
	case CODE_REFUSED:
		return protocol_fail(handshake, OUTCOME_UPSTREAM_REFUSED);
	case CODE_NO_IDENTD:
	case CODE_OTHER_USER:
		return protocol_fail(handshake, OUTCOME_UPSTREAM_AUTH);
	default:
		return protocol_fail(handshake, OUTCOME_UPSTREAM_PROTOCOL);
	}
}

static enum handshake_verdict take_byte(struct handshake *handshake, unsigned char byte)
{
	if (handshake->position == 0 && byte != 0)
		return protocol_fail(handshake, OUTCOME_UPSTREAM_PROTOCOL);
	if (handshake->position == 1)
		return reply_code(handshake, byte);
	return handshake->position == REPLY_LENGTH - 1 ? HANDSHAKE_DONE : HANDSHAKE_MORE;
}

const struct protocol socks4_protocol = { message, take_byte, 0 };
