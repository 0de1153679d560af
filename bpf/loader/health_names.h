/* SPDX-License-Identifier: MIT */
/* Words of bpf/server-health.ts, by their numbers in a heartbeat; a unit test compares both. */
#ifndef SIDETRACK_LOADER_HEALTH_NAMES_H
#define SIDETRACK_LOADER_HEALTH_NAMES_H

#define HEARTBEAT_REASONS(X)						\
	X(ok)								\
	X(starting)							\
	X(leaving)							\
	X(listener)							\
	X(threads)							\
	X(upstreams)							\
	X(descriptors)							\
	X(memory)							\
	X(check)							\
	X(port)

/* `version` of bpf/report.ts. */
#define REPORT_VERSION 1

#endif /* SIDETRACK_LOADER_HEALTH_NAMES_H */
