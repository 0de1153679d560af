/* SPDX-License-Identifier: MIT */
/*
 * A coarse timer wheel: one turn of 512 slots of 32 ms.
 *
 * Adding and removing are a few pointer writes and only the slots whose time
 * has come are looked at.  A deadline further away than one turn waits in the
 * last slot and is put back when it comes round.  Traffic does not touch the
 * wheel at all: a connection notes when it was last active, and when its timer
 * fires it works out the true deadline and goes back in.  So a timer may fire
 * up to one tick late, never early.
 */
#ifndef SIDETRACK_TIMER_H
#define SIDETRACK_TIMER_H

#include <stdint.h>

#include "base/list.h"

#define TIMER_SLOTS 512
#define TIMER_TICK_MS 32

struct timer;
typedef void (*timer_callback)(struct timer *timer, void *context);

struct timer {
	struct list node;
	uint64_t deadline_ms;
	timer_callback fire;
};

struct timer_wheel {
	uint64_t tick;		/* all slots before it are done */
	unsigned int count;
	uint64_t occupied[TIMER_SLOTS / 64];
	struct list slot[TIMER_SLOTS];
};

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ms);
void timer_init(struct timer *timer, timer_callback fire);
void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ms);
void timer_cancel(struct timer_wheel *wheel, struct timer *timer);
int timer_wheel_wait(const struct timer_wheel *wheel, uint64_t now_ms);
void timer_wheel_run(struct timer_wheel *wheel, uint64_t now_ms, void *context);

#endif /* SIDETRACK_TIMER_H */
