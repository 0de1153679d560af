// SPDX-License-Identifier: MIT
#include "upstreams/families.h"

/* What probes say of a family, over all upstreams that a client could be sent to. */
enum verdict {
	VERDICT_NONE,		/* no probes, or no upstream is to carry it */
	VERDICT_PENDING,	/* not all have answered, and none has said yes */
	VERDICT_CARRIED,
	VERDICT_LACKING,
};

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
 * families_to_refuse() - Which families are to be refused, by what probes say
 * @upstreams:	Those in use
 * @before:	Bits of the families that are refused now, 1 << enum family
 *
 * Return: bits of families
 */
uint32_t families_to_refuse(const struct upstream_set *upstreams, uint32_t before)
{
	enum verdict verdict[FAMILIES];
	uint32_t i;

	for (i = 0; i < FAMILIES; i++)
		verdict[i] = judge(upstreams, (enum family)i);
	return (before & families_with(verdict, VERDICT_PENDING)) |
	       ((families_with(verdict, VERDICT_CARRIED) ? ~0U : before) &
		families_with(verdict, VERDICT_LACKING));
}
