/* SPDX-License-Identifier: MIT */
/*
 * What the control plane sends to the loader: one program set with all that is
 * written into its maps, and where it is to be attached.
 *
 * A header, then sections, each padded to 8 bytes; all of it in gzip, whose
 * checksum tells of a transfer that was cut off, and that in base64, since what
 * goes through a shell is text.  Integers are little-endian, in the object too.
 *
 * layout-gen.c, compiled against this header, prints layout.ts; `make -C bpf
 * check-loader` fails when that is stale.  Both have LAYOUT, a digest of this
 * file and of abi.h: a loader refuses the bundle of any other.
 */
#ifndef SIDETRACK_LOADER_BUNDLE_H
#define SIDETRACK_LOADER_BUNDLE_H

#include <linux/types.h>

#define BUNDLE_MAGIC "STBUNDLE"
/* Of the file unpacked: tables of 64 MiB at most, and room for the rest. */
#define BUNDLE_BYTES_MAX (80u << 20)
#define BUNDLE_SECTIONS_MAX 64
#define BUNDLE_INTERFACES_MAX 64
/* A directory's name in the BPF file system. */
#define BUNDLE_METADATA_LENGTH 256
#define BUNDLE_NAME_LENGTH 16
#define BUNDLE_LAYOUT_LENGTH 16
#define BUNDLE_VERSION_LENGTH 32
#define BUNDLE_MACS_MAX 16

/* X(NAME, what it holds) */
#define BUNDLE_SECTIONS(X)						\
	X(SETTINGS, "one struct bundle_settings")			\
	X(OBJECT, "the program, an ELF object of clang's")		\
	X(CONFIG, "struct config of abi.h; what the host alone knows is 0")	\
	X(TARGETS, "struct bundle_target of each of config.target")	\
	X(SERVERS, "struct bundle_server of each server")		\
	X(INTERFACES, "names of interfaces that clients' packets come in by")	\
	X(LISTENING, "names of interfaces with heartbeats alone")	\
	X(ARRAY, "elements 0, 1, ... of the map that is named")		\
	X(HASH, "keys and values in turn, of the map that is named")

enum bundle_kind {
	BUNDLE_NONE,
#define X(name, help) BUNDLE_##name,
	BUNDLE_SECTIONS(X)
#undef X
	BUNDLE_KINDS
};

struct bundle_header {
	char magic[8];
	char layout[BUNDLE_LAYOUT_LENGTH];
	char version[BUNDLE_VERSION_LENGTH];	/* of the sidetrack that made it, for messages */
	__u32 sections;
	__u32 unused;
	__u64 length;				/* of everything, this header too */
};

struct bundle_section {
	__u32 kind;
	__u32 count;
	__u64 length;				/* of what follows, less its padding */
	char map[BUNDLE_NAME_LENGTH];		/* of ARRAY and HASH */
	__u32 key_size;				/* of HASH */
	__u32 value_size;
};

struct bundle_settings {
	__u32 flow_table_size;			/* of each family */
	__u32 rules;				/* and guards, without the default */
	__u32 macs;				/* room in the map of that name */
	__u32 xdp;				/* 0: no XDP program */
	char program[BUNDLE_NAME_LENGTH];	/* digest of the object, as the pins name it */
};

struct bundle_target {
	/* Names of interfaces whose indices the host puts in; empty: 0. */
	char redirect[BUNDLE_NAME_LENGTH];
	char route_v4[BUNDLE_NAME_LENGTH];
	char route_v6[BUNDLE_NAME_LENGTH];
	__u32 macs;
	__u32 stands_in;			/* 1: for a number without a server */
	__u64 mac[BUNDLE_MACS_MAX];		/* by which a bridge may have heard it: six bytes, then two of zero */
};

struct bundle_server {
	__u32 number;
	__u32 families;				/* 1: IPv4, 2: IPv6 */
	__u64 owner;				/* 0: no heartbeats */
	char metadata[BUNDLE_METADATA_LENGTH];	/* pin-metadata.ts says how it reads */
};

#endif /* SIDETRACK_LOADER_BUNDLE_H */
