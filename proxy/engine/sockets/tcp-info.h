/* SPDX-License-Identifier: MIT */
/*
 * How a leg fared as TCP saw it: round trip and retransmissions.
 *
 * The kernel keeps all of it anyway; one getsockopt() for each leg fetches it
 * while the socket is still there.
 */
#ifndef SIDETRACK_VITALS_H
#define SIDETRACK_VITALS_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

struct vitals {
	uint32_t rtt_us;	/* smoothed; 0: never measured */
	uint32_t retransmitted_segments;
	uint64_t retransmitted_bytes;
	bool ended;		/* both FINs acknowledged: close() has nothing left to send */
};

bool vitals_read(int fd, struct vitals *vitals);
void vitals_count_client(struct sidetrack_relay_counters *counters, const struct vitals *vitals);
void vitals_count_upstream(struct sidetrack_relay_counters *counters, const struct vitals *vitals);

#endif /* SIDETRACK_VITALS_H */
