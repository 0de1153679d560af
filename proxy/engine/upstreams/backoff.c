// SPDX-License-Identifier: MIT
#include "upstreams/backoff.h"

#define FIRST_REST_MS 1000
#define LONGEST_REST_MS 60000
#define LONGEST_REST_FAILURES 6		/* 1 s doubled so often is more than the longest */

static uint64_t rest_ms(uint32_t failures)
{
	if (failures >= LONGEST_REST_FAILURES)
		return LONGEST_REST_MS;
	return (uint64_t)FIRST_REST_MS << failures;
}

/* Return: when it is over, 0 if there is none */
uint64_t rest_until(const struct rest *rest)
{
	return __atomic_load_n(&rest->until_ms, __ATOMIC_RELAXED);
}

/* Return: true from a failure until the next success, also once the rest is over */
bool rest_is_due(const struct rest *rest)
{
	return __atomic_load_n(&rest->failures, __ATOMIC_RELAXED) != 0;
}

/* Return: false if it rests already, perhaps since a moment ago */
static bool begin(struct rest *rest, uint64_t now_ms)
{
	uint32_t failures = __atomic_load_n(&rest->failures, __ATOMIC_RELAXED);
	uint64_t before = rest_until(rest);
	uint64_t until = now_ms + rest_ms(failures);

	if (before > now_ms)
		return false;
	if (!__atomic_compare_exchange_n(&rest->until_ms, &before, until, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	__atomic_add_fetch(&rest->failures, 1, __ATOMIC_RELAXED);
	return true;
}

/**
 * rest_begin() - It has failed
 * @rest:	Rest; if one is under way this was part of the same failure
 * @now_ms:	Time
 */
void rest_begin(struct rest *rest, uint64_t now_ms)
{
	(void)begin(rest, now_ms);
}

/* It has succeeded; nearly always there is no rest, and nothing to write. */
void rest_end(struct rest *rest)
{
	if (!rest_is_due(rest))
		return;
	__atomic_store_n(&rest->failures, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&rest->until_ms, 0, __ATOMIC_RELAXED);
}

/* It is known under another number from now on. */
void rest_copy(struct rest *to, const struct rest *from)
{
	__atomic_store_n(&to->failures, __atomic_load_n(&from->failures, __ATOMIC_RELAXED),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&to->until_ms, rest_until(from), __ATOMIC_RELAXED);
}

/**
 * rest_may_try() - May this connection try it?
 * @rest:	Rest that is over, or that never began
 * @now_ms:	Time
 *
 * Return: true if nothing speaks against it, or if this one tries for all
 */
bool rest_may_try(struct rest *rest, uint64_t now_ms)
{
	return !rest_is_due(rest) || begin(rest, now_ms);
}
