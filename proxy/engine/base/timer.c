// SPDX-License-Identifier: MIT
#include "base/timer.h"

#define SLOT_MASK (TIMER_SLOTS - 1)

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms)
{
	unsigned int i;

	*wheel = (struct timer_wheel){ .tick = now_ms / TIMER_TICK_MS };
	for (i = 0; i < TIMER_SLOTS; i++)
		list_init(&wheel->slot[i]);
}

void timer_init(struct timer *timer, timer_callback fire)
{
	list_init(&timer->node);
	timer->deadline_ms = 0;
	timer->fire = fire;
}

/* Rounded up, so that a timer whose slot is done has really expired. */
static uint64_t timer_due_tick(const struct timer_wheel *wheel, uint64_t deadline_ms)
{
	uint64_t due = deadline_ms / TIMER_TICK_MS + 1;

	if (due < wheel->tick)
		return wheel->tick;
	if (due > wheel->tick + SLOT_MASK)
		return wheel->tick + SLOT_MASK;
	return due;
}

static void timer_insert(struct timer_wheel *wheel, struct timer *timer)
{
	unsigned int slot = timer_due_tick(wheel, timer->deadline_ms) & SLOT_MASK;

	list_add(&wheel->slot[slot], &timer->node);
	wheel->occupied[slot / 64] |= 1ULL << (slot % 64);
	wheel->count++;
}

/**
 * timer_set() - Start a timer, or move a running one
 * @wheel:		Wheel of this thread
 * @timer:		Timer
 * @deadline_ms:	When to fire, on the same clock as timer_wheel_run()
 */
void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ms)
{
	timer_cancel(wheel, timer);
	timer->deadline_ms = deadline_ms;
	timer_insert(wheel, timer);
}

/* An occupied bit may outlive its timers; then one wake-up finds nothing. */
void timer_cancel(struct timer_wheel *wheel, struct timer *timer)
{
	if (list_empty(&timer->node))
		return;
	ASSERT(wheel->count > 0);
	list_remove(&timer->node);
	wheel->count--;
}

static unsigned int ticks_to_next(const struct timer_wheel *wheel)
{
	unsigned int distance;

	for (distance = 0; distance < TIMER_SLOTS; distance++) {
		unsigned int slot = (wheel->tick + distance) & SLOT_MASK;
		uint64_t word = wheel->occupied[slot / 64] >> (slot % 64);

		if (word)
			return distance + (unsigned int)__builtin_ctzll(word);
		distance += 63 - slot % 64;
	}
	return TIMER_SLOTS;
}

/**
 * timer_wheel_wait() - How long a thread may sleep
 * @wheel:	Wheel of this thread
 * @now_ms:	Time
 *
 * Return: milliseconds, or -1 when nothing is waiting
 */
int timer_wheel_wait(const struct timer_wheel *wheel, uint64_t now_ms)
{
	uint64_t due_ms;

	if (!wheel->count)
		return -1;
	due_ms = (wheel->tick + ticks_to_next(wheel)) * TIMER_TICK_MS;
	return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}

static void slot_run(struct timer_wheel *wheel, unsigned int slot, uint64_t now_ms, void *context)
{
	struct list due;

	wheel->occupied[slot / 64] &= ~(1ULL << (slot % 64));
	list_init(&due);
	list_move_all(&wheel->slot[slot], &due);
	while (!list_empty(&due)) {
		struct timer *timer = container_of(due.next, struct timer, node);

		timer_cancel(wheel, timer);
		if (timer->deadline_ms > now_ms)
			timer_insert(wheel, timer);
		else
			timer->fire(timer, context);
	}
}

/**
 * timer_wheel_run() - Fire what is due
 * @wheel:	Wheel of this thread
 * @now_ms:	Time
 * @context:	Passed on to the callbacks
 */
void timer_wheel_run(struct timer_wheel *wheel, uint64_t now_ms, void *context)
{
	uint64_t now_tick = now_ms / TIMER_TICK_MS;

	/* after a long sleep one turn sees every slot; there is no need for more */
	if (now_tick >= wheel->tick + TIMER_SLOTS)
		wheel->tick = now_tick - SLOT_MASK;
	while (wheel->tick <= now_tick) {
		unsigned int slot = wheel->tick & SLOT_MASK;

		wheel->tick++;
		slot_run(wheel, slot, now_ms, context);
	}
}
