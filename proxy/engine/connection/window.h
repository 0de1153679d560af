/* SPDX-License-Identifier: MIT */
/*
 * How much may wait for a receiver: in the send buffer of its leg, and in the receive buffer of
 * the other one, which the kernel would let grow to megabytes while a flow is fast.
 *
 * Theory of operation
 *
 * What has been allowed to a sender cannot be taken back, so a flow has to earn its window by
 * what its receiver has taken.  A direction climbs:
 *
 *	           receive buffer          not sent yet     until
 *	AUTOMATIC  as the kernel began it                   64 KiB have gone by
 *	HELD       64 KiB                   32 KiB          three times that
 *	NEAR       128 KiB                 128 KiB          128 times that: 16 MiB
 *	  or at once FREE, if a round trip is longer than a millisecond
 *	FREE       the kernel sizes it, from 256 KiB on  1 MiB
 *	CUT        16 KiB                   16 KiB          64 KiB, if the client is not over its share
 *
 * (The kernel reserves twice the receive buffer.)  AUTOMATIC is for those that are over soon, and
 * costs nothing.  HELD allows what a sender's slow start has reached by then.  On a long way a
 * sender needs a large window, and the kernel finds out how large.  Between machines that are near each
 * other 128 KiB are enough for 1 Gbit/s and up; on busy ones the kernel's larger ones were up to
 * twice as fast, so in the end a flow gets that, too.  A
 * client over its share climbs no further.  All figures are parts of
 * relay.read_ahead, those of HELD at most what is said here.  A flow costs two system calls for
 * each step, and one for the question how far it is.
 *
 * A kernel without SO_BUF_LOCK (before Linux 5.14) sizes no buffer any more that was ever held:
 * there a long way keeps AUTOMATIC until its client is over its share.  Where net.core.rmem_max
 * is too small for NEAR, what would be so is FREE.
 */
#ifndef SIDETRACK_CONNECTION_WINDOW_H
#define SIDETRACK_CONNECTION_WINDOW_H

#include "connection/connection.h"

void windows_init(struct thread_context *thread);
void window_flowed(struct thread_context *thread, struct connection *connection, int side,
		   uint64_t moved, bool is_over);
void window_stalled(struct thread_context *thread, struct connection *connection, int side,
		    bool is_over);
void window_cut(struct thread_context *thread, struct connection *connection, int side);
uint32_t window_expected(const struct connection *connection, int side);

#endif /* SIDETRACK_CONNECTION_WINDOW_H */
