// SPDX-License-Identifier: MIT
#include "roster.h"

#include <errno.h>

#define FIRST_REST_MS 1000
#define LONGEST_REST_MS 60000
#define LONGEST_REST_FAILURES 6		/* 1 s doubled so often is more than the longest */
#define DOUBTS_ENOUGH 3

/**
 * roster_add() - Add one more upstream behind the others
 * @roster:	Roster that no thread uses yet
 * @from:	Upstream as TypeScript wrote it
 *
 * Return: 0, -EINVAL or -ENOSPC
 */
int roster_add(struct roster *roster, const struct sidetrack_relay_upstream *from)
{
	int error;

	if (roster->count == SIDETRACK_RELAY_UPSTREAMS)
		return -ENOSPC;
	error = upstream_init(&roster->entry[roster->count].upstream, from);
	if (!error)
		roster->count++;
	return error;
}

/* --- resting ---------------------------------------------------------------------- */

static uint64_t rest_ms(uint32_t failures)
{
	if (failures >= LONGEST_REST_FAILURES)
		return LONGEST_REST_MS;
	return (uint64_t)FIRST_REST_MS << failures;
}

static uint64_t rest_until(const struct roster_entry *entry)
{
	return __atomic_load_n(&entry->rest_until_ms, __ATOMIC_RELAXED);
}

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Return: false if it rests already, perhaps since a moment ago */
static bool begin_rest(struct roster_entry *entry, uint64_t now_ms)
{
	uint64_t before = rest_until(entry);
	uint64_t until = now_ms + rest_ms(load(&entry->failures));

	if (before > now_ms)
		return false;
	if (!__atomic_compare_exchange_n(&entry->rest_until_ms, &before, until, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	__atomic_add_fetch(&entry->failures, 1, __ATOMIC_RELAXED);
	return true;
}

static void end_rest(struct roster_entry *entry)
{
	/* nearly always there is none, and nothing to write */
	if (load(&entry->failures) || load(&entry->doubts)) {
		__atomic_store_n(&entry->failures, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&entry->doubts, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&entry->rest_until_ms, 0, __ATOMIC_RELAXED);
	}
}

/* After a failure only one connection may try it again. */
static bool may_try(struct roster_entry *entry, uint64_t now_ms)
{
	return load(&entry->failures) == 0 || begin_rest(entry, now_ms);
}

/**
 * roster_judge() - Learn from what an upstream did
 * @roster:	Roster
 * @index:	Which upstream
 * @fault:	Whose fault it was
 * @now_ms:	Time
 */
void roster_judge(struct roster *roster, uint32_t index, enum fault fault, uint64_t now_ms)
{
	struct roster_entry *entry = &roster->entry[index];

	if (fault == FAULT_NONE)
		end_rest(entry);
	else if (fault == FAULT_CERTAIN ||
		 __atomic_add_fetch(&entry->doubts, 1, __ATOMIC_RELAXED) >= DOUBTS_ENOUGH)
		begin_rest(entry, now_ms);
}

/* Return: bits of those that have failed, and have not been back in favour since */
uint32_t roster_resting(const struct roster *roster)
{
	uint32_t i, set = 0;

	for (i = 0; i < roster->count; i++)
		set |= (uint32_t)(load(&roster->entry[i].failures) > 0) << i;
	return set;
}

/* --- choosing --------------------------------------------------------------------- */

/* Upstreams are named by bits: `set` is never empty here. */

static uint32_t choose_first(uint32_t set)
{
	return (uint32_t)__builtin_ctz(set);
}

/*
 * Everybody's credit grows by its weight; who has most pays what all have got.
 * So heavier upstreams come more often, and are spread between the others.
 */
static uint32_t choose_by_weight(const struct roster *roster, struct rotation *rotation,
				 uint32_t set)
{
	uint32_t i, best = choose_first(set);
	int64_t total = 0;

	for (i = 0; i < roster->count; i++) {
		if (!(set & 1U << i))
			continue;
		rotation->credit[i] += roster->entry[i].upstream.weight;
		total += roster->entry[i].upstream.weight;
		if (rotation->credit[i] > rotation->credit[best])
			best = i;
	}
	rotation->credit[best] -= total;
	return best;
}

/* a/weight(a) < b/weight(b), without fractions; one more each, so that 0 is not 0 for all */
static bool is_freer(const struct roster_entry *a, const struct roster_entry *b)
{
	return (load(&a->active) + 1ULL) * b->upstream.weight <
	       (load(&b->active) + 1ULL) * a->upstream.weight;
}

static uint32_t choose_by_connections(const struct roster *roster, uint32_t set)
{
	uint32_t i, best = choose_first(set);

	for (i = 0; i < roster->count; i++)
		if ((set & 1U << i) && is_freer(&roster->entry[i], &roster->entry[best]))
			best = i;
	return best;
}

static uint32_t choose_by_strategy(const struct roster *roster, struct rotation *rotation,
				   uint32_t set)
{
	switch (roster->strategy) {
	case STRATEGY_WEIGHTED:
		return choose_by_weight(roster, rotation, set);
	case STRATEGY_LEAST_CONNECTIONS:
		return choose_by_connections(roster, set);
	default:
		return choose_first(set);
	}
}

static uint32_t choose_by_rest(const struct roster *roster, uint32_t set)
{
	uint32_t i, best = choose_first(set);

	for (i = 0; i < roster->count; i++)
		if ((set & 1U << i) &&
		    rest_until(&roster->entry[i]) < rest_until(&roster->entry[best]))
			best = i;
	return best;
}

static uint32_t not_at_rest(const struct roster *roster, uint32_t set, uint64_t now_ms)
{
	uint32_t i;

	for (i = 0; i < roster->count; i++)
		if (rest_until(&roster->entry[i]) > now_ms)
			set &= ~(1U << i);
	return set;
}

/**
 * roster_choose() - Which upstream a connection shall try
 * @roster:	Roster
 * @rotation:	The thread's
 * @tried:	Bits of those that have failed this connection already
 * @now_ms:	Time
 *
 * The choice counts as active there until roster_leave().
 *
 * Return: its number, or -1 if none is left
 */
int roster_choose(struct roster *roster, struct rotation *rotation, uint32_t tried,
		  uint64_t now_ms)
{
	uint32_t left = ((1U << roster->count) - 1) & ~tried;
	uint32_t set = not_at_rest(roster, left, now_ms);
	uint32_t chosen;

	if (!left)
		return -1;
	chosen = choose_by_rest(roster, left);
	while (set) {
		uint32_t candidate = choose_by_strategy(roster, rotation, set);

		if (may_try(&roster->entry[candidate], now_ms)) {
			chosen = candidate;
			break;
		}
		set &= ~(1U << candidate);
	}
	__atomic_add_fetch(&roster->entry[chosen].active, 1, __ATOMIC_RELAXED);
	return (int)chosen;
}

void roster_leave(struct roster *roster, uint32_t index)
{
	__atomic_sub_fetch(&roster->entry[index].active, 1, __ATOMIC_RELAXED);
}
