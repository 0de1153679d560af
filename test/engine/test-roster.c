// SPDX-License-Identifier: MIT
/* Which upstream is next, without a socket. */
#include <stdlib.h>

#include "base/memory.h"
#include "check.h"
#include "upstreams/upstream-set.h"

#define NOW 1000000ULL
#define SECOND 1000ULL

static struct roster *new_roster(void)
{
	struct roster *roster = memory_allocate(sizeof(*roster));

	expect(roster);
	roster->health = memory_allocate(SIDETRACK_RELAY_UPSTREAM_SLOTS *
					 sizeof(*roster->health));
	expect(roster->health);
	return roster;
}

static void free_roster(struct roster *roster)
{
	free(roster->health);
	free(roster);
}

static struct roster *make_roster(enum strategy strategy, const uint32_t *weights, int count)
{
	struct roster *roster = new_roster();
	int i;

	roster->strategy = strategy;
	for (i = 0; i < count; i++) {
		struct sidetrack_relay_upstream from = {
			.kind = UPSTREAM_SOCKS5, .weight = weights[i], .port = 1080,
			.address = { [15] = 1 }, .slot = (uint32_t)i,
		};

		expect_equal(roster_add(roster, &from), 0);
	}
	return roster;
}

static int choose(struct roster *roster, struct rotation *rotation, uint32_t tried, uint64_t now)
{
	int chosen = roster_choose(roster, rotation, FAMILY_IPV4, tried, now);

	if (chosen >= 0)
		roster_leave(roster, (uint32_t)chosen);
	return chosen;
}

static void failover_takes_the_first(void)
{
	struct roster *roster = make_roster(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1, 1 }, 3);
	struct rotation rotation = { 0 };

	expect_equal(choose(roster, &rotation, 0, NOW), 0);
	expect_equal(choose(roster, &rotation, 0, NOW), 0);
	expect_equal(choose(roster, &rotation, 1, NOW), 1);
	expect_equal(choose(roster, &rotation, 3, NOW), 2);
	expect_equal(choose(roster, &rotation, 7, NOW), -1);
	free_roster(roster);
}

static void weights_are_kept(void)
{
	struct roster *roster = make_roster(STRATEGY_WEIGHTED, (uint32_t[]){ 5, 1, 2 }, 3);
	struct rotation rotation = { 0 };
	int count[3] = { 0 }, last = -1, repeats = 0, i;

	for (i = 0; i < 800; i++) {
		int chosen = choose(roster, &rotation, 0, NOW);

		repeats = chosen == last ? repeats + 1 : 0;
		expect(repeats < 3);	/* spread, not in blocks of five */
		last = chosen;
		count[chosen]++;
	}
	expect_equal(count[0], 500);
	expect_equal(count[1], 100);
	expect_equal(count[2], 200);
	free_roster(roster);
}

static void fewest_connections_for_the_weight(void)
{
	struct roster *roster = make_roster(STRATEGY_LEAST_CONNECTIONS, (uint32_t[]){ 1, 3 }, 2);
	struct rotation rotation = { 0 };
	int i;

	for (i = 0; i < 400; i++)
		expect(roster_choose(roster, &rotation, FAMILY_IPV4, 0, NOW) >= 0);
	expect_equal(roster->health[0].active, 100);
	expect_equal(roster->health[1].active, 300);
	for (i = 0; i < 100; i++)
		roster_leave(roster, 0);
	expect_equal(roster_choose(roster, &rotation, FAMILY_IPV4, 0, NOW), 0);
	free_roster(roster);
}

static void rests_grow_and_end(void)
{
	static const uint64_t rests[] = { 1, 2, 4, 8, 16, 32, 60, 60 };
	struct roster *roster = make_roster(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1 }, 2);
	struct rotation rotation = { 0 };
	uint64_t now = NOW;
	size_t i;

	roster_judge(roster, 0, FAULT_CERTAIN, now);
	for (i = 0; i < sizeof(rests) / sizeof(rests[0]); i++) {
		/* a burst of failures is one failure */
		roster_judge(roster, 0, FAULT_CERTAIN, now);
		now += rests[i] * SECOND;
		expect_equal(choose(roster, &rotation, 0, now - 1), 1);
		/* one tries for all, and the next rest has begun */
		expect_equal(choose(roster, &rotation, 0, now), 0);
		expect_equal(choose(roster, &rotation, 0, now), 1);
	}
	roster_judge(roster, 0, FAULT_NONE, now);
	expect_equal(choose(roster, &rotation, 0, now), 0);
	roster_judge(roster, 0, FAULT_CERTAIN, now);
	expect_equal(choose(roster, &rotation, 0, now + SECOND), 0);
	free_roster(roster);
}

static void nobody_is_turned_away_on_suspicion(void)
{
	struct roster *roster = make_roster(STRATEGY_WEIGHTED, (uint32_t[]){ 1, 1 }, 2);
	struct rotation rotation = { 0 };

	roster_judge(roster, 1, FAULT_CERTAIN, NOW);
	roster_judge(roster, 0, FAULT_CERTAIN, NOW + 500);
	expect_equal(choose(roster, &rotation, 0, NOW + 600), 1);
	expect_equal(choose(roster, &rotation, 2, NOW + 600), 0);
	expect_equal(choose(roster, &rotation, 3, NOW + 600), -1);
	free_roster(roster);
}

static void doubts_add_up(void)
{
	struct roster *roster = make_roster(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1 }, 2);
	struct rotation rotation = { 0 };

	roster_judge(roster, 0, FAULT_DOUBTFUL, NOW);
	roster_judge(roster, 0, FAULT_DOUBTFUL, NOW);
	roster_judge(roster, 0, FAULT_NONE, NOW);
	roster_judge(roster, 0, FAULT_DOUBTFUL, NOW);
	roster_judge(roster, 0, FAULT_DOUBTFUL, NOW);
	expect_equal(choose(roster, &rotation, 0, NOW), 0);
	roster_judge(roster, 0, FAULT_DOUBTFUL, NOW);
	expect_equal(choose(roster, &rotation, 0, NOW), 1);
	free_roster(roster);
}

static void bad_upstreams(void)
{
	const struct sidetrack_relay_upstream good = {
		.kind = UPSTREAM_HTTP, .port = 3128, .address = { [15] = 1 },
	};
	struct sidetrack_relay_upstream from;
	struct roster *roster = new_roster();
	int i;

	from = good;
	from.kind = UPSTREAM_KIND_COUNT;
	expect_equal(roster_add(roster, &from), -EINVAL);
	from = good;
	from.port = 0;
	expect_equal(roster_add(roster, &from), -EINVAL);
	from.port = 65536;
	expect_equal(roster_add(roster, &from), -EINVAL);
	from = good;
	from.families = 1 << FAMILIES;
	expect_equal(roster_add(roster, &from), -EINVAL);
	from = good;
	from.weight = 65536;
	expect_equal(roster_add(roster, &from), -EINVAL);
	from = good;
	from.password_length = 256;
	expect_equal(roster_add(roster, &from), -EINVAL);
	from = good;
	from.kind = UPSTREAM_SOCKS4A;
	from.username_length = 3;
	expect_equal(roster_add(roster, &from), -EINVAL);
	from = good;
	from.more_addresses = SIDETRACK_RELAY_ADDRESSES;
	expect_equal(roster_add(roster, &from), -EINVAL);
	from.more_addresses = 1;	/* which is all zero */
	expect_equal(roster_add(roster, &from), -EINVAL);
	from = good;
	from.slot = SIDETRACK_RELAY_UPSTREAM_SLOTS;
	expect_equal(roster_add(roster, &from), -EINVAL);
	for (i = 0; i < SIDETRACK_RELAY_UPSTREAMS; i++) {
		from.slot = (uint32_t)i;
		expect_equal(roster_add(roster, &from), 0);
		expect_equal(roster_add(roster, &from),
			     i + 1 < SIDETRACK_RELAY_UPSTREAMS ? -EINVAL : -ENOSPC);
	}
	expect_equal(roster_add(roster, &good), -ENOSPC);
	free_roster(roster);
}

static void addresses_take_turns_and_rest(void)
{
	struct sidetrack_relay_upstream from = {
		.kind = UPSTREAM_SOCKS5, .port = 1080, .address = { [15] = 1 },
		.more_addresses = 2, .more_address = { { [15] = 2 }, { [15] = 3 } },
	};
	struct roster *roster = new_roster();
	struct rotation rotation = { 0 };
	int i;

	expect_equal(roster_add(roster, &from), 0);
	for (i = 0; i < 6; i++)
		expect_equal(roster_choose_address(roster, &rotation, 0, 0, NOW), i % 3);
	expect_equal(roster_choose_address(roster, &rotation, 0, 1, NOW), 1);
	roster_judge_address(roster, 0, 1, false, NOW);
	for (i = 0; i < 6; i++)
		expect(roster_choose_address(roster, &rotation, 0, 0, NOW) != 1);
	/* all that are left are at rest */
	expect_equal(roster_choose_address(roster, &rotation, 0, 5, NOW), 1);
	roster_judge_address(roster, 0, 1, true, NOW);
	rotation.address[0] = 1;
	expect_equal(roster_choose_address(roster, &rotation, 0, 0, NOW), 1);
	free_roster(roster);
}

/* The same upstream is known already; a changed one begins anew and hears nothing of the old. */
static void knowledge_outlives_the_roster(void)
{
	struct roster *old = make_roster(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1 }, 2);
	struct roster next = { .health = old->health };
	struct sidetrack_relay_upstream from = {
		.kind = UPSTREAM_SOCKS5, .port = 1080, .address = { [15] = 1 }, .weight = 7,
	};
	struct rotation rotation = { 0 };

	roster_inherit(old, NULL);
	roster_judge(old, 0, FAULT_CERTAIN, NOW);
	roster_judge(old, 1, FAULT_CERTAIN, NOW);
	expect_equal(roster_add(&next, &from), 0);
	from.slot = 1;
	from.port = 1081;
	expect_equal(roster_add(&next, &from), 0);
	roster_inherit(&next, old);
	expect(rest_is_due(&next.health[0].rest));
	expect(!rest_is_due(&next.health[1].rest));
	roster_judge(old, 1, FAULT_CERTAIN, NOW);
	expect(!rest_is_due(&next.health[1].rest));
	roster_judge(old, 0, FAULT_NONE, NOW);
	expect_equal(choose(&next, &rotation, 0, NOW), 0);
	free_roster(old);
}

/* A name stands for other addresses: those that are left keep their rests, by address. */
static void addresses_come_and_go(void)
{
	struct sidetrack_relay_upstream from = {
		.kind = UPSTREAM_SOCKS5, .port = 1080, .address = { [15] = 1 },
		.more_addresses = 1, .more_address = { { [15] = 2 } },
	};
	const uint8_t swapped[3][16] = { { [15] = 3 }, { [15] = 2 }, { [15] = 1 } };
	struct roster *old = new_roster();
	struct roster next = { 0 }, last = { 0 };

	expect_equal(roster_add(old, &from), 0);
	roster_inherit(old, NULL);
	roster_judge_address(old, 0, 1, false, NOW);
	roster_judge(old, 0, FAULT_CERTAIN, NOW);
	next = *old;
	expect_equal(roster_set_addresses(&next, 0, swapped[0], 2 * 16), 0);
	roster_inherit(&next, old);
	expect(!rest_is_due(&next.health[0].rest));	/* one has not been tried yet */
	expect(!rest_is_due(&next.health[0].address[0]));
	expect(rest_is_due(&next.health[0].address[1]));
	roster_judge_address(old, 0, 0, false, NOW);	/* which is another one now */
	expect(!rest_is_due(&next.health[0].address[0]));
	last = next;
	expect_equal(roster_set_addresses(&last, 0, swapped[1], 16), 0);
	roster_inherit(&last, &next);
	expect(rest_is_due(&last.health[0].rest));	/* all that is left is at rest */
	expect_equal(roster_set_addresses(&last, 0, swapped[0], 15), -EINVAL);
	expect_equal(roster_set_addresses(&last, 0, swapped[0], 0), -EINVAL);
	free_roster(old);
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
	struct roster *roster = new_roster();

	expect_equal(roster_add(roster, &unresolved), 0);
	expect_equal(roster_add(roster, &ipv4), 0);
	expect_equal(roster->carries[FAMILY_IPV4], 2);
	expect_equal(roster->carries[FAMILY_IPV6], 0);
	expect_equal(roster_find(roster, 5), 1);
	expect_equal(roster_find(roster, 4), -1);
	expect_equal(roster_set_addresses(roster, 0, address, sizeof(address)), 0);
	expect_equal(roster->carries[FAMILY_IPV4], 3);
	expect_equal(roster->carries[FAMILY_IPV6], 1);
	expect_equal(roster_set_addresses(roster, 1, address, sizeof(address)), -EINVAL);
	free_roster(roster);
}

/* Where probes try it no client has to. */
static void probes_spare_the_clients(void)
{
	struct roster *roster = make_roster(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1 }, 2);
	struct rotation rotation = { 0 };

	roster->probed = 1 << FAMILY_IPV4;
	roster_judge(roster, 0, FAULT_CERTAIN, NOW);
	expect_equal(choose(roster, &rotation, 0, NOW + 100 * SECOND), 1);
	roster_judge(roster, 0, FAULT_NONE, NOW);
	expect_equal(choose(roster, &rotation, 0, NOW + 100 * SECOND), 0);
	free_roster(roster);
}

/* A reload that probes no more, or another family: nobody would ever find out that it works again. */
static void lacking_ends_with_its_probes(void)
{
	struct roster *roster = make_roster(STRATEGY_FAILOVER, (uint32_t[]){ 1, 1 }, 2);
	struct rotation rotation = { 0 };
	struct roster next;

	roster->probed = 1 << FAMILY_IPV4;
	roster_judge_probe(roster, 0, FAMILY_IPV4, FAULT_CERTAIN, NOW);
	next = *roster;
	next.probed = 0;
	roster_inherit(&next, roster);
	expect_equal(roster_lacking(&next, 0), 0);
	roster_judge(&next, 0, FAULT_NONE, NOW);
	expect_equal(choose(&next, &rotation, 0, NOW), 0);
	next.probed = 1 << FAMILY_IPV6;
	expect_equal(roster_lacking(&next, 0), 0);
	free_roster(roster);
}

const struct test roster_tests[] = {
	{ "roster: failover takes the first", failover_takes_the_first },
	{ "roster: weights are kept", weights_are_kept },
	{ "roster: fewest connections for the weight", fewest_connections_for_the_weight },
	{ "roster: rests grow and end", rests_grow_and_end },
	{ "roster: nobody is turned away on suspicion", nobody_is_turned_away_on_suspicion },
	{ "roster: doubts add up", doubts_add_up },
	{ "roster: bad upstreams", bad_upstreams },
	{ "roster: addresses take turns and rest", addresses_take_turns_and_rest },
	{ "roster: knowledge outlives the roster", knowledge_outlives_the_roster },
	{ "roster: addresses come and go", addresses_come_and_go },
	{ "roster: some carry nothing", some_carry_nothing },
	{ "roster: probes spare the clients", probes_spare_the_clients },
	{ "roster: lacking ends with its probes", lacking_ends_with_its_probes },
	{ NULL, NULL }
};
