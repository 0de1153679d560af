/* SPDX-License-Identifier: MIT */
/*
 * The record of a connection that people see: in the list of recent ones, and in
 * the access log when it has ended.
 */
#ifndef SIDETRACK_RECORD_H
#define SIDETRACK_RECORD_H

#include "connection/connection.h"
#include "sockets/tcp-info.h"

uint64_t record_id(const struct thread_context *thread, const struct connection *connection);
void record_begin(struct thread_context *thread, struct connection *connection);
void record_established(struct thread_context *thread, struct connection *connection);
void record_end(struct thread_context *thread, struct connection *connection, enum outcome outcome,
		const struct tcp_summary info[SIDES]);

#endif /* SIDETRACK_RECORD_H */
