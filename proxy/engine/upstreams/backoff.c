// SPDX-License-Identifier: MIT
#include "upstreams/backoff.h"

#define FIRST_REST_MS 1000
#define LONGEST_REST_MS 60000
#define LONGEST_REST_FAILURES 6		/* 1 s doubled so often is more than the longest */

static uint64_t backoff_ms(uint32_t failures)
{
	if (failures >= LONGEST_REST_FAILURES)
		return LONGEST_REST_MS;
	return (uint64_t)FIRST_REST_MS << failures;
}

/* Return: when it is over, 0 if there is none */
uint64_t backoff_until(const struct backoff *backoff)
{
	return __atomic_load_n(&backoff->until_ms, __ATOMIC_RELAXED);
}

/* Return: true from a failure until the next success, also once the time is over */
bool backoff_is_due(const struct backoff *backoff)
{
	return __atomic_load_n(&backoff->failures, __ATOMIC_RELAXED) != 0;
}

/* Return: false if it has begun already, perhaps since a moment ago */
static bool begin(struct backoff *backoff, uint64_t now_ms)
{
	uint32_t failures = __atomic_load_n(&backoff->failures, __ATOMIC_RELAXED);
	uint64_t before = backoff_until(backoff);
	uint64_t until = now_ms + backoff_ms(failures);

	if (before > now_ms)
		return false;
	if (!__atomic_compare_exchange_n(&backoff->until_ms, &before, until, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	__atomic_add_fetch(&backoff->failures, 1, __ATOMIC_RELAXED);
	return true;
}

/**
 * backoff_begin() - It has failed
 * @backoff:	If one is under way this was part of the same failure
 * @now_ms:	Time
 */
void backoff_begin(struct backoff *backoff, uint64_t now_ms)
{
	(void)begin(backoff, now_ms);
}

/* It has succeeded; nearly always there is none, and nothing to write. */
void backoff_end(struct backoff *backoff)
{
	if (!backoff_is_due(backoff))
		return;
	__atomic_store_n(&backoff->failures, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&backoff->until_ms, 0, __ATOMIC_RELAXED);
}

/* It is known under another number from now on. */
void backoff_copy(struct backoff *to, const struct backoff *from)
{
	__atomic_store_n(&to->failures, __atomic_load_n(&from->failures, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&to->until_ms, backoff_until(from), __ATOMIC_RELAXED);
}

/**
 * backoff_may_try() - May this connection try it?
 * @backoff:	One that is over, or that never began
 * @now_ms:	Time
 *
 * Return: true if nothing speaks against it, or if this one tries for all
 */
bool backoff_may_try(struct backoff *backoff, uint64_t now_ms)
{
	return !backoff_is_due(backoff) || begin(backoff, now_ms);
}
