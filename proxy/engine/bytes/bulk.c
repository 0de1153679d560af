// SPDX-License-Identifier: MIT
#include "bytes/bulk.h"

#include "bytes/coalesce.h"

#ifndef BULK_BYTES			/* a fuzzer has less patience */
#define BULK_BYTES (4U << 20)	/* what is smaller should not wait for the clock */
#endif
#define LARGE_PORTION (16U << 10)
#define SMALL_COSTS (BULK_BYTES / 64)
#define ANSWER_COSTS (BULK_BYTES / 4)
#define BACK_OFF_MOST 8			/* 1 GiB */
#define PAUSE_US 10000			/* says nothing of the pace */
#define CLOSE_US (COALESCE_US * 2)
#define COMPARED 16			/* portions at a time: 8 ms under the clock */
#define SLOWER_MOST 2
#define CLOSE_MOST (COMPARED * 128)	/* a second under the clock */

static uint32_t goal(const struct bulk *bulk)
{
	return BULK_BYTES << bulk->back_off;
}

static void measure(struct bulk *bulk, uint32_t now_us)
{
	bulk->since_us = now_us;
	bulk->bytes = 0;
}

static void add(uint32_t *sum, size_t bytes)
{
	*sum = bytes < UINT32_MAX - *sum ? *sum + (uint32_t)bytes : UINT32_MAX;
}

static uint32_t measured_pace(const struct bulk *bulk, uint32_t now_us)
{
	uint64_t pace = (uint64_t)bulk->bytes * 1024 / (now_us - bulk->since_us + 1);

	return pace < UINT32_MAX ? (uint32_t)pace : UINT32_MAX;
}

/**
 * bulk_end() - Begin again from nothing
 * @bulk:	Direction's
 */
void bulk_end(struct bulk *bulk)
{
	bulk->credit = 0;
	bulk->holds = false;
	bulk->slower = 0;
	bulk->close = 0;
}

static void spend(struct bulk *bulk, uint32_t cost)
{
	bulk->credit -= cost < bulk->credit ? cost : bulk->credit;
	if (!bulk->credit)
		bulk_end(bulk);
}

static void earn(struct bulk *bulk, size_t bytes, uint32_t gap_us)
{
	uint32_t now_us = bulk->last_us;

	if (!bulk->credit || gap_us > PAUSE_US)
		measure(bulk, now_us);
	else
		add(&bulk->bytes, bytes);
	add(&bulk->credit, bytes);
	if (bulk->credit < goal(bulk))
		return;
	bulk->pace = measured_pace(bulk, now_us);
	bulk->holds = true;
	measure(bulk, now_us);
}

static void compare(struct bulk *bulk, uint32_t now_us)
{
	uint64_t pace = measured_pace(bulk, now_us);

	measure(bulk, now_us);
	if (pace * 4 >= (uint64_t)bulk->pace * 3) {
		bulk->slower = 0;
	} else if (++bulk->slower >= SLOWER_MOST) {
		bulk_end(bulk);
		if (bulk->back_off < BACK_OFF_MOST)
			bulk->back_off++;
	}
}

static void hold(struct bulk *bulk, size_t bytes, uint32_t gap_us)
{
	uint32_t now_us = bulk->last_us;

	add(&bulk->credit, bytes);
	if (bulk->credit > goal(bulk))
		bulk->credit = goal(bulk);
	if (gap_us > CLOSE_US) {	/* the clock had no part in it */
		bulk->since_us += gap_us;
		return;
	}
	add(&bulk->bytes, bytes);
	if (++bulk->close % COMPARED == 0)
		compare(bulk, now_us);
	if (bulk->close >= CLOSE_MOST) {
		bulk_end(bulk);
		bulk->back_off = 0;
	}
}

/**
 * bulk_moved() - Bytes have moved this way, by splice
 * @bulk:	Direction's
 * @bytes:	How many, since the thread was woken or polled
 * @now_us:	When
 */
void bulk_moved(struct bulk *bulk, size_t bytes, uint64_t now_us)
{
	uint32_t gap_us = (uint32_t)now_us - bulk->last_us;

	bulk->last_us = (uint32_t)now_us;
	if (bytes < LARGE_PORTION)
		spend(bulk, SMALL_COSTS);
	else if (bulk->holds)
		hold(bulk, bytes, gap_us);
	else
		earn(bulk, bytes, gap_us);
}

/**
 * bulk_answered() - Bytes have moved the other way
 * @bulk:	Direction's
 */
void bulk_answered(struct bulk *bulk)
{
	spend(bulk, ANSWER_COSTS);
}
