/* SPDX-License-Identifier: MIT */
/* What outlives the process: pins in one directory of a BPF file system, as bpf/pin.ts has them. */
#ifndef SIDETRACK_LOADER_PINS_H
#define SIDETRACK_LOADER_PINS_H

#include <stdbool.h>
#include <stddef.h>

#include "fault.h"

/* Names of a directory, sorted. */
struct names {
	char **name;
	size_t count;
};

struct pins {
	const char *path;
};

int pins_require_file_system(const struct pins *pins, struct fault *fault);
int pins_create(const struct pins *pins, struct fault *fault);
int pins_exist(const struct pins *pins, struct fault *fault);
bool pins_have(const struct pins *pins, const char *name);
int pins_open(const struct pins *pins, const char *name);
int pins_pin_next(const struct pins *pins, const char *name, int fd, struct fault *fault);
int pins_commit_next(const struct pins *pins, const char *name, struct fault *fault);
void pins_discard_next(const struct pins *pins, const char *name);
void pins_discard_all_next(const struct pins *pins);
void pins_discard(const struct pins *pins, const char *name);
int pins_add(const struct pins *pins, const char *kind, const char *name, const char *below);
void pins_drop(const struct pins *pins, const char *kind, const char *name, const char *below);
bool pins_has_entry(const struct pins *pins, const char *kind, const char *name, const char *below);
int pins_entries(const struct pins *pins, const char *kind, struct names *names);
int pins_write(const struct pins *pins, const char *kind, const struct names *values);
int pins_write_one(const struct pins *pins, const char *kind, const char *value);
void pins_remove(const struct pins *pins);

int names_add(struct names *names, const char *name);
bool names_have(const struct names *names, const char *name);
void names_sort(struct names *names);
void names_free(struct names *names);

#endif /* SIDETRACK_LOADER_PINS_H */
