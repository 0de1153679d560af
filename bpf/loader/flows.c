// SPDX-License-Identifier: MIT
#include "flows.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Entries read in one call: few calls, and more than any bucket of a hash table holds. */
#define BATCH 16384u
/* RFC 5382, as flow.h has them. */
#define TRANSITORY 240u
#define ESTABLISHED 7440u

/* The clock of flow_clock() in ../flow.h. */
uint32_t flow_clock(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)(((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) >>
			  FLOW_CLOCK_SHIFT);
}

uint32_t flow_units(uint32_t seconds)
{
	return (uint32_t)((uint64_t)seconds * 1000000000u >> FLOW_CLOCK_SHIFT);
}

bool flow_is_live(const struct flow *flow, uint32_t now)
{
	const uint32_t most = flow_units(flow->state == FLOW_ESTABLISHED ? ESTABLISHED : TRANSITORY);

	return (int32_t)(now - flow->seen) <= (int32_t)most;
}

struct batch {
	uint8_t *keys;
	uint8_t *values;
};

typedef int entry_fn(const void *key, const void *value, void *context);

/* All entries of a hash table, a batch at a time. Return: 0 or -errno */
static int each_entry(int fd, size_t key_size, size_t value_size, entry_fn *visit, void *context)
{
	struct batch batch = { malloc(BATCH * key_size), malloc(BATCH * value_size) };
	uint32_t position = 0;
	bool is_first = true;
	int got = 0;
	int err = batch.keys && batch.values ? 0 : -ENOMEM;

	while (!err && !got) {
		uint32_t count = BATCH;
		uint32_t i;

		got = bpf_map_lookup_batch(fd, is_first ? NULL : &position, &position, batch.keys,
					   batch.values, &count, NULL);
		is_first = false;
		if (got && got != -ENOENT) {
			err = got;
			break;
		}
		for (i = 0; !err && i < count; i++)
			err = visit(batch.keys + i * key_size, batch.values + i * value_size,
				    context);
	}
	free(batch.keys);
	free(batch.values);
	return err;
}

struct flow_visit {
	bool is_v6;
	flow_visit_fn *visit;
	void *context;
};

static int visit_flow(const void *key, const void *value, void *context)
{
	const struct flow_visit *visit = context;
	struct flow_entry entry = { .is_v6 = visit->is_v6 };

	if (visit->is_v6)
		memcpy(&entry.key.v6, key, sizeof(entry.key.v6));
	else
		memcpy(&entry.key.v4, key, sizeof(entry.key.v4));
	memcpy(&entry.flow, value, sizeof(entry.flow));
	return visit->visit(&entry, visit->context);
}

/* All flows, the too old ones among them. Return: 0 or -errno, also of @visit */
int flows_each(int fd, bool is_v6, flow_visit_fn *visit, void *context)
{
	struct flow_visit one = { is_v6, visit, context };

	return each_entry(fd, is_v6 ? sizeof(struct flow_key_v6) : sizeof(struct flow_key_v4),
			  sizeof(struct flow), visit_flow, &one);
}

/* Adds a flow that was entered from user space; beside a program that counts, it may miss some of its. */
int clients_count(int clients, const struct flow_entry *entry)
{
	struct client_key key = { .family = entry->is_v6 ? 6 : 4 };
	struct client client;
	int err;

	if (entry->is_v6)
		memcpy(key.address, entry->key.v6.source, sizeof(key.address));
	else
		key.address[0] = entry->key.v4.source;
	if (bpf_map_lookup_elem(clients, &key, &client) != 0)
		client = (struct client){ 0 };
	client.flows++;
	err = bpf_map_update_elem(clients, &key, &client, BPF_ANY);
	/* No room: a client without an entry has no limit. */
	return err == -E2BIG ? 0 : err;
}

/* Enters a flow that the table does not know, and counts it; what finds no room is left out. */
int flows_enter(int fd, int clients, const struct flow_entry *entry)
{
	const void *key = entry->is_v6 ? (const void *)&entry->key.v6 : &entry->key.v4;
	int err = bpf_map_update_elem(fd, key, &entry->flow, BPF_NOEXIST);

	if (err == -EEXIST || err == -E2BIG)
		return 0;
	return err ? err : clients_count(clients, entry);
}

int flow_list_add(struct flow_list *list, const struct flow_entry *entry)
{
	if (list->count == list->room) {
		const size_t room = list->room ? 2 * list->room : 1024;
		struct flow_entry *moved = reallocarray(list->entry, room, sizeof(*moved));

		if (!moved)
			return -ENOMEM;
		list->entry = moved;
		list->room = room;
	}
	list->entry[list->count++] = *entry;
	return 0;
}

void flow_list_free(struct flow_list *list)
{
	free(list->entry);
	*list = (struct flow_list){ 0 };
}

struct client_visit {
	client_visit_fn *visit;
	void *context;
};

static int visit_client(const void *key, const void *value, void *context)
{
	const struct client_visit *visit = context;

	return visit->visit(key, value, visit->context);
}

int clients_each(int fd, client_visit_fn *visit, void *context)
{
	struct client_visit one = { visit, context };

	return each_entry(fd, sizeof(struct client_key), sizeof(struct client), visit_client, &one);
}
