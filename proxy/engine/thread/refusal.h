/* SPDX-License-Identifier: MIT */
/*
 * Families of addresses that are refused before the handshake.
 *
 * A client that finds IPv6 accepted does not fall back to IPv4, even when its
 * connection is reset later.  So while probes know that no upstream to which a
 * client could be sent carries a family, no thread listens to it (listener.h).  When
 * that is the case says families.h.
 *
 * The first thread, which makes the probes, decides; all are woken and act.
 */
#ifndef SIDETRACK_REFUSAL_H
#define SIDETRACK_REFUSAL_H

#include <stdint.h>

struct thread;
struct thread_group;

uint32_t refusal_of(const struct thread_group *group);
void refusal_review(struct thread *thread);

#endif /* SIDETRACK_REFUSAL_H */
