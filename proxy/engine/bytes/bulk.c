// SPDX-License-Identifier: MIT
#include "bytes/bulk.h"

#include "bytes/coalesce.h"

#ifndef SUSTAIN_BYTES			/* a fuzzer has less patience */
#define SUSTAIN_BYTES (4U << 20)	/* what is smaller should not wait for the clock */
#endif
#define LARGE_PORTION (16U << 10)
#define SMALL_COSTS (SUSTAIN_BYTES / 64)
#define ANSWER_COSTS (SUSTAIN_BYTES / 4)
#define BACK_OFF_MOST 8			/* 1 GiB */
#define PAUSE_US 10000			/* says nothing of the pace */
#define CLOSE_US (COALESCE_US * 2)
#define COMPARED 16			/* portions at a time: 8 ms under the clock */
#define SLOWER_MOST 2
#define CLOSE_MOST (COMPARED * 128)	/* a second under the clock */

static uint32_t goal(const struct sustain *sustain)
{
	return SUSTAIN_BYTES << sustain->back_off;
}

static void measure(struct sustain *sustain, uint32_t now_us)
{
	sustain->since_us = now_us;
	sustain->bytes = 0;
}

static void add(uint32_t *sum, size_t bytes)
{
	*sum = bytes < UINT32_MAX - *sum ? *sum + (uint32_t)bytes : UINT32_MAX;
}

static uint32_t measured_pace(const struct sustain *sustain, uint32_t now_us)
{
	uint64_t pace = (uint64_t)sustain->bytes * 1024 / (now_us - sustain->since_us + 1);

	return pace < UINT32_MAX ? (uint32_t)pace : UINT32_MAX;
}

/**
 * sustain_end() - Begin again from nothing
 * @sustain:	Direction's
 */
void sustain_end(struct sustain *sustain)
{
	sustain->credit = 0;
	sustain->holds = false;
	sustain->slower = 0;
	sustain->close = 0;
}

static void spend(struct sustain *sustain, uint32_t cost)
{
	sustain->credit -= cost < sustain->credit ? cost : sustain->credit;
	if (!sustain->credit)
		sustain_end(sustain);
}

static void earn(struct sustain *sustain, size_t bytes, uint32_t gap_us)
{
	uint32_t now_us = sustain->last_us;

	if (!sustain->credit || gap_us > PAUSE_US)
		measure(sustain, now_us);
	else
		add(&sustain->bytes, bytes);
	add(&sustain->credit, bytes);
	if (sustain->credit < goal(sustain))
		return;
	sustain->pace = measured_pace(sustain, now_us);
	sustain->holds = true;
	measure(sustain, now_us);
}

static void compare(struct sustain *sustain, uint32_t now_us)
{
	uint64_t pace = measured_pace(sustain, now_us);

	measure(sustain, now_us);
	if (pace * 4 >= (uint64_t)sustain->pace * 3) {
		sustain->slower = 0;
	} else if (++sustain->slower >= SLOWER_MOST) {
		sustain_end(sustain);
		if (sustain->back_off < BACK_OFF_MOST)
			sustain->back_off++;
	}
}

static void hold(struct sustain *sustain, size_t bytes, uint32_t gap_us)
{
	uint32_t now_us = sustain->last_us;

	add(&sustain->credit, bytes);
	if (sustain->credit > goal(sustain))
		sustain->credit = goal(sustain);
	if (gap_us > CLOSE_US) {	/* the clock had no part in it */
		sustain->since_us += gap_us;
		return;
	}
	add(&sustain->bytes, bytes);
	if (++sustain->close % COMPARED == 0)
		compare(sustain, now_us);
	if (sustain->close >= CLOSE_MOST) {
		sustain_end(sustain);
		sustain->back_off = 0;
	}
}

/**
 * sustain_moved() - Bytes have moved this way, by splice
 * @sustain:	Direction's
 * @bytes:	How many, since the thread was woken or looked
 * @now_us:	When
 */
void sustain_moved(struct sustain *sustain, size_t bytes, uint64_t now_us)
{
	uint32_t gap_us = (uint32_t)now_us - sustain->last_us;

	sustain->last_us = (uint32_t)now_us;
	if (bytes < LARGE_PORTION)
		spend(sustain, SMALL_COSTS);
	else if (sustain->holds)
		hold(sustain, bytes, gap_us);
	else
		earn(sustain, bytes, gap_us);
}

/**
 * sustain_answered() - Bytes have moved the other way
 * @sustain:	Direction's
 */
void sustain_answered(struct sustain *sustain)
{
	spend(sustain, ANSWER_COSTS);
}
