/* SPDX-License-Identifier: MIT */
/* A bundle that was read: checked, and pointing into its bytes. */
#ifndef SIDETRACK_LOADER_CONTENTS_H
#define SIDETRACK_LOADER_CONTENTS_H

#include <stddef.h>
#include <stdint.h>

#include "../abi.h"
#include "bundle.h"
#include "fault.h"

struct table {
	const struct bundle_section *section;
	const uint8_t *data;
};

struct contents {
	const struct bundle_header *header;
	const struct bundle_settings *settings;
	const uint8_t *object;
	size_t object_length;
	struct config config;		/* a copy: the host's own is put in */
	const struct bundle_target *targets;
	uint32_t target_count;
	const struct bundle_server *servers;
	uint32_t server_count;
	const char (*interfaces)[BUNDLE_NAME_LENGTH];
	uint32_t interface_count;
	const char (*listening)[BUNDLE_NAME_LENGTH];
	uint32_t listening_count;
	struct table tables[BUNDLE_SECTIONS_MAX];
	uint32_t table_count;
};

int contents_read(const uint8_t *bytes, size_t length, struct contents *contents,
		  struct fault *fault);

#endif /* SIDETRACK_LOADER_CONTENTS_H */
