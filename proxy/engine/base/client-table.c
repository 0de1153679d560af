// SPDX-License-Identifier: MIT
#include "base/client-table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/counters.h"

#define READ_TRIES 64
#define CLIENT_WORDS (sizeof(struct sidetrack_relay_client) / sizeof(uint64_t))

_Static_assert(sizeof(struct sidetrack_relay_client) % sizeof(uint64_t) == 0,
	       "an entry is copied word by word");
_Static_assert(SIDETRACK_RELAY_CLIENTS <= UINT16_MAX, "entries are named by 16 bits");
_Static_assert(sizeof(struct client_entry) == CACHE_LINE, "a pass touches one line of it");

/* --- the buckets --------------------------------------------------------------------- */

/* The finaliser of MurmurHash3: every bit reaches the low ones. */
static uint64_t mixed(uint64_t hash)
{
	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdULL;
	hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return hash ^ hash >> 33;
}

static uint16_t *bucket_of(struct client_table *table, const uint64_t address[2])
{
	uint64_t hash = mixed(mixed(address[0] ^ table->seed) ^ address[1]);

	return &table->bucket[hash % CLIENT_BUCKETS];
}

static uint16_t find(struct client_table *table, const uint64_t address[2])
{
	uint16_t i = *bucket_of(table, address);

	while (i && memcmp(table->entry[i].client.address, address, sizeof(uint64_t[2])))
		i = table->entry[i].next;
	return i;
}

static void leave_bucket(struct client_table *table, uint16_t number)
{
	uint16_t *link = bucket_of(table, table->entry[number].client.address);

	while (*link != number)
		link = &table->entry[*link].next;
	*link = table->entry[number].next;
}

/* --- those without connections --------------------------------------------------------- */

static void rest(struct client_table *table, uint16_t number)
{
	struct client_entry *entry = &table->entry[number];

	entry->older = table->newest;
	entry->newer = 0;
	*(table->newest ? &table->entry[table->newest].newer : &table->oldest) = number;
	table->newest = number;
}

static void rest_no_more(struct client_table *table, uint16_t number)
{
	struct client_entry *entry = &table->entry[number];

	*(entry->older ? &table->entry[entry->older].newer : &table->oldest) = entry->newer;
	*(entry->newer ? &table->entry[entry->newer].older : &table->newest) = entry->older;
}

/* --- entries ----------------------------------------------------------------------------- */

/* Released: a reader of the value also sees the odd sequence number before it. */
static void publish(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* The sum of both stays what it was. */
static void move_counters(struct sidetrack_relay_client *to, struct sidetrack_relay_client *from)
{
	ASSERT(!from->active);
#define X(name, help)							\
	publish(&to->name, to->name + from->name);			\
	publish(&from->name, 0);
	SIDETRACK_RELAY_CLIENT_COUNTERS(X)
#undef X
}

static void change_hands(struct client_table *table, uint16_t number, const uint64_t address[2])
{
	struct client_entry *entry = &table->entry[number];
	uint16_t *bucket = bucket_of(table, address);

	__atomic_store_n(&table->sequence, table->sequence + 1, __ATOMIC_RELAXED);
	move_counters(&table->entry[0].client, &entry->client);
	publish(&entry->client.address[0], address[0]);
	publish(&entry->client.address[1], address[1]);
	if (number == table->used)
		__atomic_store_n(&table->used, table->used + 1, __ATOMIC_RELEASE);
	__atomic_store_n(&table->sequence, table->sequence + 1, __ATOMIC_RELEASE);
	entry->next = *bucket;
	*bucket = number;
}

/* Return: an entry that rests for a client that has none, or 0 */
static uint16_t give(struct client_table *table, const uint64_t address[2])
{
	uint16_t number = (uint16_t)table->used;

	if (number == SIDETRACK_RELAY_CLIENTS) {
		number = table->oldest;
		if (!number)
			return 0;
		leave_bucket(table, number);
	} else {
		rest(table, number);
	}
	change_hands(table, number, address);
	return number;
}

/**
 * client_table_create() - Make an empty table
 *
 * Return: table for free(), or NULL
 */
struct client_table *client_table_create(void)
{
	struct client_table *table = memory_allocate(sizeof(*table));

	if (!table)
		return NULL;
	if (getrandom(&table->seed, sizeof(table->seed), 0) < 0) {
		free(table);
		return NULL;
	}
	table->used = 1;
	return table;
}

/**
 * client_table_enter() - A client has one more connection
 * @table:	The thread's table
 * @client:	Its address; the port is of no interest
 * @now_ms:	Unix time
 *
 * Return: number of the entry where it is counted until client_table_leave()
 */
uint16_t client_table_enter(struct client_table *table, const struct endpoint *client,
			    uint64_t now_ms)
{
	struct sidetrack_relay_client *counters;
	uint64_t address[2];
	uint16_t number;

	memcpy(address, &client->address, sizeof(address));
	number = find(table, address);
	if (!number)
		number = give(table, address);
	counters = client_table_counters(table, number);
	if (number && !counters->active)
		rest_no_more(table, number);
	counter_add(&counters->active, 1);
	counter_add(&counters->connections, 1);
	counter_set(&counters->seen_ms, now_ms);
	return number;
}

/**
 * client_table_leave() - A connection has ended
 * @table:	The thread's table
 * @number:	What client_table_enter() returned
 * @now_ms:	Unix time
 */
void client_table_leave(struct client_table *table, uint16_t number, uint64_t now_ms)
{
	struct sidetrack_relay_client *counters = client_table_counters(table, number);

	counter_subtract(&counters->active, 1);
	counter_set(&counters->seen_ms, now_ms);
	if (number && !counters->active)
		rest(table, number);
}

/* Return: false if an entry has changed hands meanwhile */
static bool read_once(const struct client_table *table, struct sidetrack_relay_client *out,
		      uint32_t count)
{
	uint64_t before = __atomic_load_n(&table->sequence, __ATOMIC_ACQUIRE);
	uint32_t i, word;

	if (before % 2)
		return false;
	for (i = 0; i < count; i++) {
		const uint64_t *from = (const uint64_t *)&table->entry[i].client;
		uint64_t *to = (uint64_t *)&out[i];

		for (word = 0; word < CLIENT_WORDS; word++)
			to[word] = __atomic_load_n(&from[word], __ATOMIC_ACQUIRE);
	}
	return __atomic_load_n(&table->sequence, __ATOMIC_RELAXED) == before;
}

/**
 * client_table_read() - Copy the table while its thread goes on counting
 * @table:	Table of any thread
 * @out:	Where to put the entries; the first is of all clients that have none
 * @limit:	How many fit
 *
 * Return: how many were copied, or -EAGAIN when entries changed hands all the time
 */
int client_table_read(const struct client_table *table, struct sidetrack_relay_client *out,
		      int limit)
{
	int tries;

	for (tries = 0; tries < READ_TRIES; tries++) {
		uint32_t count = __atomic_load_n(&table->used, __ATOMIC_ACQUIRE);

		if (limit >= 0 && count > (uint32_t)limit)
			count = (uint32_t)limit;
		if (read_once(table, out, count))
			return (int)count;
	}
	return -EAGAIN;
}
