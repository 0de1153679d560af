/* SPDX-License-Identifier: MIT */
/*
 * A connection that is RELAYING, and what follows when one leg breaks: RESETTING.
 * The states before are in establish.h, all of them in connection.h.
 */
#ifndef SIDETRACK_RELAYING_H
#define SIDETRACK_RELAYING_H

#include "connection/connection.h"

void relaying_begin(struct thread_context *thread, struct connection *connection);
void relaying_event(struct thread_context *thread, struct connection *connection, int side,
		    uint32_t events);
void relaying_expect_reset(struct connection *connection, int side);
void relaying_resume(struct thread_context *thread, struct connection *connection);
void resetting_event(struct thread_context *thread, struct connection *connection, int side,
		     uint32_t events);
void resetting_check(struct thread_context *thread, struct connection *connection);

#endif /* SIDETRACK_RELAYING_H */
