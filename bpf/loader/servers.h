/* SPDX-License-Identifier: MIT */
/* What is known of each server by its heartbeats: `servers` of maps.h, as bpf/health.ts sees it. */
#ifndef SIDETRACK_LOADER_SERVERS_H
#define SIDETRACK_LOADER_SERVERS_H

#include "contents.h"
#include "json.h"
#include "pins.h"

struct server_memory {
	struct server_state state[TARGETS_MAX];
	bool is_changed[TARGETS_MAX];
};

int servers_begin(int fd, const struct contents *contents, struct server_memory *before);
void servers_restore(int fd, const struct server_memory *before);
int servers_forget(int fd, const struct contents *contents);
int servers_print(struct json *json, const struct pins *pins);

#endif /* SIDETRACK_LOADER_SERVERS_H */
