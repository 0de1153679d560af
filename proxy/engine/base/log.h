/* SPDX-License-Identifier: MIT */
/*
 * Finished connections on their way from a thread to the access log.
 *
 * A ring with one writer, the thread, and one reader, which drains the log.
 * Neither ever waits: if the ring is full the thread counts the record as
 * dropped and goes on.  Lines are made when they are read, so that the thread
 * only copies a record; and they are made here rather than in TypeScript,
 * because ten thousand a second must not cost a tenth of a processor.
 */
#ifndef SIDETRACK_LOG_H
#define SIDETRACK_LOG_H

#include <stdint.h>

#include "abi.h"
#include "base/memory.h"

struct log {
	uint64_t written __attribute__((aligned(CACHE_LINE)));	/* atomic, the thread's */
	uint64_t taken __attribute__((aligned(CACHE_LINE)));	/* atomic, the reader's */
	uint32_t size;
	struct sidetrack_relay_record record[] __attribute__((aligned(CACHE_LINE)));
};

struct log *log_create(uint32_t size);
void log_put(struct log *log, struct sidetrack_relay_counters *counters,
	     const struct sidetrack_relay_record *record);
int log_take_lines(struct log *log, const char *names, int name_count, char *out, int length);

#endif /* SIDETRACK_LOG_H */
