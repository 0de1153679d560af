/* SPDX-License-Identifier: MIT */
/*
 * How many connections each client has, over all threads.
 *
 * Only counted while there is a limit for a client, which there also is while the
 * relay is more than half full; those who came before are not.  One table of fixed size with
 * open addressing: no memory is ever allocated or freed while traffic flows,
 * whatever clients do.  It is twice as large as there can be connections, up to
 * CLIENTS_MOST, so in practice it never fills; if a flood from that many
 * addresses should fill it, those who find no place are let in uncounted, for
 * turning away everybody would be the greater harm.
 *
 * One lock guards it.  It is held for a few dozen instructions, twice in a
 * connection's life; a removal moves its neighbours, which no set of atomics
 * could do, and so counts are exact.
 *
 * An IPv6 client is its /64: within that it has as many addresses as it likes.
 */
#ifndef SIDETRACK_CLIENTS_H
#define SIDETRACK_CLIENTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/endpoint.h"

#define CLIENTS_MOST (1U << 20)

struct client_slot {
	uint64_t key;
	uint32_t count;		/* 0: the slot is free */
};

struct clients {
	pthread_mutex_t lock;
	struct client_slot *slot;
	size_t mask;			/* slots, a power of two, less one */
	size_t used;
	uint64_t seed;			/* so that no client can aim at a slot */
};

enum client_verdict {
	CLIENT_COUNTED,
	CLIENT_UNCOUNTED,	/* there is no limit, or no place */
	CLIENT_REFUSED,
};

int clients_init(struct clients *clients, uint32_t connections);
enum client_verdict clients_enter(struct clients *clients, const struct endpoint *client,
				  uint32_t most);
void clients_leave(struct clients *clients, const struct endpoint *client);
void clients_release(struct clients *clients);

#endif /* SIDETRACK_CLIENTS_H */
