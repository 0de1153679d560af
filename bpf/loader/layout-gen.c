// SPDX-License-Identifier: MIT
/* Prints layout.ts: what TypeScript must know of bundle.h. */
#include <stddef.h>
#include <stdio.h>

#include "bundle.h"
#include "health_names.h"

static void entry(const char *name, size_t value, const char *help)
{
	printf("  /** %s */\n  %s: %zu,\n", help, name, value);
}

static void begin(const char *name, const char *help)
{
	printf("\n/** %s */\nexport const %s = {\n", help, name);
}

static void constant(const char *name, size_t value)
{
	printf("export const %s = %zu;\n", name, value);
}

#define FIELD(type, name, field, help) entry(name, offsetof(struct type, field), help)

static void print_offsets(void)
{
	begin("headerOffset", "Byte offsets in the header.");
	FIELD(bundle_header, "layout", layout, "text");
	FIELD(bundle_header, "version", version, "text, ends with 0");
	FIELD(bundle_header, "sections", sections, "u32");
	FIELD(bundle_header, "length", length, "u64 of everything");
	printf("} as const;\n");
	begin("sectionOffset", "Byte offsets in front of each section.");
	FIELD(bundle_section, "kind", kind, "u32");
	FIELD(bundle_section, "count", count, "u32");
	FIELD(bundle_section, "length", length, "u64 without its padding");
	FIELD(bundle_section, "map", map, "text, ends with 0");
	FIELD(bundle_section, "keySize", key_size, "u32");
	FIELD(bundle_section, "valueSize", value_size, "u32");
	printf("} as const;\n");
	begin("settingsOffset", "Byte offsets in the settings.");
	FIELD(bundle_settings, "flowTableSize", flow_table_size, "u32");
	FIELD(bundle_settings, "rules", rules, "u32");
	FIELD(bundle_settings, "macs", macs, "u32");
	FIELD(bundle_settings, "xdp", xdp, "u32");
	FIELD(bundle_settings, "program", program, "text, ends with 0");
	printf("} as const;\n");
	begin("bundleTargetOffset", "Byte offsets in a target.");
	FIELD(bundle_target, "redirect", redirect, "text, ends with 0");
	FIELD(bundle_target, "routeV4", route_v4, "text, ends with 0");
	FIELD(bundle_target, "routeV6", route_v6, "text, ends with 0");
	FIELD(bundle_target, "macs", macs, "u32");
	FIELD(bundle_target, "standsIn", stands_in, "u32");
	FIELD(bundle_target, "mac", mac, "6 bytes, each in 8");
	printf("} as const;\n");
	begin("bundleServerOffset", "Byte offsets in a server.");
	FIELD(bundle_server, "number", number, "u32");
	FIELD(bundle_server, "families", families, "u32");
	FIELD(bundle_server, "owner", owner, "u64");
	FIELD(bundle_server, "metadata", metadata, "text, ends with 0");
	printf("} as const;\n");
}

int main(void)
{
	printf("// Generated from bpf/loader/bundle.h by `make -C bpf layout`; do not edit.\n\n");
	printf("/** Of bundle.h and abi.h: both sides must have the same. */\n");
	printf("export const LAYOUT = '%s';\n", LAYOUT);
	printf("export const BUNDLE_MAGIC = '%s';\n", BUNDLE_MAGIC);
	constant("BUNDLE_BYTES_MAX", BUNDLE_BYTES_MAX);
	constant("BUNDLE_INTERFACES_MAX", BUNDLE_INTERFACES_MAX);
	constant("BUNDLE_METADATA_LENGTH", BUNDLE_METADATA_LENGTH);
	constant("BUNDLE_NAME_LENGTH", BUNDLE_NAME_LENGTH);
	constant("BUNDLE_VERSION_LENGTH", BUNDLE_VERSION_LENGTH);
	constant("BUNDLE_MACS_MAX", BUNDLE_MACS_MAX);
	begin("bundleKind", "What a section holds.");
#define X(name, help) entry(#name, BUNDLE_##name, help);
	BUNDLE_SECTIONS(X)
#undef X
	printf("} as const;\n");
	begin("bundleSize", "Bytes of a struct.");
	entry("header", sizeof(struct bundle_header), "in front of everything");
	entry("section", sizeof(struct bundle_section), "in front of each section");
	entry("settings", sizeof(struct bundle_settings), "of the program set");
	entry("target", sizeof(struct bundle_target), "of config.target");
	entry("server", sizeof(struct bundle_server), "as the pins name it");
	printf("} as const;\n");
	print_offsets();
	printf("\n/** What the loader calls the reasons of heartbeats, by number. */\n");
	printf("export const loaderReasons = [\n");
#define X(name) printf("  '%s',\n", #name);
	HEARTBEAT_REASONS(X)
#undef X
	printf("] as const;\n");
	return 0;
}
