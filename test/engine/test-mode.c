// SPDX-License-Identifier: MIT
/* Which way bytes move, and how long they are here: what needs no socket. */
#include "base/histogram.h"
#include "bytes/mode.h"
#include "bytes/residency.h"
#include "check.h"

#define KIB 1024

/* A direction of which nothing is known but its passes. */
struct passes {
	struct mode_facts facts;
	int changes;
};

static struct passes passes_of(bool may_splice, bool urgent)
{
	return (struct passes){ .facts = { .may_splice = may_splice, .urgent = urgent } };
}

static void choose(struct passes *passes)
{
	struct mode_choice choice = mode_choose(&passes->facts);

	passes->changes += choice.mode != passes->facts.mode;
	passes->facts.mode = choice.mode;
	passes->facts.streak = choice.streak;
}

static void pass(struct passes *passes, size_t bytes, int times)
{
	passes->facts.bytes = bytes;
	passes->facts.idle = false;
	while (times--)
		choose(passes);
}

static void rest(struct passes *passes)
{
	passes->facts.bytes = 0;
	passes->facts.idle = true;
	choose(passes);
}

static void large_passes_prove_bulk(void)
{
	struct passes passes = passes_of(true, false);

	pass(&passes, 64 * KIB, 2);
	pass(&passes, 16 * KIB - 1, 1);
	pass(&passes, 16 * KIB, 2);
	expect_equal(passes.facts.mode, MODE_COPY);
	pass(&passes, 16 * KIB, 1);
	expect_equal(passes.facts.mode, MODE_SPLICE);
	expect_equal(passes.changes, 1);
}

static void small_passes_end_bulk(void)
{
	struct passes passes = passes_of(true, false);

	pass(&passes, 64 * KIB, 3);
	pass(&passes, 4 * KIB - 1, 7);
	pass(&passes, 4 * KIB, 1);
	pass(&passes, 100, 7);
	expect_equal(passes.facts.mode, MODE_SPLICE);
	pass(&passes, 100, 1);
	expect_equal(passes.facts.mode, MODE_COPY);
	expect_equal(passes.changes, 2);
}

/* Between the two thresholds each mode stays as it is, for ever. */
static void middling_passes_change_nothing(void)
{
	struct passes passes = passes_of(true, false);

	pass(&passes, 8 * KIB, 1000);
	expect_equal(passes.changes, 0);
	pass(&passes, 64 * KIB, 3);
	pass(&passes, 8 * KIB, 1000);
	expect_equal(passes.changes, 1);
	expect_equal(passes.facts.mode, MODE_SPLICE);
}

static void a_pause_begins_anew(void)
{
	struct passes passes = passes_of(true, false);

	pass(&passes, 64 * KIB, 3);
	rest(&passes);
	expect_equal(passes.facts.mode, MODE_COPY);
	pass(&passes, 64 * KIB, 2);
	expect_equal(passes.facts.mode, MODE_COPY);
	pass(&passes, 64 * KIB, 1);
	expect_equal(passes.facts.mode, MODE_SPLICE);
}

/* An urgent byte blocks splice(), so the next run copies whatever its passes. */
static void urgent_bytes_are_copied(void)
{
	struct passes passes = passes_of(true, false);

	pass(&passes, 64 * KIB, 3);
	passes.facts.urgent = true;
	passes.facts.bytes = 0;
	choose(&passes);
	expect_equal(passes.facts.mode, MODE_COPY);
	pass(&passes, 64 * KIB, 1000);
	expect_equal(passes.changes, 2);
}

static void what_is_not_allowed_is_not_chosen(void)
{
	struct passes passes = passes_of(false, false);

	pass(&passes, 64 * KIB, 1000);
	expect_equal(passes.changes, 0);
	passes.facts.may_splice = true;
	pass(&passes, 64 * KIB, 1);
	expect_equal(passes.facts.mode, MODE_SPLICE);
}

static void every_mode_can_pass(void)
{
	int mode;

	for (mode = 0; mode < MODE_COUNT; mode++)
		expect(mode_ops[mode] && mode_ops[mode]->pass);
}

/* --- residency ---------------------------------------------------------------- */

static struct sidetrack_relay_histogram histogram;

/* Of the bytes that are handed over at @now_us */
static uint64_t residency_at(struct residency *residency, uint64_t now_us)
{
	uint64_t before = histogram.sum;

	residency_deliver(residency, now_us);
	return histogram.sum - before;
}

static void bytes_wait_since_they_were_told(void)
{
	struct residency residency = { .histogram = &histogram };

	residency_announce(&residency, 1000, 0, 5000);
	expect_equal(residency_at(&residency, 1030), 30);
	/* the clock has them read: they may be as old as the last poll, or as the last run */
	residency_empty(&residency);
	residency_announce(&residency, 2000, 500, 5000);
	expect_equal(residency_at(&residency, 2000), 500);
	residency_empty(&residency);
	residency_announce(&residency, 3000, 500, 200);
	expect_equal(residency_at(&residency, 3000), 200);
}

/* What one pass leaves behind counts from its end, also if others have their turn meanwhile. */
static void turns_of_others_show(void)
{
	struct residency residency = { .histogram = &histogram };

	residency_announce(&residency, 1000, 0, 0);
	residency_leave(&residency, 1010);
	residency_announce(&residency, 4000, 0, 0);
	expect_equal(residency_at(&residency, 4000), 2990);
}

/* A stall's bytes have waited since they came; those behind them since the stall began. */
static void stalls_show_and_end(void)
{
	struct residency residency = { .histogram = &histogram };

	residency_announce(&residency, 1000, 0, 0);
	residency_stall(&residency, 1000);
	residency_announce(&residency, 9000, 0, 0);
	expect_equal(residency_at(&residency, 9000), 8000);
	residency_unblock(&residency);
	expect_equal(residency_at(&residency, 9010), 8010);
	residency_leave(&residency, 9010);
	expect_equal(residency_at(&residency, 9020), 10);
}

const struct test mode_tests[] = {
	{ "mode: large passes prove bulk", large_passes_prove_bulk },
	{ "mode: small passes end bulk", small_passes_end_bulk },
	{ "mode: middling passes change nothing", middling_passes_change_nothing },
	{ "mode: a pause begins anew", a_pause_begins_anew },
	{ "mode: urgent bytes are copied", urgent_bytes_are_copied },
	{ "mode: what is not allowed is not chosen", what_is_not_allowed_is_not_chosen },
	{ "mode: every one can pass", every_mode_can_pass },
	{ "residency: since bytes were told", bytes_wait_since_they_were_told },
	{ "residency: turns of others show", turns_of_others_show },
	{ "residency: stalls show and end", stalls_show_and_end },
	{ NULL, NULL }
};
