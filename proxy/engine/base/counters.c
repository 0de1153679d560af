// SPDX-License-Identifier: MIT
#include "base/counters.h"

#include <stddef.h>

_Static_assert(sizeof(struct sidetrack_relay_counters) % sizeof(uint64_t) == 0,
	       "a page is a row of 64-bit counters");

/**
 * counters_copy() - Take a picture of a page while its thread goes on counting
 * @page:	Page of any thread
 * @out:	Where to put it
 *
 * Each value is exact; two values may be a moment apart.
 */
void counters_copy(const struct counter_page *page, struct sidetrack_relay_counters *out)
{
	const uint64_t *from = (const uint64_t *)&page->counters;
	uint64_t *to = (uint64_t *)out;
	size_t i;

	for (i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = counter_read(&from[i]);
}
