/* SPDX-License-Identifier: MIT */
/*
 * What each client has done by way of one thread: connections and bytes.
 *
 * The owning thread writes, any thread reads, none waits.  A table of fixed size: what a
 * newcomer needs is a free entry, else that of a client without connections, the one seen
 * longest ago.  What that one had counted is added to the first entry, which is also of those
 * clients that find no entry at all; so the sum over all entries never goes back.
 *
 * A client is a whole address, unlike for its limit (connection/clients.h): people know machines
 * by it, and all those of a LAN are in one /64.
 *
 * Connections keep the number of their client's entry, which stays theirs while it has any:
 * each pass adds to it, as to an upstream's counters.  The sequence number is odd while an
 * entry changes hands; a reader that sees it odd, or changed behind its back, begins anew.
 */
#ifndef SIDETRACK_CLIENT_TABLE_H
#define SIDETRACK_CLIENT_TABLE_H

#include <stdint.h>

#include "abi.h"
#include "base/endpoint.h"
#include "base/memory.h"

#define CLIENT_BUCKETS (2 * SIDETRACK_RELAY_CLIENTS)

/* Entries by number; 0 is none, for the first entry is in no list. */
struct client_entry {
	struct sidetrack_relay_client client;
	uint16_t next;			/* in its bucket */
	uint16_t older, newer;		/* without connections */
} __attribute__((aligned(CACHE_LINE)));

struct client_table {
	uint64_t sequence;
	uint64_t seed;			/* so that no client can aim at a bucket */
	uint32_t used;			/* entries that have been given out, and the first */
	uint16_t oldest, newest;	/* of those without connections */
	uint16_t bucket[CLIENT_BUCKETS];
	struct client_entry entry[SIDETRACK_RELAY_CLIENTS];
};

/* Where the bytes of a connection are counted. */
static inline struct sidetrack_relay_client *client_table_counters(struct client_table *table,
								   uint16_t number)
{
	return &table->entry[number].client;
}

struct client_table *client_table_create(void);
uint16_t client_table_enter(struct client_table *table, const struct endpoint *client,
			    uint64_t now_ms);
void client_table_leave(struct client_table *table, uint16_t number, uint64_t now_ms);
int client_table_read(const struct client_table *table, struct sidetrack_relay_client *out,
		      int limit);

#endif /* SIDETRACK_CLIENT_TABLE_H */
