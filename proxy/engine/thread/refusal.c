// SPDX-License-Identifier: MIT
#include "thread/refusal.h"

#include "relay/relay.h"
#include "thread/thread.h"

/* What probes say of a family, over all upstreams that a client could be sent to. */
enum verdict {
	VERDICT_NONE,		/* nobody asks, or no upstream is to carry it */
	VERDICT_PENDING,	/* not all have answered, and none has said yes */
	VERDICT_CARRIED,
	VERDICT_LACKING,
};

/* Return: bits of families, 1 << enum family */
uint32_t refusal_of(const struct relay *relay)
{
	return __atomic_load_n(&relay->refused, __ATOMIC_ACQUIRE);
}

/**
 * refusal_inherit() - The sockets that were handed to us refuse already
 * @relay:	Relay that is being started, with its pending generation
 * @families:	Bits of families
 *
 * As long as probes will tell, it stays so until they do.
 */
void refusal_inherit(struct relay *relay, uint32_t families)
{
	relay->refused = families & relay->pending->upstreams.probed;
}

static enum verdict judge(const struct upstream_set *upstreams, enum family family)
{
	uint32_t bit = 1U << family, set = upstreams->carries[family] & upstreams->used;
	uint32_t lacking = 0, i;

	if (!(upstreams->probed & bit) || !set)
		return VERDICT_NONE;
	for (i = 0; i < upstreams->count; i++) {
		const struct health *health = upstreams->entry[i].health;

		if (!(set & 1U << i))
			continue;
		if (health_carrying(health) & bit)
			return VERDICT_CARRIED;
		if (health_lacking(health) & bit)
			lacking |= 1U << i;
	}
	return lacking == set ? VERDICT_LACKING : VERDICT_PENDING;
}

static uint32_t families_with(const enum verdict *verdict, enum verdict wanted)
{
	uint32_t set = 0;
	int family;

	for (family = 0; family < FAMILIES; family++)
		if (verdict[family] == wanted)
			set |= 1U << family;
	return set;
}

/**
 * refusal_review() - A probe has told something, or other upstreams are in use
 * @thread:	Thread; only the first one decides
 */
void refusal_review(struct thread *thread)
{
	struct relay *relay = thread->relay;
	enum verdict verdict[FAMILIES];
	uint32_t before = refusal_of(relay), refused, i;

	if (thread->index || relay_phase(relay) != PHASE_RUNNING)
		return;
	for (i = 0; i < FAMILIES; i++)
		verdict[i] = judge(&thread->generation->upstreams, (enum family)i);
	refused = before & families_with(verdict, VERDICT_PENDING);
	refused |= (families_with(verdict, VERDICT_CARRIED) ? ~0U : before) &
		   families_with(verdict, VERDICT_LACKING);
	if (!before && !refused)
		return;
	__atomic_store_n(&relay->refused, refused, __ATOMIC_RELEASE);
	for (i = 0; i < relay->thread_count; i++)
		thread_wake(&relay->threads[i]);
}
