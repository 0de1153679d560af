// SPDX-License-Identifier: MIT
#include "connection/clients.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/assert.h"

#define CLIENTS_LEAST 64

/* The finaliser of MurmurHash3: every bit of the key reaches the low bits. */
static size_t client_home(const struct clients *clients, uint64_t key)
{
	uint64_t hash = key ^ clients->seed;

	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdULL;
	hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return (size_t)(hash ^ hash >> 33) & clients->mask;
}

/* Return: the client's slot, or the free one where it belongs */
static size_t client_find(const struct clients *clients, uint64_t key)
{
	size_t i = client_home(clients, key);

	while (clients->slot[i].count && clients->slot[i].key != key)
		i = (i + 1) & clients->mask;
	return i;
}

/* A client that was pushed behind the slot @hole by the one there moves up. */
static void client_remove(struct clients *clients, size_t hole)
{
	size_t i = hole;

	ASSERT(clients->used > 0);
	clients->slot[hole].count = 0;
	clients->used--;
	for (;;) {
		size_t home;

		i = (i + 1) & clients->mask;
		if (!clients->slot[i].count)
			return;
		home = client_home(clients, clients->slot[i].key);
		if (((i - home) & clients->mask) < ((i - hole) & clients->mask))
			continue;	/* between its home and here there is no hole */
		clients->slot[hole] = clients->slot[i];
		clients->slot[i].count = 0;
		hole = i;
	}
}

/**
 * clients_init() - Get a zeroed table ready
 * @clients:		Table
 * @connections:	How many there can be at all
 *
 * Return: 0 or -errno; clients_release() is due either way
 */
int clients_init(struct clients *clients, uint32_t connections)
{
	size_t slots = CLIENTS_LEAST;

	pthread_mutex_init(&clients->lock, NULL);
	while (slots < CLIENTS_MOST && slots / 2 < connections)
		slots *= 2;
	clients->mask = slots - 1;
	if (getrandom(&clients->seed, sizeof(clients->seed), 0) < 0)
		return -errno;
	/* untouched pages of it cost nothing */
	clients->slot = calloc(slots, sizeof(*clients->slot));
	return clients->slot ? 0 : -ENOMEM;
}

static enum client_verdict client_enter(struct clients *clients, uint64_t key, uint32_t most)
{
	struct client_slot *slot = &clients->slot[client_find(clients, key)];

	if (slot->count >= most)
		return CLIENT_REFUSED;
	if (!slot->count) {
		/* a quarter stays free, so that searches stay short and end */
		if (clients->used >= clients->mask - clients->mask / 4)
			return CLIENT_UNCOUNTED;
		slot->key = key;
		clients->used++;
	}
	slot->count++;
	return CLIENT_COUNTED;
}

/**
 * clients_enter() - A client has one more connection
 * @clients:	Table
 * @client:	Its address; the port is of no interest
 * @most:	Connections that it may have; 0 is no limit
 *
 * Return: what became of it; clients_leave() is due for CLIENT_COUNTED only
 */
enum client_verdict clients_enter(struct clients *clients, const struct endpoint *client,
				  uint32_t most)
{
	enum client_verdict verdict;

	if (!most)
		return CLIENT_UNCOUNTED;
	pthread_mutex_lock(&clients->lock);
	verdict = client_enter(clients, endpoint_host(client), most);
	pthread_mutex_unlock(&clients->lock);
	return verdict;
}

/* A connection that was counted is gone. */
void clients_leave(struct clients *clients, const struct endpoint *client)
{
	size_t i;

	pthread_mutex_lock(&clients->lock);
	i = client_find(clients, endpoint_host(client));
	ASSERT(clients->slot[i].count > 0);
	if (--clients->slot[i].count == 0)
		client_remove(clients, i);
	pthread_mutex_unlock(&clients->lock);
}

void clients_release(struct clients *clients)
{
	free(clients->slot);
	clients->slot = NULL;
	pthread_mutex_destroy(&clients->lock);
}
