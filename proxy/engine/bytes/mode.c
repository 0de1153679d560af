// SPDX-License-Identifier: MIT
#include "bytes/mode.h"

/*
 * Measured: docs/benchmarks.md, "What one pass costs" (test/load/pass-cost.c).  A pass
 * of 16 KiB costs the same either way.  Of 32 KiB a copy costs 1.4 times as much, of
 * 4 KiB and less splicing costs 1.06 to 1.09 times as much.
 */
#define LARGE_PASS (16U << 10)
#define SMALL_PASS (4U << 10)	/* a factor of four below, so that modes do not flap */

/*
 * Chosen, not measured.  A mistake is cheap, 0.3 us a pass: so little evidence is
 * enough to splice, where much is to be gained, and more is asked for to go back.
 */
#define PROMOTE_AFTER 3
#define DEMOTE_AFTER 8

const struct mode_ops *const mode_ops[MODE_COUNT] = {
#define X(NAME, name, help) [MODE_##NAME] = &name##_mode,
	SIDETRACK_RELAY_MODES(X)
#undef X
};

/* Did the last pass speak for another mode than the present one? */
static bool speaks_for_other(const struct mode_facts *facts)
{
	return facts->mode == MODE_COPY ? facts->bytes >= LARGE_PASS : facts->bytes < SMALL_PASS;
}

/**
 * mode_choose() - Which mode should a direction's next pass have?
 * @facts:	What is known of the direction
 *
 * Pure.
 *
 * Return: the mode, and the streak to come with next time
 */
struct mode_choice mode_choose(const struct mode_facts *facts)
{
	struct mode_choice same = { facts->mode, facts->streak };

	/* One that has rested has to prove itself again. */
	if (facts->mode != MODE_COPY && (facts->idle || facts->urgent))
		return (struct mode_choice){ MODE_COPY, 0 };
	if (!facts->bytes)
		return same;
	if (!speaks_for_other(facts))
		return (struct mode_choice){ facts->mode, 0 };
	if (same.streak < UINT8_MAX)
		same.streak++;
	if (facts->mode == MODE_COPY && same.streak >= PROMOTE_AFTER && facts->may_splice &&
	    !facts->urgent)
		return (struct mode_choice){ MODE_SPLICE, 0 };
	if (facts->mode == MODE_SPLICE && same.streak >= DEMOTE_AFTER)
		return (struct mode_choice){ MODE_COPY, 0 };
	return same;
}
