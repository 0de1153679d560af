// SPDX-License-Identifier: MIT
#include "sockets/freeze.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* TCP_ESTABLISHED of netinet/tcp.h, which clashes with linux/tcp.h */
#define STATE_ESTABLISHED 1
#define TIMESTAMP_BYTES 12
#define COMMON_OPTIONS (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_ECN)
#define REPAIR_OFF_SILENTLY (-1)	/* without a window probe */

bool tcp_facts_read(int fd, struct tcp_facts *facts)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);
	uint32_t stamp;

	memset(&info, 0, sizeof(info));
	if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		return false;
	stamp = info.tcpi_options & TCPI_OPT_TIMESTAMPS ? TIMESTAMP_BYTES : 0;
	*facts = (struct tcp_facts){
		.rtt_us = info.tcpi_rtt,
		.send_most = info.tcpi_snd_mss,
		.receive_most = info.tcpi_advmss > stamp ? info.tcpi_advmss - stamp : 0,
		.options = info.tcpi_options & COMMON_OPTIONS,
		.peer_scale = info.tcpi_options & TCPI_OPT_WSCALE ? info.tcpi_snd_wscale : 0,
		.own_scale = info.tcpi_options & TCPI_OPT_WSCALE ? info.tcpi_rcv_wscale : 0,
		.established = info.tcpi_state == STATE_ESTABLISHED,
	};
	return true;
}

bool socket_has_bytes(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCINQ, &bytes) < 0 || bytes;
}

bool socket_is_unacknowledged(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) < 0 || bytes;
}

static int set(int fd, int option, int value)
{
	return setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int get(int fd, int option, uint32_t *value)
{
	socklen_t length = sizeof(*value);

	return getsockopt(fd, IPPROTO_TCP, option, value, &length) < 0 ? -errno : 0;
}

static int read_queue(int fd, int queue, uint32_t *sequence)
{
	int error = set(fd, TCP_REPAIR_QUEUE, queue);

	return error ? error : get(fd, TCP_QUEUE_SEQ, sequence);
}

/* What repair does away with. */
struct kept {
	int reuse;
	int keepalive;
};

static struct kept keep(int fd)
{
	struct kept kept = { 0 };
	socklen_t length = sizeof(int);

	(void)getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &kept.reuse, &length);
	(void)getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &kept.keepalive, &length);
	return kept;
}

static void restore(int fd, struct kept kept)
{
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &kept.reuse, sizeof(kept.reuse));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &kept.keepalive, sizeof(kept.keepalive));
}

/**
 * nudge() - Have the peer acknowledge at once what it has got
 * @fd:		Connected
 *
 * A socket that leaves repair sends a window probe, and no receiver delays its answer to that.
 */
void nudge(int fd)
{
	struct kept kept = keep(fd);

	if (set(fd, TCP_REPAIR, 1) == 0)
		(void)set(fd, TCP_REPAIR, 0);
	restore(fd, kept);
}

/**
 * freeze() - Make a socket stand still, and read where it is
 * @fd:		Connected and drained
 * @frozen:	Where to put it
 *
 * Return: 0, or -errno and it goes on as before
 */
int freeze(int fd, struct frozen *frozen)
{
	int off = 0, error;
	struct kept kept = keep(fd);

	error = set(fd, TCP_REPAIR, 1);
	if (error)
		return error;
	error = read_queue(fd, TCP_RECV_QUEUE, &frozen->received);
	if (!error)
		error = read_queue(fd, TCP_SEND_QUEUE, &frozen->sent);
	if (!error)
		error = set(fd, TCP_REPAIR_QUEUE, TCP_NO_QUEUE);
	if (!error)
		error = get(fd, TCP_TIMESTAMP, &frozen->timestamp);
	if (!error && setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &off, sizeof(off)) < 0)
		error = -errno;
	if (!error)
		return 0;
	(void)set(fd, TCP_REPAIR, REPAIR_OFF_SILENTLY);
	restore(fd, kept);
	return error;
}

/* It goes on as before, but for what repair does away with. */
void thaw(int fd)
{
	struct kept kept = { .reuse = 1, .keepalive = 1 };

	(void)set(fd, TCP_REPAIR, REPAIR_OFF_SILENTLY);
	restore(fd, kept);
}
