/* SPDX-License-Identifier: MIT */
/*
 * The last connections a thread accepted, for `recent()` and the page /connections.
 *
 * The owning thread writes, any thread reads, none waits.  Each slot carries a
 * sequence number that is odd while the slot is being written; a reader that
 * sees it odd, or changed behind its back, leaves that slot out.
 */
#ifndef SIDETRACK_RECENT_H
#define SIDETRACK_RECENT_H

#include <stdint.h>

#include "abi.h"

#define RECORD_WORDS (sizeof(struct sidetrack_relay_record) / sizeof(uint64_t))

struct recent_slot {
	uint64_t sequence;
	uint64_t word[RECORD_WORDS];
};

struct recent {
	uint64_t count;	/* records ever begun, known to the owner only */
	struct recent_slot slot[SIDETRACK_RELAY_RECENT];
};

uint64_t recent_begin(struct recent *recent, const struct sidetrack_relay_record *record);
void recent_update(struct recent *recent, uint64_t number,
		   const struct sidetrack_relay_record *record);
int recent_read(const struct recent *recent, struct sidetrack_relay_record *out, int limit);

#endif /* SIDETRACK_RECENT_H */
