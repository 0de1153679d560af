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
 * tcp_info_read() - Ask the kernel how a socket has fared
 * @fd:		TCP socket, or -1
 * @summary:	Where to put the answer; what an old kernel does not know is zero
 *
 * Return: false if it cannot be asked
 */
bool tcp_info_read(int fd, struct tcp_summary *summary)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	memset(&info, 0, sizeof(info));
	if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		return false;
	*summary = (struct tcp_summary){
		.rtt_us = info.tcpi_rtt,
		.least_rtt_us = info.tcpi_min_rtt ? info.tcpi_min_rtt : UINT32_MAX,
		.retransmitted_segments = info.tcpi_total_retrans,
		.retransmitted_bytes = info.tcpi_bytes_retrans,
		.ended = info.tcpi_state == STATE_CLOSE,
	};
	return true;
}

static void count(struct sidetrack_relay_histogram *rtt, uint64_t *segments, uint64_t *bytes,
		  const struct tcp_summary *summary)
{
	if (summary->rtt_us)
		histogram_record(rtt, summary->rtt_us);
	counter_add(segments, summary->retransmitted_segments);
	counter_add(bytes, summary->retransmitted_bytes);
}

void tcp_info_count_client(struct sidetrack_relay_counters *counters,
			   const struct tcp_summary *summary)
{
	count(&counters->histogram[HISTOGRAM_rtt_client],
	      &counters->client_retransmitted_segments,
	      &counters->client_retransmitted_bytes, summary);
}

void tcp_info_count_upstream(struct sidetrack_relay_counters *counters,
			     const struct tcp_summary *summary)
{
	count(&counters->histogram[HISTOGRAM_rtt_upstream],
	      &counters->upstream_retransmitted_segments,
	      &counters->upstream_retransmitted_bytes, summary);
}
