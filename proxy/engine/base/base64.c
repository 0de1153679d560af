// SPDX-License-Identifier: MIT
#include "base/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/**
 * base64_encode() - Write bytes as text
 * @bytes:	Bytes
 * @length:	How many
 * @out:	Room for BASE64_LENGTH(@length) characters; no final zero
 *
 * Return: BASE64_LENGTH(@length)
 */
size_t base64_encode(const unsigned char *bytes, size_t length, char *out)
{
	size_t i, end = 0;

	for (i = 0; i < length; i += 3) {
		unsigned int second = i + 1 < length ? bytes[i + 1] : 0;
		unsigned int third = i + 2 < length ? bytes[i + 2] : 0;
		unsigned int group = (unsigned int)bytes[i] << 16 | second << 8 | third;

		out[end++] = letters[group >> 18];
		out[end++] = letters[group >> 12 & 63];
		out[end++] = i + 1 < length ? letters[group >> 6 & 63] : '=';
		out[end++] = i + 2 < length ? letters[group & 63] : '=';
	}
	return end;
}
