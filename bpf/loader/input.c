// SPDX-License-Identifier: MIT
#include "input.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "bundle.h"

#define FIRST_ROOM (1u << 20)
/* Of gzip, and nothing else. */
#define WINDOW_GZIP (15 + 16)

static int malformed(struct fault *fault, const char *what)
{
	return fault_set(fault, -EINVAL, "bundle-malformed", "user",
			 "send what `sidetrack apply` sends; it is read from standard input",
			 "standard input is no bundle for the classifier: %s", what);
}

static int grow(uint8_t **bytes, size_t *room, size_t most)
{
	size_t larger = *room ? 2 * *room : FIRST_ROOM;
	uint8_t *moved;

	if (*room >= most)
		return -EFBIG;
	if (larger > most)
		larger = most;
	moved = realloc(*bytes, larger);
	if (!moved)
		return -ENOMEM;
	*bytes = moved;
	*room = larger;
	return 0;
}

/**
 * input_read() - Read a file to its end
 * @fd:		The file
 * @bytes:	What it holds; to be freed, also after an error
 * @length:	How much
 * @fault:	What went wrong
 *
 * Return: 0 or -errno; -EFBIG for more than the longest bundle takes in base64
 */
int input_read(int fd, uint8_t **bytes, size_t *length, struct fault *fault)
{
	const size_t most = BUNDLE_BYTES_MAX / 3 * 4 + BUNDLE_BYTES_MAX / 16;
	size_t room = 0;
	ssize_t got;
	int err;

	*bytes = NULL;
	*length = 0;
	for (;;) {
		if (*length == room) {
			err = grow(bytes, &room, most);
			if (err == -EFBIG)
				return malformed(fault, "it is too long");
			if (err)
				return fault_call(fault, err, "reading standard input");
		}
		got = read(fd, *bytes + *length, room - *length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fault_call(fault, -errno, "reading standard input");
		if (got == 0)
			return 0;
		*length += (size_t)got;
	}
}

static int digit(uint8_t byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return byte - 'A';
	if (byte >= 'a' && byte <= 'z')
		return byte - 'a' + 26;
	if (byte >= '0' && byte <= '9')
		return byte - '0' + 52;
	return byte == '+' ? 62 : byte == '/' ? 63 : -1;
}

/* In place, for it only gets shorter. Return: its length or -errno */
static ssize_t decode(const uint8_t *text, size_t length, uint8_t *out)
{
	uint32_t bits = 0;
	unsigned int count = 0;
	size_t written = 0;
	size_t i;

	for (i = 0; i < length; i++) {
		int value = digit(text[i]);

		if (text[i] == '\n' || text[i] == '\r')
			continue;
		if (text[i] == '=')
			break;
		if (value < 0)
			return -EINVAL;
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		out[written++] = (uint8_t)(bits >> count);
	}
	/* Behind the padding there is nothing. */
	for (; i < length; i++)
		if (text[i] != '=' && text[i] != '\n' && text[i] != '\r')
			return -EINVAL;
	return (ssize_t)written;
}

/* What is in one member of gzip, its checksum and length included. */
static int inflate_all(z_stream *stream, uint8_t **bytes, size_t *unpacked)
{
	size_t room = 0;
	int result = Z_OK;
	int err;

	while (result != Z_STREAM_END) {
		if (*unpacked == room) {
			err = grow(bytes, &room, BUNDLE_BYTES_MAX);
			if (err)
				return err;
		}
		stream->next_out = *bytes + *unpacked;
		stream->avail_out = (uInt)(room - *unpacked);
		result = inflate(stream, Z_NO_FLUSH);
		*unpacked = room - stream->avail_out;
		if (result == Z_BUF_ERROR && *unpacked == room)
			continue;
		if (result == Z_MEM_ERROR)
			return -ENOMEM;
		if (result != Z_OK && result != Z_STREAM_END)
			return -EINVAL;
		if (result == Z_OK && stream->avail_in == 0 && stream->avail_out > 0)
			return -EPIPE;
	}
	return stream->avail_in == 0 ? 0 : -EINVAL;
}

/**
 * input_unpack() - Take base64 and gzip off
 * @text:	What came in
 * @length:	How much
 * @bytes:	What was in it; to be freed, also after an error
 * @unpacked:	How much
 * @fault:	What went wrong
 *
 * Return: 0 or -errno
 */
int input_unpack(const uint8_t *text, size_t length, uint8_t **bytes, size_t *unpacked,
		 struct fault *fault)
{
	z_stream stream = { 0 };
	ssize_t packed;
	uint8_t *copy;
	int err;

	*bytes = NULL;
	*unpacked = 0;
	copy = malloc(length + 1);
	if (!copy)
		return fault_call(fault, -ENOMEM, "reading the bundle");
	packed = decode(text, length, copy);
	if (packed <= 0) {
		err = malformed(fault, length ? "it is no base64" : "it is empty");
		goto out;
	}
	stream.next_in = copy;
	stream.avail_in = (uInt)packed;
	if (inflateInit2(&stream, WINDOW_GZIP) != Z_OK) {
		err = fault_call(fault, -ENOMEM, "reading the bundle");
		goto out;
	}
	err = inflate_all(&stream, bytes, unpacked);
	(void)inflateEnd(&stream);
	if (err == -EPIPE)
		err = malformed(fault, "it was cut off");
	else if (err == -EFBIG)
		err = malformed(fault, "it is too long");
	else if (err == -EINVAL)
		err = malformed(fault, "it is damaged");
	else if (err)
		err = fault_call(fault, err, "reading the bundle");
out:
	free(copy);
	return err;
}
