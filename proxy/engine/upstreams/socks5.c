// SPDX-License-Identifier: MIT
#include "upstreams/socks5.h"

#include <string.h>

#define VERSION 5
#define LOGIN_VERSION 1
#define COMMAND_CONNECT 1
#define ADDRESS_AT 4		/* where a reply's address begins */
#define PORT_LENGTH 2

enum step {
	STEP_METHOD,
	STEP_LOGIN,
	STEP_REQUEST,
};

enum method {
	METHOD_NONE = 0,
	METHOD_LOGIN = 2,
	METHOD_REFUSED = 0xff,
};

enum address_type {
	ADDRESS_IPV4 = 1,
	ADDRESS_NAME = 3,
	ADDRESS_IPV6 = 4,
};

/* --- messages --------------------------------------------------------------------- */

/* Offers what we can do, and no more. */
static size_t method_message(const struct handshake *handshake, unsigned char *out)
{
	static const unsigned char with[] = { VERSION, 2, METHOD_NONE, METHOD_LOGIN };
	static const unsigned char without[] = { VERSION, 1, METHOD_NONE };

	if (upstream_has_credentials(handshake->upstream)) {
		memcpy(out, with, sizeof(with));
		return sizeof(with);
	}
	memcpy(out, without, sizeof(without));
	return sizeof(without);
}

static unsigned char *put_credential(unsigned char *out, const struct credential *credential)
{
	*out++ = credential->length;
	memcpy(out, credential->bytes, credential->length);
	return out + credential->length;
}

static size_t login_message(const struct handshake *handshake, unsigned char *out)
{
	unsigned char *end = out;

	*end++ = LOGIN_VERSION;
	end = put_credential(end, &handshake->upstream->username);
	end = put_credential(end, &handshake->upstream->password);
	return (size_t)(end - out);
}

static size_t request_message(const struct handshake *handshake, unsigned char *out)
{
	const struct endpoint *destination = handshake->destination;
	bool ipv4 = endpoint_is_ipv4(destination);
	size_t bytes = ipv4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	unsigned char *end = out;

	*end++ = VERSION;
	*end++ = COMMAND_CONNECT;
	*end++ = 0;
	*end++ = ipv4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
	memcpy(end, &destination->address.s6_addr[sizeof(struct in6_addr) - bytes], bytes);
	end += bytes;
	*end++ = (unsigned char)(destination->port >> 8);
	*end++ = (unsigned char)destination->port;
	return (size_t)(end - out);
}

static size_t message(const struct handshake *handshake, unsigned char *out)
{
	switch (handshake->step) {
	case STEP_METHOD:
		return method_message(handshake, out);
	case STEP_LOGIN:
		return login_message(handshake, out);
	default:
		return request_message(handshake, out);
	}
}

/* --- replies ---------------------------------------------------------------------- */

static enum handshake_verdict garbage(struct handshake *handshake)
{
	return protocol_fail(handshake, OUTCOME_UPSTREAM_PROTOCOL);
}

static enum handshake_verdict method_byte(struct handshake *handshake, unsigned char byte)
{
	if (handshake->position == 0)
		return byte == VERSION ? HANDSHAKE_MORE : garbage(handshake);
	if (byte == METHOD_NONE)
		return protocol_next(handshake, STEP_REQUEST);
	if (byte == METHOD_LOGIN && upstream_has_credentials(handshake->upstream))
		return protocol_next(handshake, STEP_LOGIN);
	if (byte == METHOD_REFUSED)
		return protocol_fail(handshake, OUTCOME_UPSTREAM_AUTH);
	return garbage(handshake);	/* it chose what we did not offer */
}

static enum handshake_verdict login_byte(struct handshake *handshake, unsigned char byte)
{
	if (handshake->position == 0)
		return byte == LOGIN_VERSION ? HANDSHAKE_MORE : garbage(handshake);
	if (byte == 0)
		return protocol_next(handshake, STEP_REQUEST);
	return protocol_fail(handshake, OUTCOME_UPSTREAM_AUTH);
}

/* Decided at once: some close without the rest of the reply. */
static enum handshake_verdict reply_code(struct handshake *handshake, unsigned char code)
{
	switch (code) {
	case 0:
		return HANDSHAKE_MORE;
	case 3:		/* network unreachable */
	case 4:		/* host unreachable */
	case 6:		/* TTL expired */
		return protocol_fail(handshake, OUTCOME_DESTINATION_UNREACHABLE);
	case 5:
		return protocol_fail(handshake, OUTCOME_DESTINATION_REFUSED);
	case 2:		/* not allowed by the ruleset */
	case 8:		/* address type not supported */
		return protocol_forbid(handshake);
	case 1:		/* general failure */
	case 7:		/* command not supported */
		return protocol_fail(handshake, OUTCOME_UPSTREAM_REFUSED);
	default:
		return garbage(handshake);
	}
}

/* The bound address is of no use, but its length says where the reply ends. */
static enum handshake_verdict address_type(struct handshake *handshake, unsigned char type)
{
	switch (type) {
	case ADDRESS_IPV4:
		handshake->mark = ADDRESS_AT + sizeof(struct in_addr) + PORT_LENGTH;
		return HANDSHAKE_MORE;
	case ADDRESS_IPV6:
		handshake->mark = ADDRESS_AT + sizeof(struct in6_addr) + PORT_LENGTH;
		return HANDSHAKE_MORE;
	case ADDRESS_NAME:
		handshake->mark = 0;	/* the next byte tells */
		return HANDSHAKE_MORE;
	default:
		return garbage(handshake);
	}
}

static enum handshake_verdict request_byte(struct handshake *handshake, unsigned char byte)
{
	switch (handshake->position) {
	case 0:
		return byte == VERSION ? HANDSHAKE_MORE : garbage(handshake);
	case 1:
		return reply_code(handshake, byte);
	case 2:			/* reserved; not worth a refusal */
		return HANDSHAKE_MORE;
	case 3:
		return address_type(handshake, byte);
	default:
		if (handshake->mark == 0)
			handshake->mark = ADDRESS_AT + 1 + byte + PORT_LENGTH;
		return handshake->position + 1 == handshake->mark ? HANDSHAKE_DONE
								  : HANDSHAKE_MORE;
	}
}

static enum handshake_verdict take_byte(struct handshake *handshake, unsigned char byte)
{
	switch (handshake->step) {
	case STEP_METHOD:
		return method_byte(handshake, byte);
	case STEP_LOGIN:
		return login_byte(handshake, byte);
	default:
		return request_byte(handshake, byte);
	}
}

const struct protocol socks5_protocol = { message, take_byte, STEP_REQUEST };
