// SPDX-License-Identifier: MIT
#include "upstreams/upstream-set.h"

#include <errno.h>

#define DOUBTS_ENOUGH 3

/* Return: number of the upstream that is counted there, or -1 */
int roster_find(const struct roster *roster, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < roster->count; i++)
		if (roster->entry[i].upstream.slot == slot)
			return (int)i;
	return -1;
}

static void note_families(struct roster *roster, uint32_t index)
{
	int family;

	for (family = 0; family < FAMILIES; family++)
		if (upstream_carries(&roster->entry[index].upstream, (enum family)family))
			roster->carries[family] |= 1U << index;
}

/**
 * roster_add() - Add one more upstream behind the others
 * @roster:	Roster that no thread uses yet
 * @from:	Upstream as TypeScript wrote it
 *
 * Return: 0, -EINVAL or -ENOSPC
 */
int roster_add(struct roster *roster, const struct sidetrack_relay_upstream *from)
{
	struct roster_entry *entry;
	int error;

	if (roster->count == SIDETRACK_RELAY_UPSTREAMS)
		return -ENOSPC;
	if (from->slot >= SIDETRACK_RELAY_UPSTREAM_SLOTS || roster_find(roster, from->slot) >= 0)
		return -EINVAL;
	entry = &roster->entry[roster->count];
	error = upstream_init(&entry->upstream, from);
	if (error)
		return error;
	entry->health = &roster->health[from->slot];
	note_families(roster, roster->count++);
	return 0;
}

/* Return: 0, or -EINVAL; on a roster that no thread uses yet */
int roster_set_addresses(struct roster *roster, uint32_t index, const uint8_t *addresses,
			 size_t length)
{
	int error = upstream_set_addresses(&roster->entry[index].upstream, addresses, length);

	note_families(roster, index);
	return error;
}

/* --- health ----------------------------------------------------------------------- */

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* Return: the upstream as it was before, but for its addresses; NULL if it is another */
static const struct upstream *find_kin(const struct roster *roster,
				       const struct upstream *upstream)
{
	int index = roster ? roster_find(roster, upstream->slot) : -1;

	if (index < 0 || !upstream_is_kin(&roster->entry[index].upstream, upstream))
		return NULL;
	return &roster->entry[index].upstream;
}

/**
 * roster_inherit() - Take over what is known of upstreams that have not changed
 * @roster:	Complete roster that no thread uses yet
 * @before:	The one in use, or NULL
 */
void roster_inherit(struct roster *roster, const struct roster *before)
{
	uint32_t i;

	for (i = 0; i < roster->count; i++) {
		struct roster_entry *entry = &roster->entry[i];
		const struct upstream *was = find_kin(before, &entry->upstream);

		if (!was)
			health_renew(entry->health);
		else if (!upstream_is_same(was, &entry->upstream))
			health_carry_over(entry->health, was, &entry->upstream);
		entry->edition = load(&entry->health->edition);
	}
}

/* What an older generation learns of an upstream that has changed is of no use. */
static bool is_current(const struct roster_entry *entry)
{
	return load(&entry->health->edition) == entry->edition;
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
	struct health *health = roster->entry[index].health;

	if (!is_current(&roster->entry[index]))
		return;
	if (fault == FAULT_NONE) {
		if (!health_is_silent(health))
			rest_end(&health->rest);
		if (load(&health->doubts))
			__atomic_store_n(&health->doubts, 0, __ATOMIC_RELAXED);
	} else if (fault == FAULT_CERTAIN ||
		   __atomic_add_fetch(&health->doubts, 1, __ATOMIC_RELAXED) >= DOUBTS_ENOUGH) {
		rest_begin(&health->rest, now_ms);
	}
}

/* Return: bits of families that probes find out about, and that the upstream is to carry */
static uint32_t probed_families(const struct roster *roster, uint32_t index)
{
	return roster->probed & roster->entry[index].upstream.families;
}

/* Return: of these, those whose last probe failed; what earlier probes found is past */
uint32_t roster_lacking(const struct roster *roster, uint32_t index)
{
	return health_lacking(roster->entry[index].health) & probed_families(roster, index);
}

/**
 * roster_judge_probe() - Learn from what a probe found out
 * @roster:	Roster
 * @index:	Which upstream
 * @family:	Of the probe's destination
 * @fault:	FAULT_NONE, or FAULT_CERTAIN
 * @now_ms:	Time
 *
 * As long as one family works, only the other is left out.
 */
void roster_judge_probe(struct roster *roster, uint32_t index, enum family family,
			enum fault fault, uint64_t now_ms)
{
	struct health *health = roster->entry[index].health;

	if (!is_current(&roster->entry[index]))
		return;
	health_judge_family(health, family, fault != FAULT_NONE);
	if (fault == FAULT_NONE && roster->answered)
		health_hear_byte(health);
	if (fault == FAULT_NONE || roster_lacking(roster, index) == probed_families(roster, index))
		roster_judge(roster, index, fault, now_ms);
}

/* It said yes and hung up before a single byte, though the client had spoken. */
void roster_hear_nothing(struct roster *roster, uint32_t index,
			 const struct endpoint *destination, uint64_t now_ms)
{
	struct roster_entry *entry = &roster->entry[index];

	if (entry->upstream.kind == UPSTREAM_DIRECT || !is_current(entry))
		return;
	if (health_hear_nothing(entry->health, destination))
		rest_begin(&entry->health->rest, now_ms);
}

/* The first byte of a connection has come through it. */
void roster_hear_byte(struct roster *roster, uint32_t index)
{
	struct roster_entry *entry = &roster->entry[index];

	if (is_current(entry) && health_hear_byte(entry->health))
		rest_end(&entry->health->rest);
}

void roster_forbid(struct roster *roster, uint32_t index, uint16_t port)
{
	if (is_current(&roster->entry[index]))
		health_forbid(roster->entry[index].health, port);
}

/* The same for one of its addresses, which matters if there are several. */
void roster_judge_address(struct roster *roster, uint32_t index, uint32_t address, bool reached,
			  uint64_t now_ms)
{
	struct roster_entry *entry = &roster->entry[index];

	if (entry->upstream.address_count < 2 || !is_current(entry))
		return;
	if (reached)
		rest_end(&entry->health->address[address]);
	else
		rest_begin(&entry->health->address[address], now_ms);
}

/*
 * After a failure only one connection may try it again; where probes do that, none.
 * A probe that wants no answer does not hear that there is none.
 */
static bool may_try(const struct roster *roster, uint32_t index, uint64_t now_ms)
{
	struct health *health = roster->entry[index].health;

	if (roster->probed && (roster->answered || !health_is_silent(health)))
		return !rest_is_due(&health->rest);
	return rest_may_try(&health->rest, now_ms);
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
	return (load(&a->health->active) + 1ULL) * b->upstream.weight <
	       (load(&b->health->active) + 1ULL) * a->upstream.weight;
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
		    rest_until(&roster->entry[i].health->rest) <
			    rest_until(&roster->entry[best].health->rest))
			best = i;
	return best;
}

static uint32_t not_at_rest(const struct roster *roster, uint32_t set, uint64_t now_ms)
{
	uint32_t i;

	for (i = 0; i < roster->count; i++)
		if (rest_until(&roster->entry[i].health->rest) > now_ms)
			set &= ~(1U << i);
	return set;
}

/* Those whose last probe for this family did not fail, unless that is none of them. */
static uint32_t not_lacking(const struct roster *roster, enum family family, uint32_t set)
{
	uint32_t i, left = set;

	for (i = 0; i < roster->count; i++)
		if (roster_lacking(roster, i) & 1U << family)
			left &= ~(1U << i);
	return left ? left : set;
}

/**
 * roster_choose() - Which upstream a connection shall try
 * @roster:	Roster
 * @rotation:	The thread's
 * @family:	Of the destination
 * @tried:	Bits of those that have failed this connection, or are not for it
 * @now_ms:	Time
 *
 * The choice counts as active there until roster_leave().
 *
 * Return: its number, or -1 if none is left
 */
int roster_choose(struct roster *roster, struct rotation *rotation, enum family family,
		  uint32_t tried, uint64_t now_ms)
{
	uint32_t left = not_lacking(roster, family, ((1U << roster->count) - 1) & ~tried);
	uint32_t set = not_at_rest(roster, left, now_ms);
	uint32_t chosen;

	if (!left)
		return -1;
	chosen = choose_by_rest(roster, left);
	while (set) {
		uint32_t candidate = choose_by_strategy(roster, rotation, set);

		if (may_try(roster, candidate, now_ms)) {
			chosen = candidate;
			break;
		}
		set &= ~(1U << candidate);
	}
	__atomic_add_fetch(&roster->entry[chosen].health->active, 1, __ATOMIC_RELAXED);
	return (int)chosen;
}

void roster_leave(struct roster *roster, uint32_t index)
{
	__atomic_sub_fetch(&roster->entry[index].health->active, 1, __ATOMIC_RELAXED);
}

/**
 * roster_choose_address() - Which of an upstream's addresses to dial
 * @roster:	Roster
 * @rotation:	The thread's
 * @index:	Upstream that has one not yet tried
 * @tried:	Bits of those that have failed this attempt already
 * @now_ms:	Time
 *
 * Return: its number; one at rest only if all that are left are
 */
uint32_t roster_choose_address(struct roster *roster, struct rotation *rotation, uint32_t index,
			       uint32_t tried, uint64_t now_ms)
{
	const struct roster_entry *entry = &roster->entry[index];
	uint32_t count = entry->upstream.address_count, i, best = 0;
	uint64_t best_until = UINT64_MAX;
	uint32_t turn;

	if (count < 2)
		return 0;
	turn = rotation->address[index]++;
	for (i = 0; i < count; i++) {
		uint32_t address = (turn + i) % count;
		struct rest *rest = &entry->health->address[address];
		uint64_t until = rest_until(rest);

		if (tried & 1U << address)
			continue;
		if (until <= now_ms && rest_may_try(rest, now_ms))
			return address;
		if (until < best_until) {
			best = address;
			best_until = until;
		}
	}
	return best;
}
