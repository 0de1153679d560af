/* SPDX-License-Identifier: MIT */
/* A relay under test, and what it counts. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>

#include "abi.h"

struct sidetrack_relay_options default_options(void);
struct relay *begin(const struct sidetrack_relay_options *options);
struct relay *begin_with(const struct sidetrack_relay_options *options,
			 const struct sidetrack_relay_upstream *upstreams, int count);
struct relay *begin_default(void);
void add_upstream(struct relay *relay, const struct sidetrack_relay_upstream *upstream,
		  uint32_t slot);
void finish(struct relay *relay);

struct sidetrack_relay_counters counters_of(struct relay *relay);
struct sidetrack_relay_status status_of(struct relay *relay);
uint64_t ended(struct relay *relay, enum outcome outcome);
/* Of a relay with one thread: numbers of different threads have no order. */
struct sidetrack_relay_record last_record(struct relay *relay);
uint64_t histogram_count(const struct sidetrack_relay_histogram *histogram);

/* A relayed connection as its two ends see it. */
struct pair {
	int listener;
	int client;
	int upstream;
};

struct pair pair_open(int family);
void pair_close(struct pair *pair);

int count_entries(const char *directory);
bool has_other_user(void);

#endif /* HARNESS_H */
