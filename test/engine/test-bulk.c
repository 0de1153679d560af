// SPDX-License-Identifier: MIT
/* What counts as sustained bulk: numbers only, no sockets. */
#include "bytes/bulk.h"
#include "bytes/coalesce.h"
#include "check.h"

#define MIB (1024 * 1024ULL)
#define BEGIN_US 4294000000ULL		/* the lower 32 bits soon begin anew */

/* A flow of @portion bytes every @natural_us, or @clock_us while it is read by the clock. */
struct flow {
	struct bulk bulk;
	uint64_t now_us;
	size_t portion;
	size_t clock_portion;
	uint32_t natural_us;
	uint32_t clock_us;
	uint64_t held;		/* bytes moved while it was */
	uint64_t moved;
};

static struct flow flow_of(size_t portion, uint32_t natural_us, size_t clock_portion,
			   uint32_t clock_us)
{
	return (struct flow){ .now_us = BEGIN_US, .portion = portion, .natural_us = natural_us,
			      .clock_portion = clock_portion, .clock_us = clock_us };
}

static void step(struct flow *flow)
{
	bool holds = flow->bulk.holds;
	size_t bytes = holds ? flow->clock_portion : flow->portion;

	flow->now_us += holds ? flow->clock_us : flow->natural_us;
	flow->moved += bytes;
	flow->held += holds ? bytes : 0;
	bulk_moved(&flow->bulk, bytes, flow->now_us);
}

static void run(struct flow *flow, uint64_t bytes)
{
	uint64_t end = flow->moved + bytes;

	while (flow->moved < end)
		step(flow);
}

/* 64 KB every 50 us; the clock finds ten times as much in ten times the time. */
static void streams_hold(void)
{
	struct flow flow = flow_of(64000, 50, 640000, 500);

	run(&flow, 3 * MIB);
	expect(!flow.bulk.holds);
	run(&flow, 2 * MIB);
	expect(flow.bulk.holds);
	run(&flow, 10000 * MIB);
	expect(flow.held > flow.moved * 98 / 100);
	expect_equal(flow.bulk.back_off, 0);
}

/* One of many: every 5 ms, clock or not. */
static void sparse_streams_hold(void)
{
	struct flow flow = flow_of(64000, 5000, 64000, 5000);

	run(&flow, 1000 * MIB);
	expect(flow.held > flow.moved * 98 / 100);
}

/* 32 KB on its way at most: 20 us, or until the next poll. */
static void small_windows_leave(void)
{
	struct flow flow = flow_of(32000, 20, 32000, COALESCE_US);

	run(&flow, 2000 * MIB);
	expect(flow.held < flow.moved / 100);
	expect(flow.bulk.back_off > 5);
	/* another network: what was learnt is forgotten once it holds again */
	flow.clock_portion = 800000;
	run(&flow, 3000 * MIB);
	expect(flow.bulk.back_off == 0);
}

/* However large they are, unless megabytes answer one byte. */
static void answers_do_not_hold(void)
{
	size_t sizes[] = { 16 << 10, 64 << 10, 256 << 10, 1 << 20 }, i;
	int round;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct flow flow = flow_of(sizes[i], 100, sizes[i], COALESCE_US);

		for (round = 0; round < 1000; round++) {
			bulk_answered(&flow.bulk);
			step(&flow);
			expect(!flow.bulk.holds);
		}
	}
}

static void small_portions_lose(void)
{
	struct flow flow = flow_of(64000, 50, 640000, 500);
	int portions;

	run(&flow, 100 * MIB);
	expect(flow.bulk.holds);
	for (portions = 0; flow.bulk.holds; portions++)
		bulk_moved(&flow.bulk, 1000, flow.now_us += 500);
	expect(portions > 32 && portions <= 64);
	/* one now and then does not */
	run(&flow, 100 * MIB);
	for (portions = 0; portions < 500; portions++) {
		step(&flow);
		bulk_moved(&flow.bulk, 1000, flow.now_us += 10);
	}
	expect(flow.bulk.holds);
}

const struct test bulk_tests[] = {
	{ "bulk: streams hold", streams_hold },
	{ "bulk: sparse streams hold", sparse_streams_hold },
	{ "bulk: small windows leave", small_windows_leave },
	{ "bulk: answers do not hold", answers_do_not_hold },
	{ "bulk: small portions lose it", small_portions_lose },
	{ NULL, NULL }
};
