// SPDX-License-Identifier: MIT
/* The parts that need no socket. */
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/histogram.h"
#include "base/list.h"
#include "base/recent.h"
#include "base/timer.h"
#include "check.h"

static void histogram_edges(void)
{
	expect_equal(histogram_bucket(0), 0);
	expect_equal(histogram_bucket(99), 99);
	expect_equal(histogram_bucket(100), 100);
	expect_equal(histogram_bucket(109), 100);
	expect_equal(histogram_bucket(110), 101);
	expect_equal(histogram_bucket(999), 189);
	expect_equal(histogram_bucket(1000), 190);
	expect_equal(histogram_bucket(9899999999ULL), 818);
	expect_equal(histogram_bucket(9900000000ULL), 819);
	expect_equal(histogram_bucket(UINT64_MAX), 819);
}

static void histogram_is_monotonic(void)
{
	unsigned int last = 0;
	uint64_t value;

	for (value = 0; value < 20000000; value += value / 1000 + 1) {
		unsigned int bucket = histogram_bucket(value);

		expect(bucket >= last && bucket <= last + 1);
		last = bucket;
	}
}

struct alarm_clock {
	struct timer timer;
	uint64_t wanted_ms;
	uint64_t fired_ms;
};

static uint64_t wheel_now_ms;

static void alarm_fire(struct timer *timer, void *context)
{
	struct alarm_clock *alarm_clock = container_of(timer, struct alarm_clock, timer);

	(void)context;
	expect_equal(alarm_clock->fired_ms, 0);
	alarm_clock->fired_ms = wheel_now_ms;
}

/* Never early, never more than a tick late, however far away. */
static void timers_fire_in_time(void)
{
	enum { COUNT = 2000 };
	struct alarm_clock *clock = calloc(COUNT, sizeof(*clock));
	struct timer_wheel wheel;
	int i, wait;

	srandom(1);
	wheel_now_ms = 123456;
	timer_wheel_init(&wheel, wheel_now_ms);
	for (i = 0; i < COUNT; i++) {
		timer_init(&clock[i].timer, alarm_fire);
		clock[i].wanted_ms = wheel_now_ms + (uint64_t)random() % (i % 2 ? 1000 : 100000);
		timer_set(&wheel, &clock[i].timer, clock[i].wanted_ms);
	}
	while ((wait = timer_wheel_wait(&wheel, wheel_now_ms)) >= 0) {
		wheel_now_ms += (uint64_t)wait;
		timer_wheel_run(&wheel, wheel_now_ms, NULL);
	}
	for (i = 0; i < COUNT; i++) {
		expect(clock[i].fired_ms >= clock[i].wanted_ms);
		expect(clock[i].fired_ms <= clock[i].wanted_ms + TIMER_TICK_MS);
	}
	free(clock);
}

static void timers_move_and_cancel(void)
{
	struct alarm_clock clock[3] = { 0 };
	struct timer_wheel wheel;
	int i;

	wheel_now_ms = 1000;
	timer_wheel_init(&wheel, wheel_now_ms);
	for (i = 0; i < 3; i++) {
		timer_init(&clock[i].timer, alarm_fire);
		timer_set(&wheel, &clock[i].timer, 1100);
	}
	timer_set(&wheel, &clock[1].timer, 5000);
	timer_cancel(&wheel, &clock[2].timer);
	timer_cancel(&wheel, &clock[2].timer);
	wheel_now_ms = 2000;
	timer_wheel_run(&wheel, wheel_now_ms, NULL);
	expect(clock[0].fired_ms && !clock[1].fired_ms && !clock[2].fired_ms);
	/* a sleep of many turns */
	wheel_now_ms = 10000000;
	timer_wheel_run(&wheel, wheel_now_ms, NULL);
	expect(clock[1].fired_ms && !clock[2].fired_ms);
	expect_equal(timer_wheel_wait(&wheel, wheel_now_ms), -1);
}

static void recent_keeps_the_last(void)
{
	struct recent *recent = calloc(1, sizeof(*recent));
	struct sidetrack_relay_record out[SIDETRACK_RELAY_RECENT], record = { 0 };
	const uint64_t ids = 2 * SIDETRACK_RELAY_RECENT + 100;
	uint64_t i;
	int count, j;

	for (i = 0; i < ids; i++) {
		record.id = i;
		record.outcome = OUTCOME_OPEN;
		expect_equal(recent_begin(recent, &record), i);
	}
	record.outcome = OUTCOME_FINISHED;
	record.id = 3;		/* long gone: must not overwrite a younger one */
	recent_update(recent, 3, &record);
	record.id = ids - 1;
	recent_update(recent, ids - 1, &record);
	count = recent_read(recent, out, SIDETRACK_RELAY_RECENT);
	expect_equal(count, SIDETRACK_RELAY_RECENT);
	for (j = 0; j < count; j++) {
		expect(out[j].id >= ids - SIDETRACK_RELAY_RECENT);
		expect_equal(out[j].outcome, out[j].id == ids - 1 ? OUTCOME_FINISHED : OUTCOME_OPEN);
	}
	free(recent);
}

/* What a debug build promises: the first broken invariant ends the process. */
static void assertions_end_the_process(void)
{
	struct list list, node = { NULL, NULL };
	int status = 0;
	pid_t child = fork();

	expect(child >= 0);
	if (child == 0) {
		fclose(stderr);
		list_init(&list);
		list_add(&list, &node);
		list_add(&list, &node);
		_exit(0);
	}
	expect(waitpid(child, &status, 0) == child);
	expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

const struct test unit_tests[] = {
	{ "assert: ends the process", assertions_end_the_process },
	{ "histogram: edges", histogram_edges },
	{ "histogram: monotonic", histogram_is_monotonic },
	{ "timer: fires in time", timers_fire_in_time },
	{ "timer: moves and cancels", timers_move_and_cancel },
	{ "recent: keeps the last", recent_keeps_the_last },
	{ NULL, NULL }
};
