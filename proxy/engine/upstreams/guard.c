// SPDX-License-Identifier: MIT
#include "upstreams/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "upstreams/route.h"

struct guard {
	uint32_t holds;		/* threads that have it, or find it in their box; atomic */
	struct destinations addresses;
};

/* --- judging ---------------------------------------------------------------------- */

/* ::/96 and ::ffff:0:0/96: IPv4 addresses in another dress. */
static bool embeds_ipv4(const struct in6_addr *address)
{
	return !address->s6_addr32[0] && !address->s6_addr32[1] &&
	       (!address->s6_addr32[2] || IN6_IS_ADDR_V4MAPPED(address));
}

/**
 * guard_judge() - May this client be connected with this destination?
 * @guard:		What the thread has that accepted it; NULL knows no addresses
 * @client:		Its peer
 * @destination:	Where it wanted to go
 *
 * Return: OUTCOME_OPEN if so, or why not
 */
enum outcome guard_judge(const struct guard *guard, const struct endpoint *client,
			 const struct endpoint *destination)
{
	uint32_t bits;

	if (!endpoint_is_ipv4(client) && embeds_ipv4(&destination->address))
		return OUTCOME_DENIED;
	if (!guard)
		return OUTCOME_OPEN;
	bits = destinations_find(&guard->addresses, destination);
	if ((bits | destinations_find(&guard->addresses, client)) & 1U << GUARD_OWN_BIT)
		return OUTCOME_LOOP;
	return bits & 1U << GUARD_DENIED_BIT ? OUTCOME_DENIED : OUTCOME_OPEN;
}

/* Return: true if the client is on a network of ours, as far as is known */
bool guard_is_attached(const struct guard *guard, const struct endpoint *client)
{
	return guard &&
	       destinations_find(&guard->addresses, client) & 1U << GUARD_ATTACHED_BIT;
}

/* --- life ------------------------------------------------------------------------- */

/**
 * guard_create() - Make one from what TypeScript says, with one hold
 * @table:	struct sidetrack_relay_destinations and what comes behind it
 * @length:	Of all of it
 * @guard:	Gets it
 *
 * Return: 0 or -errno
 */
int guard_create(const uint8_t *table, int32_t length, struct guard **guard)
{
	struct guard *made = memory_allocate(sizeof(*made));
	int error = made ? 0 : -ENOMEM;

	if (!error)
		error = length < 0 ? -EINVAL
				   : destinations_set(&made->addresses, table, (size_t)length);
	if (error) {
		free(made);
		return error;
	}
	made->holds = 1;
	*guard = made;
	return 0;
}

/* Before any thread has it: each of them is to find it in its box. */
void guard_share(struct guard *guard, uint32_t threads)
{
	guard->holds = threads;
}

/* Give one hold back; the last one frees it.  NULL is none. */
void guard_release(struct guard *guard)
{
	if (!guard || __atomic_sub_fetch(&guard->holds, 1, __ATOMIC_ACQ_REL))
		return;
	destinations_release(&guard->addresses);
	free(guard);
}
