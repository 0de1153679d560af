// SPDX-License-Identifier: MIT
#include "sockets/tcp-info.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/counters.h"
#include "base/histogram.h"

/* TCP_CLOSE of netinet/tcp.h, which clashes with linux/tcp.h */
#define STATE_CLOSE 7

/**
 * vitals_read() - Ask the kernel how a socket has fared
 * @fd:		TCP socket, or -1
 * @vitals:	Where to put the answer; what an old kernel does not know is zero
 *
 * Return: false if it cannot be asked
 */
bool vitals_read(int fd, struct vitals *vitals)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		return false;
	*vitals = (struct vitals){
		.rtt_us = info.tcpi_rtt,
		.retransmitted_segments = info.tcpi_total_retrans,
		.retransmitted_bytes = info.tcpi_bytes_retrans,
		.ended = info.tcpi_state == STATE_CLOSE,
	};
	return true;
}

static void count(struct sidetrack_relay_histogram *rtt, uint64_t *segments, uint64_t *bytes,
		  const struct vitals *vitals)
{
	if (vitals->rtt_us)
		histogram_record(rtt, vitals->rtt_us);
	counter_add(segments, vitals->retransmitted_segments);
	counter_add(bytes, vitals->retransmitted_bytes);
}

void vitals_count_client(struct sidetrack_relay_counters *counters, const struct vitals *vitals)
{
	count(&counters->histogram[HISTOGRAM_rtt_client],
	      &counters->client_retransmitted_segments,
	      &counters->client_retransmitted_bytes, vitals);
}

void vitals_count_upstream(struct sidetrack_relay_counters *counters, const struct vitals *vitals)
{
	count(&counters->histogram[HISTOGRAM_rtt_upstream],
	      &counters->upstream_retransmitted_segments,
	      &counters->upstream_retransmitted_bytes, vitals);
}
