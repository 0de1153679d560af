/* SPDX-License-Identifier: MIT */
/* One program set: the program with the tables of one policy, loaded. */
#ifndef SIDETRACK_LOADER_PROGRAM_SET_H
#define SIDETRACK_LOADER_PROGRAM_SET_H

#include <bpf/libbpf.h>

#include "contents.h"
#include "pins.h"

/* X(name, key, value, type): maps that every program set shares. */
#define SHARED_MAPS(X)							\
	X(flows_v4, struct flow_key_v4, struct flow, BPF_MAP_TYPE_HASH)	\
	X(flows_v6, struct flow_key_v6, struct flow, BPF_MAP_TYPE_HASH)	\
	X(clients, struct client_key, struct client, BPF_MAP_TYPE_HASH)	\
	X(counters, __u32, struct counter, BPF_MAP_TYPE_PERCPU_ARRAY)	\
	X(servers, __u32, struct server_state, BPF_MAP_TYPE_ARRAY)	\
	X(moved, __u32, __u64, BPF_MAP_TYPE_ARRAY)

enum shared_map {
#define X(name, key, value, type) SHARED_##name,
	SHARED_MAPS(X)
#undef X
	SHARED_COUNT
};

struct program_set {
	struct bpf_object *object;
	char *log;
	bool is_made[SHARED_COUNT];	/* began with it; the others go on */
};

const char *shared_name(enum shared_map map);
int shared_open(const struct pins *pins, enum shared_map map, uint32_t *entries);

int require_features(struct fault *fault);
int program_set_load(struct program_set *set, const struct pins *pins,
		     const struct contents *contents, struct fault *fault);
int program_set_map(const struct program_set *set, const char *name);
int program_set_program(const struct program_set *set, const char *name);
void program_set_free(struct program_set *set);

#endif /* SIDETRACK_LOADER_PROGRAM_SET_H */
