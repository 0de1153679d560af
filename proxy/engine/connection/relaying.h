/* SPDX-License-Identifier: MIT */
/*
 * RELAYING: both directions run, until both have ended or one leg breaks.  What the
 * broken leg had received is handed on first; then comes RESETTING.
 */
#ifndef SIDETRACK_RELAYING_H
#define SIDETRACK_RELAYING_H

#include "connection/connection.h"

void relaying_begin(struct thread_context *thread, struct connection *connection);
void relaying_resume(struct thread_context *thread, struct connection *connection);

#endif /* SIDETRACK_RELAYING_H */
