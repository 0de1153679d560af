/* SPDX-License-Identifier: MIT */
#ifndef SIDETRACK_CLOCK_H
#define SIDETRACK_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* For durations and deadlines. */
static inline uint64_t clock_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

static inline uint64_t clock_ms(void)
{
	return clock_us() / 1000;
}

/* For people. */
static inline uint64_t clock_unix_ms(void)
{
	return clock_read_us(CLOCK_REALTIME) / 1000;
}

#endif /* SIDETRACK_CLOCK_H */
