/* SPDX-License-Identifier: MIT */
/*
 * How a leg fared as TCP saw it: round trip and retransmissions.
 *
 * The kernel keeps all of it anyway; one getsockopt() for each leg fetches it
 * while the socket is still there.
 */
#ifndef SIDETRACK_TCP_INFO_H
#define SIDETRACK_TCP_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

struct tcp_summary {
	uint32_t rtt_us;	/* smoothed; 0: never measured */
	uint32_t least_rtt_us;	/* of late; UINT32_MAX: never measured */
	uint32_t retransmitted_segments;
	uint64_t retransmitted_bytes;
	bool ended;		/* both FINs acknowledged: close() has nothing left to send */
};

bool tcp_info_read(int fd, struct tcp_summary *summary);
void tcp_info_count_client(struct sidetrack_relay_counters *counters,
			   const struct tcp_summary *summary);
void tcp_info_count_upstream(struct sidetrack_relay_counters *counters,
			     const struct tcp_summary *summary);

#endif /* SIDETRACK_TCP_INFO_H */
