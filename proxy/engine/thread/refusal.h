/* SPDX-License-Identifier: MIT */
/*
 * Families of addresses that are refused before the handshake.
 *
 * A client that finds IPv6 accepted does not fall back to IPv4, even when its
 * connection is reset later.  So while probes know that no upstream to which a
 * client could be sent carries a family, nobody listens to it (listener.h).
 *
 * It begins only while another family is known to work: there is nowhere to fall
 * back to otherwise, and it may be the probe's destination that is at fault.  It
 * ends when a probe of the family succeeds, or when nobody probes it any more;
 * that less is known than before (a new upstream, a new relay with the sockets of
 * the old one) changes nothing.
 *
 * The first thread, which makes the probes, decides; all are woken and act.
 */
#ifndef SIDETRACK_REFUSAL_H
#define SIDETRACK_REFUSAL_H

#include <stdint.h>

struct relay;
struct thread;

uint32_t refusal_of(const struct relay *relay);
void refusal_inherit(struct relay *relay, uint32_t families);
void refusal_review(struct thread *thread);

#endif /* SIDETRACK_REFUSAL_H */
