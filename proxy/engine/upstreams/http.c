// SPDX-License-Identifier: MIT
#include "upstreams/http.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"

#define CREDENTIALS_MOST (2 * SIDETRACK_RELAY_CREDENTIAL_LENGTH + 1)

enum part {
	PART_STATUS,		/* HTTP/1.1 200 */
	PART_LINE,		/* the rest of a line */
	PART_LINE_END,		/* after its CR */
	PART_LINE_START,
	PART_LAST_END,		/* after the CR of the empty line */
};

/* --- the request ------------------------------------------------------------------ */

/* Return: length of "user:password" in base64, in @out with a final zero */
static size_t put_basic(const struct upstream *upstream, char *out)
{
	unsigned char pair[CREDENTIALS_MOST];
	const struct credential *user = &upstream->username, *password = &upstream->password;
	size_t length;

	memcpy(pair, user->bytes, user->length);
	pair[user->length] = ':';
	memcpy(pair + user->length + 1, password->bytes, password->length);
	length = base64_encode(pair, (size_t)user->length + 1 + password->length, out);
	out[length] = 0;
	return length;
}

static size_t message(const struct handshake *handshake, unsigned char *out)
{
	char destination[ENDPOINT_TEXT_LENGTH];
	char basic[BASE64_LENGTH(CREDENTIALS_MOST) + 1];
	bool credentials = upstream_has_credentials(handshake->upstream);
	int length;

	endpoint_format(handshake->destination, destination);
	if (credentials)
		put_basic(handshake->upstream, basic);
	length = snprintf((char *)out, HANDSHAKE_MESSAGE_MOST,
			  "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", destination, destination,
			  credentials ? "Proxy-Authorization: Basic " : "",
			  credentials ? basic : "", credentials ? "\r\n" : "");
	return (size_t)length;
}

/* --- the reply -------------------------------------------------------------------- */

static enum handshake_verdict garbage(struct handshake *handshake)
{
	return protocol_fail(handshake, OUTCOME_UPSTREAM_PROTOCOL);
}

/* A refusal is decided here: neither its fields nor its body matter. */
static enum handshake_verdict status_known(struct handshake *handshake)
{
	switch (handshake->status) {
	case 100:
	case 102 ... 299:
		return HANDSHAKE_MORE;
	case 401:
	case 407:
		return protocol_fail(handshake, OUTCOME_UPSTREAM_AUTH);
	case 502 ... 504:
		return protocol_fail(handshake, OUTCOME_DESTINATION_UNREACHABLE);
	case 403:
	case 405:
		return protocol_forbid(handshake);
	case 300 ... 400:
	case 402:
	case 404:
	case 406:
	case 408 ... 501:
	case 505 ... 599:
		return protocol_fail(handshake, OUTCOME_UPSTREAM_REFUSED);
	default:		/* 101 too: we did not ask to switch protocols */
		return garbage(handshake);
	}
}

static enum handshake_verdict line_byte(struct handshake *handshake, unsigned char byte);

static enum handshake_verdict status_byte(struct handshake *handshake, unsigned char byte)
{
	static const char pattern[] = "HTTP/1.v ddd";
	unsigned int index = handshake->position - handshake->mark;

	if (index == sizeof(pattern) - 1) {
		if (byte != ' ' && byte != '\r' && byte != '\n')
			return garbage(handshake);
		if (status_known(handshake) == HANDSHAKE_FAILED)
			return HANDSHAKE_FAILED;
		return line_byte(handshake, byte);
	}
	switch (pattern[index]) {
	case 'v':
		return byte == '0' || byte == '1' ? HANDSHAKE_MORE : garbage(handshake);
	case 'd':
		if (byte < '0' || byte > '9')
			return garbage(handshake);
		handshake->status = (uint16_t)(handshake->status * 10 + byte - '0');
		return HANDSHAKE_MORE;
	default:
		return byte == pattern[index] ? HANDSHAKE_MORE : garbage(handshake);
	}
}

static enum handshake_verdict line_byte(struct handshake *handshake, unsigned char byte)
{
	if (byte == '\r')
		handshake->part = PART_LINE_END;
	else if (byte == '\n')
		handshake->part = PART_LINE_START;
	else if ((byte < ' ' && byte != '\t') || byte == 127)
		return garbage(handshake);
	else
		handshake->part = PART_LINE;
	return HANDSHAKE_MORE;
}

/* The empty line: the end, or after an interim reply a new beginning. */
static enum handshake_verdict fields_end(struct handshake *handshake)
{
	if (handshake->status >= 200)
		return HANDSHAKE_DONE;
	handshake->part = PART_STATUS;
	handshake->status = 0;
	handshake->mark = handshake->position + 1;
	return HANDSHAKE_MORE;
}

static enum handshake_verdict line_start_byte(struct handshake *handshake, unsigned char byte)
{
	if (byte == '\n')
		return fields_end(handshake);
	if (byte != '\r')
		return line_byte(handshake, byte);
	handshake->part = PART_LAST_END;
	return HANDSHAKE_MORE;
}

static enum handshake_verdict take_byte(struct handshake *handshake, unsigned char byte)
{
	switch (handshake->part) {
	case PART_STATUS:
		return status_byte(handshake, byte);
	case PART_LINE:
		return line_byte(handshake, byte);
	case PART_LINE_START:
		return line_start_byte(handshake, byte);
	default:		/* after CR */
		if (byte != '\n')
			return garbage(handshake);
		if (handshake->part == PART_LAST_END)
			return fields_end(handshake);
		handshake->part = PART_LINE_START;
		return HANDSHAKE_MORE;
	}
}

const struct protocol http_protocol = { message, take_byte, 0 };
