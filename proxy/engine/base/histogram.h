/* SPDX-License-Identifier: MIT */
/*
 * Log-linear histogram of microseconds with decimal edges.
 *
 * 0..99 us have a bucket each; above, every power of ten is cut into 90 equal
 * parts (100..109, 110..119, … 990..999, 1000..1099, …).  So no value is off by
 * more than a tenth, and the round bounds that Prometheus buckets want (0.001,
 * 0.0025, 0.005 s) fall exactly on edges.  The last bucket takes all above
 * 9900 s.
 */
#ifndef SIDETRACK_HISTOGRAM_H
#define SIDETRACK_HISTOGRAM_H

#include <stdint.h>

#include "abi.h"

unsigned int histogram_bucket(uint64_t microseconds);
void histogram_record(struct sidetrack_relay_histogram *histogram, uint64_t microseconds);

#endif /* SIDETRACK_HISTOGRAM_H */
