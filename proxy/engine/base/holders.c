// SPDX-License-Identifier: MIT
#include "base/holders.h"

#include <sys/random.h>

#include "base/assert.h"

/**
 * holders_init() - Get zeroed holders ready
 * @holders:	Of a thread
 *
 * Return: false without randomness
 */
bool holders_init(struct holders *holders)
{
	return getrandom(&holders->seed, sizeof(holders->seed), 0) == sizeof(holders->seed);
}

/* Return: where a client is counted; the same as long as the thread lives */
uint16_t holders_bucket(const struct holders *holders, const struct endpoint *client)
{
	uint64_t hash = endpoint_host(client) ^ holders->seed;

	/* the finaliser of MurmurHash3 */
	hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdULL;
	hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ULL;
	return (hash ^ hash >> 33) % HOLDER_BUCKETS;
}

/**
 * holders_change() - A connection holds more or less than before
 * @holders:	Of its thread
 * @bucket:	Its client's
 * @before:	Bytes
 * @now:	Bytes
 */
void holders_change(struct holders *holders, uint16_t bucket, uint64_t before, uint64_t now)
{
	uint64_t *bytes = &holders->bucket[bucket];

	ASSERT(*bytes >= before && holders->bytes >= before);
	holders->count -= *bytes != 0;
	*bytes += now - before;
	holders->count += *bytes != 0;
	holders->bytes += now - before;
}

/**
 * holders_is_over() - Is there too much, and more than its share of that a client's?
 * @holders:	Of the thread
 * @bucket:	The client's
 * @budget:	Bytes; 0 is no limit
 */
bool holders_is_over(const struct holders *holders, uint16_t bucket, uint64_t budget)
{
	return budget && holders->bytes > budget &&
	       holders->bucket[bucket] > budget / holders->count;
}
