// SPDX-License-Identifier: MIT
#include "base/recent.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(struct sidetrack_relay_record) % sizeof(uint64_t) == 0,
	       "a record is copied word by word");

static void slot_write(struct recent_slot *slot, const struct sidetrack_relay_record *record)
{
	uint64_t sequence = __atomic_load_n(&slot->sequence, __ATOMIC_RELAXED);
	uint64_t word[RECORD_WORDS];
	size_t i;

	memcpy(word, record, sizeof(word));
	__atomic_store_n(&slot->sequence, sequence + 1, __ATOMIC_RELAXED);
	/* each word released: a reader of one of them also sees the odd number */
	for (i = 0; i < RECORD_WORDS; i++)
		__atomic_store_n(&slot->word[i], word[i], __ATOMIC_RELEASE);
	__atomic_store_n(&slot->sequence, sequence + 2, __ATOMIC_RELEASE);
}

static bool slot_read(const struct recent_slot *slot, struct sidetrack_relay_record *out)
{
	uint64_t before = __atomic_load_n(&slot->sequence, __ATOMIC_ACQUIRE);
	uint64_t word[RECORD_WORDS];
	size_t i;

	if (before == 0 || before % 2)
		return false;
	for (i = 0; i < RECORD_WORDS; i++)
		word[i] = __atomic_load_n(&slot->word[i], __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&slot->sequence, __ATOMIC_RELAXED) != before)
		return false;
	memcpy(out, word, sizeof(word));
	return true;
}

/**
 * recent_begin() - Note a new connection, in the place of the oldest one
 * @recent:	The thread's list
 * @record:	What is known of it
 *
 * Return: number to pass to recent_update()
 */
uint64_t recent_begin(struct recent *recent, const struct sidetrack_relay_record *record)
{
	uint64_t number = recent->count++;

	slot_write(&recent->slot[number % SIDETRACK_RELAY_RECENT], record);
	return number;
}

/**
 * recent_update() - Say more about a connection, unless its place is taken
 * @recent:	The thread's list
 * @number:	What recent_begin() returned
 * @record:	What is known by now
 */
void recent_update(struct recent *recent, uint64_t number,
		   const struct sidetrack_relay_record *record)
{
	if (recent->count - number > SIDETRACK_RELAY_RECENT)
		return;
	slot_write(&recent->slot[number % SIDETRACK_RELAY_RECENT], record);
}

/**
 * recent_read() - Copy the list, in no particular order
 * @recent:	List of any thread
 * @out:	Where to put the records
 * @limit:	How many fit
 *
 * Return: how many were copied
 */
int recent_read(const struct recent *recent, struct sidetrack_relay_record *out, int limit)
{
	int copied = 0;
	size_t i;

	for (i = 0; i < SIDETRACK_RELAY_RECENT && copied < limit; i++)
		copied += slot_read(&recent->slot[i], &out[copied]);
	return copied;
}
