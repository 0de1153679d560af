// SPDX-License-Identifier: MIT
#include "sockets/half-open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATE_FIELD 3
#define SYN_RECV "03"
#define PATH_LENGTH 256
#define BUFFER_SIZE 16384	/* of which a line is a small part */

struct lines {
	uint8_t *out;
	int32_t length;
	int32_t needed;		/* for all of them */
};

/* `   7: 0101A8C0:3039 0A01A8C0:8F2E 03 …`: number, our end, theirs, state */
static bool is_half_open(const char *line, const char *end)
{
	int field;

	for (field = 0; ; field++) {
		while (line < end && *line == ' ')
			line++;
		if (field == STATE_FIELD)
			return end - line > 2 && !memcmp(line, SYN_RECV " ", 3);
		while (line < end && *line != ' ')
			line++;
		if (line == end)
			return false;
	}
}

static void keep_line(struct lines *lines, const char *line, size_t length)
{
	if (lines->needed <= INT32_MAX - BUFFER_SIZE)
		lines->needed += (int32_t)length;
	if (lines->needed <= lines->length)
		memcpy(lines->out + lines->needed - length, line, length);
}

/* Return: where the line begins that is not complete yet */
static const char *keep_lines(struct lines *lines, const char *text, const char *end)
{
	const char *newline;

	while ((newline = memchr(text, '\n', (size_t)(end - text)))) {
		if (is_half_open(text, newline))
			keep_line(lines, text, (size_t)(newline + 1 - text));
		text = newline + 1;
	}
	return text;
}

static int32_t read_lines(int fd, struct lines *lines)
{
	char buffer[BUFFER_SIZE];
	size_t kept = 0;

	for (;;) {
		ssize_t got = read(fd, buffer + kept, sizeof(buffer) - kept);
		const char *rest;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return 0;
		rest = keep_lines(lines, buffer, buffer + kept + got);
		kept = (size_t)(buffer + kept + got - rest);
		if (kept == sizeof(buffer))	/* no such line is */
			return -EINVAL;
		memmove(buffer, rest, kept);
	}
}

static int32_t read_file(const char *directory, const char *name, struct lines *lines)
{
	char path[PATH_LENGTH];
	int32_t result;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= PATH_LENGTH)
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	result = read_lines(fd, lines);
	close(fd);
	return result;
}

/**
 * sidetrack_half_open() - Read those lines of both files
 * @directory:	Where they are
 * @directory_length:	Bytes of its name
 * @out:	Where to put the lines; those at the end may not fit
 * @length:	Bytes there
 *
 * Without IPv6 there is no tcp6.
 *
 * Return: bytes that all lines need, or -errno
 */
int32_t sidetrack_half_open(const uint8_t *directory, int32_t directory_length, uint8_t *out,
			    int32_t length)
{
	struct lines lines = { .out = out, .length = length };
	char name[PATH_LENGTH] = { 0 };
	int32_t result;

	if (directory_length < 1 || directory_length >= PATH_LENGTH || length < 0)
		return -EINVAL;
	memcpy(name, directory, (size_t)directory_length);
	result = read_file(name, "tcp", &lines);
	if (result < 0)
		return result;
	result = read_file(name, "tcp6", &lines);
	return result < 0 && result != -ENOENT ? result : lines.needed;
}
