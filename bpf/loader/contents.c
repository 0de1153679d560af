// SPDX-License-Identifier: MIT
#include "contents.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#ifndef LAYOUT
#error "LAYOUT is the digest of bundle.h and abi.h: bpf/Makefile"
#endif

static int malformed(struct fault *fault, const char *what)
{
	return fault_set(fault, -EINVAL, "bundle-malformed", "user",
			 "send what `sidetrack apply` sends; it is read from standard input",
			 "standard input is no bundle for the classifier: %s", what);
}

/* Text that ends within its room. */
static bool is_text(const char *text, size_t room)
{
	return memchr(text, 0, room) != NULL;
}

static bool are_names(const void *names, uint32_t count)
{
	const char (*name)[BUNDLE_NAME_LENGTH] = names;
	uint32_t i;

	for (i = 0; i < count; i++)
		if (!is_text(name[i], BUNDLE_NAME_LENGTH) || !name[i][0] ||
		    strchr(name[i], '/') || !strcmp(name[i], ".") || !strcmp(name[i], ".."))
			return false;
	return true;
}

/* A list of structs of one size. */
static bool is_list(const struct bundle_section *section, size_t size, uint32_t most)
{
	return section->count <= most && section->length == (uint64_t)section->count * size;
}

static int take_table(struct contents *contents, const struct bundle_section *section,
		      const uint8_t *data, struct fault *fault)
{
	uint64_t entry = section->value_size;

	if (section->kind == BUNDLE_HASH)
		entry += section->key_size;
	if (!is_text(section->map, sizeof(section->map)) || section->value_size == 0 ||
	    section->length != entry * section->count)
		return malformed(fault, "a table is not as long as it says");
	contents->tables[contents->table_count++] = (struct table){ section, data };
	return 0;
}

static bool are_targets(const struct bundle_target *targets, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (!is_text(targets[i].redirect, BUNDLE_NAME_LENGTH) ||
		    !is_text(targets[i].route_v4, BUNDLE_NAME_LENGTH) ||
		    !is_text(targets[i].route_v6, BUNDLE_NAME_LENGTH) ||
		    targets[i].macs > BUNDLE_MACS_MAX)
			return false;
	return true;
}

static bool are_servers(const struct bundle_server *servers, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (servers[i].number >= TARGETS_MAX || !servers[i].metadata[0] ||
		    !is_text(servers[i].metadata, sizeof(servers[i].metadata)) ||
		    strchr(servers[i].metadata, '/'))
			return false;
	return true;
}

static int take(struct contents *contents, const struct bundle_section *section,
		const uint8_t *data, struct fault *fault)
{
	const uint32_t count = section->count;

	switch (section->kind) {
	case BUNDLE_SETTINGS:
		contents->settings = (const void *)data;
		if (!is_list(section, sizeof(*contents->settings), 1) || count != 1 ||
		    !is_text(contents->settings->program, BUNDLE_NAME_LENGTH) ||
		    contents->settings->rules > RULES_MAX)
			return malformed(fault, "its settings");
		return 0;
	case BUNDLE_OBJECT:
		contents->object = data;
		contents->object_length = section->length;
		return 0;
	case BUNDLE_CONFIG:
		if (!is_list(section, sizeof(contents->config), 1) || count != 1)
			return malformed(fault, "its constants");
		memcpy(&contents->config, data, sizeof(contents->config));
		if (contents->config.targets > TARGETS_MAX || contents->config.ports != 0)
			return malformed(fault, "its constants");
		return 0;
	case BUNDLE_TARGETS:
		contents->targets = (const void *)data;
		contents->target_count = count;
		return is_list(section, sizeof(*contents->targets), TARGETS_MAX) &&
		       are_targets(contents->targets, count) ? 0 : malformed(fault, "its targets");
	case BUNDLE_SERVERS:
		contents->servers = (const void *)data;
		contents->server_count = count;
		return is_list(section, sizeof(*contents->servers), TARGETS_MAX) &&
		       are_servers(contents->servers, count) ? 0 : malformed(fault, "its servers");
	case BUNDLE_INTERFACES:
		contents->interfaces = (const void *)data;
		contents->interface_count = count;
		return is_list(section, BUNDLE_NAME_LENGTH, BUNDLE_INTERFACES_MAX) &&
		       are_names(data, count) ? 0 : malformed(fault, "its interfaces");
	case BUNDLE_LISTENING:
		contents->listening = (const void *)data;
		contents->listening_count = count;
		return is_list(section, BUNDLE_NAME_LENGTH, BUNDLE_INTERFACES_MAX) &&
		       are_names(data, count) ? 0 : malformed(fault, "its interfaces");
	case BUNDLE_ARRAY:
	case BUNDLE_HASH:
		return take_table(contents, section, data, fault);
	default:
		return malformed(fault, "a section of no kind that is known");
	}
}

static int check_header(const uint8_t *bytes, size_t length, const struct bundle_header *header,
			struct fault *fault)
{
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a bundle and its object are little-endian"
#endif
	if (length < sizeof(*header) || memcmp(bytes, BUNDLE_MAGIC, sizeof(header->magic)) != 0)
		return malformed(fault, "it begins with something else");
	if (!is_text(header->version, sizeof(header->version)))
		return malformed(fault, "its header");
	if (strncmp(header->layout, LAYOUT, sizeof(header->layout)) != 0)
		return fault_set(fault, -EINVAL, "bundle-outdated", "host",
				 "run: sidetrack apply, which brings both of one version",
				 "the bundle is of another version than this loader: sidetrack %s made it in layout %.16s, and %s reads it",
				 header->version, header->layout, LAYOUT);
	if (header->length != length || header->sections > BUNDLE_SECTIONS_MAX)
		return malformed(fault, "it is not as long as it says");
	return 0;
}

/**
 * contents_read() - Check a bundle, and find what is in it
 * @bytes:	The bundle, unpacked; must outlive @contents
 * @length:	How long
 * @contents:	What was found
 * @fault:	What went wrong
 *
 * Every length is checked against @length before it is used: who sends a bundle
 * is root here, but what a cut wire or another version leaves must do no harm.
 *
 * Return: 0 or -errno
 */
int contents_read(const uint8_t *bytes, size_t length, struct contents *contents,
		  struct fault *fault)
{
	const struct bundle_section *section;
	size_t at = sizeof(struct bundle_header);
	uint32_t i;
	int err;

	memset(contents, 0, sizeof(*contents));
	contents->header = (const void *)bytes;
	err = check_header(bytes, length, contents->header, fault);
	for (i = 0; !err && i < contents->header->sections; i++) {
		section = (const void *)(bytes + at);
		if (length - at < sizeof(*section) ||
		    length - at - sizeof(*section) < section->length)
			return malformed(fault, "a section reaches beyond its end");
		at += sizeof(*section);
		err = take(contents, section, bytes + at, fault);
		at += section->length;
		/* The next one begins at a multiple of 8. */
		at += -at & 7;
		if (at > length)
			return malformed(fault, "a section reaches beyond its end");
	}
	if (err)
		return err;
	if (at != length || !contents->settings || !contents->object ||
	    contents->target_count != contents->config.targets || contents->interface_count == 0)
		return malformed(fault, "something is missing in it");
	return 0;
}
