// SPDX-License-Identifier: MIT
/* Which upstream is next, without a socket. */
#include <stdlib.h>

#include "base/memory.h"
#include "check.h"
#include "upstreams/upstream-set.h"

#define NOW 1000000ULL
#define SECOND 1000ULL

static struct upstream_set *new_set(void)
{
	struct upstream_set *upstreams = memory_allocate(sizeof(*upstreams));

	expect(upstreams);
	upstreams->health = memory_allocate(SIDETRACK_RELAY_UPSTREAM_SLOTS *
					    sizeof(*upstreams->health));
	expect(upstreams->health);
	return upstreams;
}

static void free_set(struct upstream_set *upstreams)
{
	free(upstreams->health);
	free(upstreams);
}

static struct upstream_set *make_set(enum strategy strategy, const uint32_t *weights, int count)
{
	struct upstream_set *upstreams = new_set();
	int i;

	upstreams->strategy = strategy;
	for (i = 0; i < count; i++) {
		struct sidetrack_relay_upstream from = {
			.kind = UPSTREAM_SOCKS5, .weight = weights[i], .port = 1080,
			.address = { [15] = 1 }, .slot = (uint32_t)i,
		};

		expect_equal(upstreams_add(upstreams, &from), 0);
	}
	return upstreams;
}

static int choose(struct upstream_set *upstreams, struct rotation *rotation, uint32_t tried,
		  uint64_t now)
{
	int chosen = upstreams_choose(upstreams, rotation, FAMILY_IPV4, tried, now);

	if (chosen >= 0)
		upstreams_leave(upstreams, (uint32_t)chosen);
	return chosen;
}

static void failover_takes_the_first(void)
{
	struct upstream_set *upstreams = make_set(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1, 1 }, 3);
	struct rotation rotation = { 0 };

	expect_equal(choose(upstreams, &rotation, 0, NOW), 0);
	expect_equal(choose(upstreams, &rotation, 0, NOW), 0);
	expect_equal(choose(upstreams, &rotation, 1, NOW), 1);
	expect_equal(choose(upstreams, &rotation, 3, NOW), 2);
	expect_equal(choose(upstreams, &rotation, 7, NOW), -1);
	free_set(upstreams);
}

static void weights_are_kept(void)
{
	struct upstream_set *upstreams = make_set(STRATEGY_WEIGHTED, (uint32_t[]){ 5, 1, 2 }, 3);
	struct rotation rotation = { 0 };
	int count[3] = { 0 }, last = -1, repeats = 0, i;

	for (i = 0; i < 800; i++) {
		int chosen = choose(upstreams, &rotation, 0, NOW);

		repeats = chosen == last ? repeats + 1 : 0;
		expect(repeats < 3);	/* spread, not in blocks of five */
		last = chosen;
		count[chosen]++;
	}
	expect_equal(count[0], 500);
	expect_equal(count[1], 100);
	expect_equal(count[2], 200);
	free_set(upstreams);
}

static void fewest_connections_for_the_weight(void)
{
	struct upstream_set *upstreams = make_set(STRATEGY_LEAST_CONNECTIONS, (uint32_t[]){ 1, 3 }, 2);
	struct rotation rotation = { 0 };
	int i;

	for (i = 0; i < 400; i++)
		expect(upstreams_choose(upstreams, &rotation, FAMILY_IPV4, 0, NOW) >= 0);
	expect_equal(upstreams->health[0].active, 100);
	expect_equal(upstreams->health[1].active, 300);
	for (i = 0; i < 100; i++)
		upstreams_leave(upstreams, 0);
	expect_equal(upstreams_choose(upstreams, &rotation, FAMILY_IPV4, 0, NOW), 0);
	free_set(upstreams);
}

static void backoff_grows_and_ends(void)
{
	static const uint64_t waits[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	struct upstream_set *upstreams = make_set(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1 }, 2);
	struct rotation rotation = { 0 };
	uint64_t now = NOW;
	size_t i;

	upstreams_judge(upstreams, 0, FAULT_CERTAIN, now);
	for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		/* a burst of failures is one failure */
		upstreams_judge(upstreams, 0, FAULT_CERTAIN, now);
		now += waits[i] * SECOND;
		expect_equal(choose(upstreams, &rotation, 0, now - 1), 1);
		/* one tries for all, and the next backoff has begun */
		expect_equal(choose(upstreams, &rotation, 0, now), 0);
		expect_equal(choose(upstreams, &rotation, 0, now), 1);
	}
	upstreams_judge(upstreams, 0, FAULT_NONE, now);
	expect_equal(choose(upstreams, &rotation, 0, now), 0);
	upstreams_judge(upstreams, 0, FAULT_CERTAIN, now);
	expect_equal(choose(upstreams, &rotation, 0, now + SECOND), 0);
	free_set(upstreams);
}

static void nobody_is_turned_away_on_suspicion(void)
{
	struct upstream_set *upstreams = make_set(STRATEGY_WEIGHTED, (uint32_t[]){ 1, 1 }, 2);
	struct rotation rotation = { 0 };

	upstreams_judge(upstreams, 1, FAULT_CERTAIN, NOW);
	upstreams_judge(upstreams, 0, FAULT_CERTAIN, NOW + 500);
	expect_equal(choose(upstreams, &rotation, 0, NOW + 600), 1);
	expect_equal(choose(upstreams, &rotation, 2, NOW + 600), 0);
	expect_equal(choose(upstreams, &rotation, 3, NOW + 600), -1);
	free_set(upstreams);
}

static void doubts_add_up(void)
{
	struct upstream_set *upstreams = make_set(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1 }, 2);
	struct rotation rotation = { 0 };

	upstreams_judge(upstreams, 0, FAULT_DOUBTFUL, NOW);
	upstreams_judge(upstreams, 0, FAULT_DOUBTFUL, NOW);
	upstreams_judge(upstreams, 0, FAULT_NONE, NOW);
	upstreams_judge(upstreams, 0, FAULT_DOUBTFUL, NOW);
	upstreams_judge(upstreams, 0, FAULT_DOUBTFUL, NOW);
	expect_equal(choose(upstreams, &rotation, 0, NOW), 0);
	upstreams_judge(upstreams, 0, FAULT_DOUBTFUL, NOW);
	expect_equal(choose(upstreams, &rotation, 0, NOW), 1);
	free_set(upstreams);
}

static void bad_upstreams(void)
{
	const struct sidetrack_relay_upstream good = {
		.kind = UPSTREAM_HTTP, .port = 3128, .address = { [15] = 1 },
	};
	struct sidetrack_relay_upstream from;
	struct upstream_set *upstreams = new_set();
	int i;

	from = good;
	from.kind = UPSTREAM_KIND_COUNT;
	expect_equal(upstreams_add(upstreams, &from), -EINVAL);
	from = good;
	from.port = 0;
	expect_equal(upstreams_add(upstreams, &from), -EINVAL);
	from.port = 65536;
	expect_equal(upstreams_add(upstreams, &from), -EINVAL);
	from = good;
	from.families = 1 << FAMILIES;
	expect_equal(upstreams_add(upstreams, &from), -EINVAL);
	from = good;
	from.weight = 65536;
	expect_equal(upstreams_add(upstreams, &from), -EINVAL);
	from = good;
	from.password_length = 256;
	expect_equal(upstreams_add(upstreams, &from), -EINVAL);
	from = good;
	from.kind = UPSTREAM_SOCKS4A;
	from.username_length = 3;
	expect_equal(upstreams_add(upstreams, &from), -EINVAL);
	from = good;
	from.more_addresses = SIDETRACK_RELAY_ADDRESSES;
	expect_equal(upstreams_add(upstreams, &from), -EINVAL);
	from.more_addresses = 1;	/* which is all zero */
	expect_equal(upstreams_add(upstreams, &from), -EINVAL);
	from = good;
	from.slot = SIDETRACK_RELAY_UPSTREAM_SLOTS;
	expect_equal(upstreams_add(upstreams, &from), -EINVAL);
	for (i = 0; i < SIDETRACK_RELAY_UPSTREAMS; i++) {
		from.slot = (uint32_t)i;
		expect_equal(upstreams_add(upstreams, &from), 0);
		expect_equal(upstreams_add(upstreams, &from),
			     i + 1 < SIDETRACK_RELAY_UPSTREAMS ? -EINVAL : -ENOSPC);
	}
	expect_equal(upstreams_add(upstreams, &good), -ENOSPC);
	free_set(upstreams);
}

static void addresses_take_turns_and_back_off(void)
{
	struct sidetrack_relay_upstream from = {
		.kind = UPSTREAM_SOCKS5, .port = 1080, .address = { [15] = 1 },
		.more_addresses = 2, .more_address = { { [15] = 2 }, { [15] = 3 } },
	};
	struct upstream_set *upstreams = new_set();
	struct rotation rotation = { 0 };
	int i;

	expect_equal(upstreams_add(upstreams, &from), 0);
	for (i = 0; i < 6; i++)
		expect_equal(upstreams_choose_address(upstreams, &rotation, 0, 0, NOW), i % 3);
	expect_equal(upstreams_choose_address(upstreams, &rotation, 0, 1, NOW), 1);
	upstreams_judge_address(upstreams, 0, 1, false, NOW);
	for (i = 0; i < 6; i++)
		expect(upstreams_choose_address(upstreams, &rotation, 0, 0, NOW) != 1);
	/* all that are left back off */
	expect_equal(upstreams_choose_address(upstreams, &rotation, 0, 5, NOW), 1);
	upstreams_judge_address(upstreams, 0, 1, true, NOW);
	rotation.address[0] = 1;
	expect_equal(upstreams_choose_address(upstreams, &rotation, 0, 0, NOW), 1);
	free_set(upstreams);
}

/* The same upstream is known already; a changed one begins anew and hears nothing of the old. */
static void knowledge_outlives_the_set(void)
{
	struct upstream_set *old = make_set(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1 }, 2);
	struct upstream_set next = { .health = old->health };
	struct sidetrack_relay_upstream from = {
		.kind = UPSTREAM_SOCKS5, .port = 1080, .address = { [15] = 1 }, .weight = 7,
	};
	struct rotation rotation = { 0 };

	upstreams_inherit(old, NULL);
	upstreams_judge(old, 0, FAULT_CERTAIN, NOW);
	upstreams_judge(old, 1, FAULT_CERTAIN, NOW);
	expect_equal(upstreams_add(&next, &from), 0);
	from.slot = 1;
	from.port = 1081;
	expect_equal(upstreams_add(&next, &from), 0);
	upstreams_inherit(&next, old);
	expect(backoff_is_due(&next.health[0].backoff));
	expect(!backoff_is_due(&next.health[1].backoff));
	upstreams_judge(old, 1, FAULT_CERTAIN, NOW);
	expect(!backoff_is_due(&next.health[1].backoff));
	upstreams_judge(old, 0, FAULT_NONE, NOW);
	expect_equal(choose(&next, &rotation, 0, NOW), 0);
	free_set(old);
}

/* A name stands for other addresses: those that are left keep their backoff, by address. */
static void addresses_come_and_go(void)
{
	struct sidetrack_relay_upstream from = {
		.kind = UPSTREAM_SOCKS5, .port = 1080, .address = { [15] = 1 },
		.more_addresses = 1, .more_address = { { [15] = 2 } },
	};
	const uint8_t swapped[3][16] = { { [15] = 3 }, { [15] = 2 }, { [15] = 1 } };
	struct upstream_set *old = new_set();
	struct upstream_set next = { 0 }, last = { 0 };

	expect_equal(upstreams_add(old, &from), 0);
	upstreams_inherit(old, NULL);
	upstreams_judge_address(old, 0, 1, false, NOW);
	upstreams_judge(old, 0, FAULT_CERTAIN, NOW);
	next = *old;
	expect_equal(upstreams_set_addresses(&next, 0, swapped[0], 2 * 16), 0);
	upstreams_inherit(&next, old);
	expect(!backoff_is_due(&next.health[0].backoff));	/* one has not been tried yet */
	expect(!backoff_is_due(&next.health[0].address[0]));
	expect(backoff_is_due(&next.health[0].address[1]));
	upstreams_judge_address(old, 0, 0, false, NOW);	/* which is another one now */
	expect(!backoff_is_due(&next.health[0].address[0]));
	last = next;
	expect_equal(upstreams_set_addresses(&last, 0, swapped[1], 16), 0);
	upstreams_inherit(&last, &next);
	expect(backoff_is_due(&last.health[0].backoff));	/* all that is left backs off */
	expect_equal(upstreams_set_addresses(&last, 0, swapped[0], 15), -EINVAL);
	expect_equal(upstreams_set_addresses(&last, 0, swapped[0], 0), -EINVAL);
	free_set(old);
}

/* Of a name without an address, or for a family that it does not carry. */
static void some_carry_nothing(void)
{
	const struct sidetrack_relay_upstream unresolved = {
		.kind = UPSTREAM_SOCKS5, .port = 1080, .slot = 3,
	};
	const struct sidetrack_relay_upstream ipv4 = {
		.kind = UPSTREAM_DIRECT, .families = 1 << FAMILY_IPV4, .slot = 5,
	};
	const uint8_t address[16] = { [15] = 1 };
	struct upstream_set *upstreams = new_set();

	expect_equal(upstreams_add(upstreams, &unresolved), 0);
	expect_equal(upstreams_add(upstreams, &ipv4), 0);
	expect_equal(upstreams->carries[FAMILY_IPV4], 2);
	expect_equal(upstreams->carries[FAMILY_IPV6], 0);
	expect_equal(upstreams_find(upstreams, 5), 1);
	expect_equal(upstreams_find(upstreams, 4), -1);
	expect_equal(upstreams_set_addresses(upstreams, 0, address, sizeof(address)), 0);
	expect_equal(upstreams->carries[FAMILY_IPV4], 3);
	expect_equal(upstreams->carries[FAMILY_IPV6], 1);
	expect_equal(upstreams_set_addresses(upstreams, 1, address, sizeof(address)), -EINVAL);
	free_set(upstreams);
}

/* Where probes try it no client has to. */
static void probes_spare_the_clients(void)
{
	struct upstream_set *upstreams = make_set(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1 }, 2);
	struct rotation rotation = { 0 };

	upstreams->probed = 1 << FAMILY_IPV4;
	upstreams_judge(upstreams, 0, FAULT_CERTAIN, NOW);
	expect_equal(choose(upstreams, &rotation, 0, NOW + 100 * SECOND), 1);
	upstreams_judge(upstreams, 0, FAULT_NONE, NOW);
	expect_equal(choose(upstreams, &rotation, 0, NOW + 100 * SECOND), 0);
	free_set(upstreams);
}

/* A reload that probes no more, or another family: nobody would ever find out that it works again. */
static void lacking_ends_with_its_probes(void)
{
	struct upstream_set *upstreams = make_set(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1 }, 2);
	struct rotation rotation = { 0 };
	struct upstream_set next;

	upstreams->probed = 1 << FAMILY_IPV4;
	upstreams_judge_probe(upstreams, 0, FAMILY_IPV4, FAULT_CERTAIN, NOW);
	next = *upstreams;
	next.probed = 0;
	upstreams_inherit(&next, upstreams);
	expect_equal(upstreams_lacking(&next, 0), 0);
	upstreams_judge(&next, 0, FAULT_NONE, NOW);
	expect_equal(choose(&next, &rotation, 0, NOW), 0);
	next.probed = 1 << FAMILY_IPV6;
	expect_equal(upstreams_lacking(&next, 0), 0);
	free_set(upstreams);
}

const struct test upstreams_tests[] = {
	{ "upstreams: failover takes the first", failover_takes_the_first },
	{ "upstreams: weights are kept", weights_are_kept },
	{ "upstreams: fewest connections for the weight", fewest_connections_for_the_weight },
	{ "upstreams: backoff grows and ends", backoff_grows_and_ends },
	{ "upstreams: nobody is turned away on suspicion", nobody_is_turned_away_on_suspicion },
	{ "upstreams: doubts add up", doubts_add_up },
	{ "upstreams: bad upstreams", bad_upstreams },
	{ "upstreams: addresses take turns and back off", addresses_take_turns_and_back_off },
	{ "upstreams: knowledge outlives the set", knowledge_outlives_the_set },
	{ "upstreams: addresses come and go", addresses_come_and_go },
	{ "upstreams: some carry nothing", some_carry_nothing },
	{ "upstreams: probes spare the clients", probes_spare_the_clients },
	{ "upstreams: lacking ends with its probes", lacking_ends_with_its_probes },
	{ NULL, NULL }
};
