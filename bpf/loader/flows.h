/* SPDX-License-Identifier: MIT */
/* The flow table and the count of each client's flows, as user space sees them. */
#ifndef SIDETRACK_LOADER_FLOWS_H
#define SIDETRACK_LOADER_FLOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../abi.h"

struct flow_entry {
	bool is_v6;
	union {
		struct flow_key_v4 v4;
		struct flow_key_v6 v6;
	} key;
	struct flow flow;
};

struct flow_list {
	struct flow_entry *entry;
	size_t count;
	size_t room;
};

typedef int flow_visit_fn(const struct flow_entry *entry, void *context);

uint32_t flow_clock(void);
uint32_t flow_units(uint32_t seconds);
bool flow_is_live(const struct flow *flow, uint32_t now);
int flows_each(int fd, bool is_v6, flow_visit_fn *visit, void *context);
int flows_enter(int fd, int clients, const struct flow_entry *entry);
int clients_count(int clients, const struct flow_entry *entry);

int flow_list_add(struct flow_list *list, const struct flow_entry *entry);
void flow_list_free(struct flow_list *list);

typedef int client_visit_fn(const struct client_key *key, const struct client *client,
			    void *context);
int clients_each(int fd, client_visit_fn *visit, void *context);

#endif /* SIDETRACK_LOADER_FLOWS_H */
