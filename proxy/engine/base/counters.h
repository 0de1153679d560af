/* SPDX-License-Identifier: MIT */
/*
 * Counters that one thread writes and any thread may read.
 *
 * With a single writer there is no read-modify-write to protect: a relaxed load
 * and a relaxed store are ordinary instructions, readers never see half of a
 * value, and no cache line is shared between two writers.
 */
#ifndef SIDETRACK_COUNTERS_H
#define SIDETRACK_COUNTERS_H

#include <stdint.h>

#include "abi.h"
#include "base/assert.h"
#include "base/memory.h"

struct counter_page {
	struct sidetrack_relay_counters counters;
} __attribute__((aligned(CACHE_LINE)));

static inline uint64_t counter_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void counter_set(uint64_t *counter, uint64_t value)
{
	__atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void counter_add(uint64_t *counter, uint64_t amount)
{
	counter_set(counter, counter_read(counter) + amount);
}

static inline void counter_subtract(uint64_t *counter, uint64_t amount)
{
	ASSERT(counter_read(counter) >= amount);
	counter_set(counter, counter_read(counter) - amount);
}

void counters_copy(const struct counter_page *page, struct sidetrack_relay_counters *out);

#endif /* SIDETRACK_COUNTERS_H */
