// SPDX-License-Identifier: MIT
#include "upstreams/upstream-set.h"

#include <errno.h>

#include "base/assert.h"

#define DOUBTS_ENOUGH 3

/* Return: number of the upstream that is counted there, or -1 */
int upstreams_find(const struct upstream_set *upstreams, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < upstreams->count; i++)
		if (upstreams->entry[i].upstream.slot == slot)
			return (int)i;
	return -1;
}

static void note_families(struct upstream_set *upstreams, uint32_t index)
{
	int family;

	for (family = 0; family < FAMILIES; family++)
		if (upstream_carries(&upstreams->entry[index].upstream, (enum family)family))
			upstreams->carries[family] |= 1U << index;
}

/**
 * upstreams_add() - Add one more upstream behind the others
 * @upstreams:	Set that no thread uses yet
 * @from:	Upstream as TypeScript wrote it
 *
 * Return: 0, -EINVAL or -ENOSPC
 */
int upstreams_add(struct upstream_set *upstreams, const struct sidetrack_relay_upstream *from)
{
	struct upstream_entry *entry;
	int error;

	if (upstreams->count == SIDETRACK_RELAY_UPSTREAMS)
		return -ENOSPC;
	if (from->slot >= SIDETRACK_RELAY_UPSTREAM_SLOTS ||
	    upstreams_find(upstreams, from->slot) >= 0)
		return -EINVAL;
	entry = &upstreams->entry[upstreams->count];
	error = upstream_init(&entry->upstream, from);
	if (error)
		return error;
	entry->health = &upstreams->health[from->slot];
	note_families(upstreams, upstreams->count++);
	return 0;
}

/* Return: 0, or -EINVAL; on a set that no thread uses yet */
int upstreams_set_addresses(struct upstream_set *upstreams, uint32_t index,
			    const uint8_t *addresses, size_t length)
{
	int error = upstream_set_addresses(&upstreams->entry[index].upstream, addresses, length);

	note_families(upstreams, index);
	return error;
}

/* --- health ----------------------------------------------------------------------- */

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Return: the upstream as it was before, but for its addresses; NULL if it is another */
static const struct upstream *find_kin(const struct upstream_set *upstreams,
				       const struct upstream *upstream)
{
	int index = upstreams ? upstreams_find(upstreams, upstream->slot) : -1;

	if (index < 0 || !upstream_is_kin(&upstreams->entry[index].upstream, upstream))
		return NULL;
	return &upstreams->entry[index].upstream;
}

/**
 * upstreams_inherit() - Take over what is known of upstreams that have not changed
 * @upstreams:	Complete set that no thread uses yet
 * @before:	The one in use, or NULL
 */
void upstreams_inherit(struct upstream_set *upstreams, const struct upstream_set *before)
{
	uint32_t i;

	for (i = 0; i < upstreams->count; i++) {
		struct upstream_entry *entry = &upstreams->entry[i];
		const struct upstream *was = find_kin(before, &entry->upstream);

		if (!was)
			health_renew(entry->health);
		else if (!upstream_is_same(was, &entry->upstream))
			health_carry_over(entry->health, was, &entry->upstream);
		entry->epoch = load(&entry->health->epoch);
	}
}

/* What an older generation learns of an upstream that has changed is of no use. */
static bool is_current(const struct upstream_entry *entry)
{
	return load(&entry->health->epoch) == entry->epoch;
}

/**
 * upstreams_judge() - Learn from what an upstream did
 * @upstreams:	Set
 * @index:	Which upstream
 * @fault:	Whose fault it was
 * @now_ms:	Time
 */
void upstreams_judge(struct upstream_set *upstreams, uint32_t index, enum fault fault,
		     uint64_t now_ms)
{
	struct health *health = upstreams->entry[index].health;

	if (!is_current(&upstreams->entry[index]))
		return;
	if (fault == FAULT_NONE) {
		if (!health_is_silent(health))
			backoff_end(&health->backoff);
		if (load(&health->doubts))
			__atomic_store_n(&health->doubts, 0, __ATOMIC_RELAXED);
	} else if (fault == FAULT_CERTAIN ||
		   __atomic_add_fetch(&health->doubts, 1, __ATOMIC_RELAXED) >= DOUBTS_ENOUGH) {
		backoff_begin(&health->backoff, now_ms);
	}
}

/* Return: bits of families that probes find out about, and that the upstream is to carry */
static uint32_t probed_families(const struct upstream_set *upstreams, uint32_t index)
{
	return upstreams->probed & upstreams->entry[index].upstream.families;
}

/* Return: of these, those whose last probe failed; what earlier probes found is past */
uint32_t upstreams_lacking(const struct upstream_set *upstreams, uint32_t index)
{
	return health_lacking(upstreams->entry[index].health) & probed_families(upstreams, index);
}

/**
 * upstreams_judge_probe() - Learn from what a probe found out
 * @upstreams:	Set
 * @index:	Which upstream
 * @family:	Of the probe's destination
 * @fault:	FAULT_NONE, or FAULT_CERTAIN
 * @now_ms:	Time
 *
 * As long as one family works, only the other is left out.
 */
void upstreams_judge_probe(struct upstream_set *upstreams, uint32_t index, enum family family,
			   enum fault fault, uint64_t now_ms)
{
	struct health *health = upstreams->entry[index].health;

	if (!is_current(&upstreams->entry[index]))
		return;
	health_judge_family(health, family, fault != FAULT_NONE);
	if (fault == FAULT_NONE && upstreams->answered)
		health_hear_byte(health);
	if (fault == FAULT_NONE ||
	    upstreams_lacking(upstreams, index) == probed_families(upstreams, index))
		upstreams_judge(upstreams, index, fault, now_ms);
}

/* It said yes and hung up before a single byte, though the client had spoken. */
void upstreams_hear_nothing(struct upstream_set *upstreams, uint32_t index,
			    const struct endpoint *destination, uint64_t now_ms)
{
	struct upstream_entry *entry = &upstreams->entry[index];

	if (entry->upstream.kind == UPSTREAM_DIRECT || !is_current(entry))
		return;
	if (health_hear_nothing(entry->health, destination))
		backoff_begin(&entry->health->backoff, now_ms);
}

/* The first byte of a connection has come through it. */
void upstreams_hear_byte(struct upstream_set *upstreams, uint32_t index)
{
	struct upstream_entry *entry = &upstreams->entry[index];

	if (is_current(entry) && health_hear_byte(entry->health))
		backoff_end(&entry->health->backoff);
}

void upstreams_forbid(struct upstream_set *upstreams, uint32_t index, uint16_t port)
{
	if (is_current(&upstreams->entry[index]))
		health_forbid(upstreams->entry[index].health, port);
}

/* The same for one of its addresses, which matters if there are several. */
void upstreams_judge_address(struct upstream_set *upstreams, uint32_t index, uint32_t address,
			     bool reached, uint64_t now_ms)
{
	struct upstream_entry *entry = &upstreams->entry[index];

	if (entry->upstream.address_count < 2 || !is_current(entry))
		return;
	if (reached)
		backoff_end(&entry->health->address[address]);
	else
		backoff_begin(&entry->health->address[address], now_ms);
}

/*
 * After a failure only one connection may try it again; where probes do that, none.
 * A probe that wants no answer does not hear that there is none.
 */
static bool may_try(const struct upstream_set *upstreams, uint32_t index, uint64_t now_ms)
{
	struct health *health = upstreams->entry[index].health;

	if (upstreams->probed && (upstreams->answered || !health_is_silent(health)))
		return !backoff_is_due(&health->backoff);
	return backoff_may_try(&health->backoff, now_ms);
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
static uint32_t choose_by_weight(const struct upstream_set *upstreams, struct rotation *rotation,
				 uint32_t set)
{
	uint32_t i, best = choose_first(set);
	int64_t total = 0;

	for (i = 0; i < upstreams->count; i++) {
		if (!(set & 1U << i))
			continue;
		rotation->credit[i] += upstreams->entry[i].upstream.weight;
		total += upstreams->entry[i].upstream.weight;
		if (rotation->credit[i] > rotation->credit[best])
			best = i;
	}
	rotation->credit[best] -= total;
	return best;
}

/* a/weight(a) < b/weight(b), without fractions; one more each, so that 0 is not 0 for all */
static bool is_freer(const struct upstream_entry *a, const struct upstream_entry *b)
{
	return (load(&a->health->active) + 1ULL) * b->upstream.weight <
	       (load(&b->health->active) + 1ULL) * a->upstream.weight;
}

static uint32_t choose_by_connections(const struct upstream_set *upstreams, uint32_t set)
{
	uint32_t i, best = choose_first(set);

	for (i = 0; i < upstreams->count; i++)
		if ((set & 1U << i) && is_freer(&upstreams->entry[i], &upstreams->entry[best]))
			best = i;
	return best;
}

static uint32_t choose_by_strategy(const struct upstream_set *upstreams, struct rotation *rotation,
				   uint32_t set)
{
	switch (upstreams->strategy) {
	case STRATEGY_WEIGHTED:
		return choose_by_weight(upstreams, rotation, set);
	case STRATEGY_LEAST_CONNECTIONS:
		return choose_by_connections(upstreams, set);
	default:
		return choose_first(set);
	}
}

static uint32_t choose_by_backoff(const struct upstream_set *upstreams, uint32_t set)
{
	uint32_t i, best = choose_first(set);

	for (i = 0; i < upstreams->count; i++)
		if ((set & 1U << i) &&
		    backoff_until(&upstreams->entry[i].health->backoff) <
			    backoff_until(&upstreams->entry[best].health->backoff))
			best = i;
	return best;
}

static uint32_t not_backing_off(const struct upstream_set *upstreams, uint32_t set, uint64_t now_ms)
{
	uint32_t i;

	for (i = 0; i < upstreams->count; i++)
		if (backoff_until(&upstreams->entry[i].health->backoff) > now_ms)
			set &= ~(1U << i);
	return set;
}

/* Those whose last probe for this family did not fail, unless that is none of them. */
static uint32_t not_lacking(const struct upstream_set *upstreams, enum family family, uint32_t set)
{
	uint32_t i, left = set;

	for (i = 0; i < upstreams->count; i++)
		if (upstreams_lacking(upstreams, i) & 1U << family)
			left &= ~(1U << i);
	return left ? left : set;
}

/**
 * upstreams_choose() - Which upstream a connection shall try
 * @upstreams:	Set
 * @rotation:	The thread's
 * @family:	Of the destination
 * @tried:	Bits of those that have failed this connection, or are not for it
 * @now_ms:	Time
 *
 * The choice counts as active there until upstreams_leave().
 *
 * Return: its number, or -1 if none is left
 */
int upstreams_choose(struct upstream_set *upstreams, struct rotation *rotation, enum family family,
		     uint32_t tried, uint64_t now_ms)
{
	uint32_t left = not_lacking(upstreams, family, ((1U << upstreams->count) - 1) & ~tried);
	uint32_t set = not_backing_off(upstreams, left, now_ms);
	uint32_t chosen;

	if (!left)
		return -1;
	chosen = choose_by_backoff(upstreams, left);
	while (set) {
		uint32_t candidate = choose_by_strategy(upstreams, rotation, set);

		if (may_try(upstreams, candidate, now_ms)) {
			chosen = candidate;
			break;
		}
		set &= ~(1U << candidate);
	}
	__atomic_add_fetch(&upstreams->entry[chosen].health->active, 1, __ATOMIC_RELAXED);
	return (int)chosen;
}

void upstreams_leave(struct upstream_set *upstreams, uint32_t index)
{
	uint32_t before = __atomic_fetch_sub(&upstreams->entry[index].health->active, 1,
					     __ATOMIC_RELAXED);

	ASSERT(before > 0);
}

/**
 * upstreams_choose_address() - Which of an upstream's addresses to dial
 * @upstreams:	Set
 * @rotation:	The thread's
 * @index:	Upstream that has one not yet tried
 * @tried:	Bits of those that have been tried already
 * @now_ms:	Time
 *
 * Return: its number; one that is backing off only if all that are left are
 */
uint32_t upstreams_choose_address(struct upstream_set *upstreams, struct rotation *rotation,
				  uint32_t index, uint32_t tried, uint64_t now_ms)
{
	const struct upstream_entry *entry = &upstreams->entry[index];
	uint32_t count = entry->upstream.address_count, i, best = 0;
	uint64_t best_until = UINT64_MAX;
	uint32_t turn;

	if (count < 2)
		return 0;
	turn = rotation->address[index]++;
	for (i = 0; i < count; i++) {
		uint32_t address = (turn + i) % count;
		struct backoff *backoff = &entry->health->address[address];
		uint64_t until = backoff_until(backoff);

		if (tried & 1U << address)
			continue;
		if (until <= now_ms && backoff_may_try(backoff, now_ms))
			return address;
		if (until < best_until) {
			best = address;
			best_until = until;
		}
	}
	return best;
}
