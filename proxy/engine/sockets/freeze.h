/* SPDX-License-Identifier: MIT */
/*
 * A TCP socket that stands still: TCP_REPAIR, which takes CAP_NET_ADMIN.
 *
 * It says nothing any more, keeps its port, and close() ends it without a word.
 */
#ifndef SIDETRACK_FREEZE_H
#define SIDETRACK_FREEZE_H

#include <stdbool.h>
#include <stdint.h>

/* What two legs must have in common, so that the ends may talk with each other. */
struct tcp_facts {
	uint32_t rtt_us;
	uint32_t send_most;	/* bytes of payload that a segment to its peer may have */
	uint32_t receive_most;	/* that its peer may send */
	uint8_t options;	/* TCPI_OPT_* that both ends must know */
	uint8_t peer_scale;	/* of the window that its peer announces */
	uint8_t own_scale;
	bool established;
};

struct frozen {
	uint32_t received;	/* the next number that its peer sends */
	uint32_t sent;		/* the next that we would */
	uint32_t timestamp;	/* what we would say, if timestamps are used */
};

bool tcp_facts_read(int fd, struct tcp_facts *facts);
bool socket_has_bytes(int fd);
bool socket_is_unacknowledged(int fd);
void nudge(int fd);
int freeze(int fd, struct frozen *frozen);
void thaw(int fd);

#endif /* SIDETRACK_FREEZE_H */
