// SPDX-License-Identifier: MIT
#include "upstreams/health.h"

#include "base/endpoint.h"
#include "upstreams/upstream.h"

#define SILENCE_ENOUGH 6	/* three destinations, or one five times */

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* --- another upstream -------------------------------------------------------------- */

/* Nothing is known of it yet.  Its connections of older generations still count. */
void health_renew(struct health *health)
{
	uint32_t i;

	backoff_end(&health->backoff);
	for (i = 0; i < SIDETRACK_RELAY_ADDRESSES; i++)
		backoff_end(&health->address[i]);
	for (i = 0; i < SIDETRACK_RELAY_FORBIDDEN_PORTS; i++)
		store(&health->forbidden[i], 0);
	store(&health->doubts, 0);
	store(&health->silence, 0);
	store(&health->lacking, 0);
	store(&health->carrying, 0);
	__atomic_add_fetch(&health->epoch, 1, __ATOMIC_RELAXED);
}

/* A single address has no backoff of its own: the upstream's is the same thing. */
static const struct backoff *address_backoff(const struct health *health,
					     const struct upstream *upstream, int address)
{
	return upstream->address_count == 1 ? &health->backoff : &health->address[address];
}

/*
 * Some addresses have come or gone: the others keep their backoff, under their new
 * numbers.  One that has come deserves a try, so the upstream as a whole is tried again.
 */
void health_carry_over(struct health *health, const struct upstream *before,
		       const struct upstream *after)
{
	struct backoff kept[SIDETRACK_RELAY_ADDRESSES] = { 0 };
	bool fresh = false;
	uint32_t i;

	for (i = 0; i < after->address_count; i++) {
		int address = upstream_find_address(before, &after->address[i]);

		if (address < 0)
			fresh = true;
		else
			backoff_copy(&kept[i], address_backoff(health, before, address));
	}
	if (fresh)
		health_renew(health);
	else
		__atomic_add_fetch(&health->epoch, 1, __ATOMIC_RELAXED);
	for (i = 0; i < after->address_count; i++)
		backoff_copy(&health->address[i], &kept[i]);
	if (after->address_count == 1)
		backoff_copy(&health->backoff, &kept[0]);
}

/* --- silence ------------------------------------------------------------------------ */

/* Return: true if it has hung up so often without a byte that it must be at fault */
bool health_is_silent(const struct health *health)
{
	return load(&health->silence) >= SILENCE_ENOUGH;
}

/* Equal for equal destinations, and hardly ever for others. */
static uint32_t number_of(const struct endpoint *destination)
{
	uint32_t number = destination->port, i;

	for (i = 0; i < 4; i++)
		number = (number ^ destination->address.s6_addr32[i]) * 2654435761U;
	return number;
}

/* Return: true if that was once too often */
bool health_hear_nothing(struct health *health, const struct endpoint *destination)
{
	uint32_t number = number_of(destination);
	bool another = __atomic_exchange_n(&health->silent, number, __ATOMIC_RELAXED) != number;

	if (load(&health->silence) < SILENCE_ENOUGH)	/* it shall not wrap */
		__atomic_add_fetch(&health->silence, another ? 2 : 1, __ATOMIC_RELAXED);
	return health_is_silent(health);
}

/* Return: true if it had been silent for too long */
bool health_hear_byte(struct health *health)
{
	bool silent = health_is_silent(health);

	if (load(&health->silence)) {
		store(&health->silence, 0);
		store(&health->silent, 0);
	}
	return silent;
}

/* --- families and ports --------------------------------------------------------------- */

static void set_bits(uint32_t *word, uint32_t bits, bool on)
{
	if (on)
		__atomic_or_fetch(word, bits, __ATOMIC_RELAXED);
	else if (load(word) & bits)
		__atomic_and_fetch(word, ~bits, __ATOMIC_RELAXED);
}

/* A probe has found out whether it carries the family. */
void health_judge_family(struct health *health, enum family family, bool lacking)
{
	set_bits(&health->lacking, 1U << family, lacking);
	set_bits(&health->carrying, 1U << family, !lacking);
}

/* Return: bits of families */
uint32_t health_lacking(const struct health *health)
{
	return load(&health->lacking);
}

/* Return: bits of families */
uint32_t health_carrying(const struct health *health)
{
	return load(&health->carrying);
}

/* It would not connect to that port; the first few are kept. */
void health_forbid(struct health *health, uint16_t port)
{
	uint32_t i;

	for (i = 0; i < SIDETRACK_RELAY_FORBIDDEN_PORTS; i++) {
		uint32_t known = 0;

		if (load(&health->forbidden[i]) == port)
			return;
		if (__atomic_compare_exchange_n(&health->forbidden[i], &known, port, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
		    known == port)
			return;
	}
}
