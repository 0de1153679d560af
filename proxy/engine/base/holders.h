/* SPDX-License-Identifier: MIT */
/*
 * How much memory the kernel has for each client's stalled connections, in one thread.
 *
 * Theory of operation
 *
 * A budget is shared by those who hold anything: as long as all of it is less than the budget
 * nobody is over it, then those are who have more than the budget by the number of holders.
 *
 * Clients are counted in buckets of a hash with a secret seed, as packet schedulers count flows: no
 * memory is allocated, however many clients there are, and an IPv6 client is its /64.  Two
 * clients in one bucket pass for one: beside an offender that meets one client in 4096.
 */
#ifndef SIDETRACK_HOLDERS_H
#define SIDETRACK_HOLDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/endpoint.h"

#define HOLDER_BUCKETS 4096

struct holders {
	uint64_t seed;
	uint64_t bytes;			/* of all */
	uint32_t count;			/* buckets that have any */
	uint64_t bucket[HOLDER_BUCKETS];
};

bool holders_init(struct holders *holders);
uint16_t holders_bucket(const struct holders *holders, const struct endpoint *client);
void holders_change(struct holders *holders, uint16_t bucket, uint64_t before, uint64_t now);
bool holders_is_over(const struct holders *holders, uint16_t bucket, uint64_t budget);

#endif /* SIDETRACK_HOLDERS_H */
