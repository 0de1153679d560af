// SPDX-License-Identifier: MIT
#include "base/histogram.h"

#include "base/counters.h"

#define PARTS_PER_DECADE 90
#define LAST_DECADE 8

_Static_assert(PARTS_PER_DECADE * LAST_DECADE + 100 == SIDETRACK_RELAY_HISTOGRAM_BUCKETS,
	       "the bucket count in abi.h belongs to this layout");

/**
 * histogram_bucket() - Bucket that a duration falls into
 * @microseconds:	Duration
 *
 * Return: index into struct sidetrack_relay_histogram.bucket
 */
unsigned int histogram_bucket(uint64_t microseconds)
{
	unsigned int decade = 0;

	while (microseconds >= 100 && decade < LAST_DECADE) {
		microseconds /= 10;
		decade++;
	}
	if (microseconds > 99)
		microseconds = 99;
	return PARTS_PER_DECADE * decade + (unsigned int)microseconds;
}

/**
 * histogram_record() - Count one duration; only the owning thread may call it
 * @histogram:		Histogram in the thread's counter page
 * @microseconds:	Duration
 */
void histogram_record(struct sidetrack_relay_histogram *histogram, uint64_t microseconds)
{
	counter_add(&histogram->sum, microseconds);
	counter_add(&histogram->bucket[histogram_bucket(microseconds)], 1);
}
