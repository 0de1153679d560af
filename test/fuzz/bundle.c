// SPDX-License-Identifier: MIT
/*
 * What the loader of routers without Node.js reads from its standard input: a bundle as it is sent, in base64 and gzip, and one that is
 * unpacked already, for no fuzzer gets past a checksum.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "contents.h"
#include "input.h"

/* Every byte that is found in it can be read; the sanitizer looks. */
static unsigned int touch(const void *bytes, size_t length)
{
	const volatile uint8_t *at = bytes;
	unsigned int sum = 0;

	while (length-- > 0)
		sum += *at++;
	return sum;
}

static void read_contents(const uint8_t *bytes, size_t length)
{
	struct contents contents;
	struct fault fault = { 0 };
	uint32_t i;

	if (contents_read(bytes, length, &contents, &fault)) {
		if (!fault.code || !memchr(fault.message, 0, sizeof(fault.message)))
			abort();
		return;
	}
	(void)touch(contents.settings, sizeof(*contents.settings));
	(void)touch(contents.object, contents.object_length);
	(void)touch(contents.targets, contents.target_count * sizeof(*contents.targets));
	(void)touch(contents.servers, contents.server_count * sizeof(*contents.servers));
	(void)touch(contents.interfaces, contents.interface_count * (size_t)BUNDLE_NAME_LENGTH);
	(void)touch(contents.listening, contents.listening_count * (size_t)BUNDLE_NAME_LENGTH);
	for (i = 0; i < contents.table_count; i++)
		(void)touch(contents.tables[i].data, contents.tables[i].section->length);
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Where the sections of what is whole begin. Return: how many */
static size_t heads_of(const uint8_t *bytes, size_t size, size_t heads[BUNDLE_SECTIONS_MAX])
{
	size_t at = sizeof(struct bundle_header);
	size_t count = 0;

	while (count < BUNDLE_SECTIONS_MAX && at <= size &&
	       size - at >= sizeof(struct bundle_section)) {
		struct bundle_section section;

		memcpy(&section, bytes + at, sizeof(section));
		heads[count++] = at;
		at += sizeof(section);
		if (section.length > size - at)
			break;
		at += section.length + (-section.length & 7);
	}
	return count;
}

/* Nearly all of a bundle is what nothing looks at: every other time it is a section's head that is changed. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	static const uint32_t values[] = { 0, 1, 2, 9, 16, 17, 64, 65, 255, 1u << 31, UINT32_MAX };
	size_t heads[BUNDLE_SECTIONS_MAX];
	size_t count;
	size_t at;

	if (seed % 2 || size < sizeof(struct bundle_header) ||
	    memcmp(data, BUNDLE_MAGIC, sizeof(BUNDLE_MAGIC) - 1) != 0)
		return LLVMFuzzerMutate(data, size, max_size);
	count = heads_of(data, size, heads);
	if (count == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	seed /= 2;
	at = heads[seed % count];
	seed /= (unsigned int)count;
	at += 4 * (size_t)(seed % (sizeof(struct bundle_section) / 4));
	memcpy(data + at, &values[seed / 64 % (sizeof(values) / sizeof(values[0]))],
	       sizeof(values[0]));
	return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fault fault = { 0 };
	uint8_t *bytes;
	size_t length;

	/* Of its own length and alignment, as realloc() gives it. */
	bytes = malloc(size ? size : 1);
	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	read_contents(bytes, size);
	free(bytes);
	if (!input_unpack(data, size, &bytes, &length, &fault))
		read_contents(bytes, length);
	free(bytes);
	return 0;
}
