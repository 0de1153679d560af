/* SPDX-License-Identifier: MIT */
/* Tests run one to a process; the first thing that is not as expected ends it. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define expect(condition)								\
	do {										\
		if (!(condition)) {							\
			fprintf(stderr, "  %s:%d: expected %s (errno: %s)\n",		\
				__FILE__, __LINE__, #condition, strerror(errno));	\
			_exit(1);							\
		}									\
	} while (0)

#define expect_equal(actual, wanted)							\
	do {										\
		long long actual_ = (long long)(actual), wanted_ = (long long)(wanted);	\
		if (actual_ != wanted_) {						\
			fprintf(stderr, "  %s:%d: %s is %lld, expected %lld\n",		\
				__FILE__, __LINE__, #actual, actual_, wanted_);		\
			_exit(1);							\
		}									\
	} while (0)

/* Waits for the condition; gives up after 20 s. */
#define wait_for(condition)								\
	do {										\
		int tries_ = 0;								\
		while (!(condition)) {							\
			if (++tries_ > 10000) {						\
				fprintf(stderr, "  %s:%d: waited in vain for %s\n",	\
					__FILE__, __LINE__, #condition);		\
				_exit(1);						\
			}								\
			usleep(2000);							\
		}									\
	} while (0)

/* Under ThreadSanitizer a thread that goes on beside the relay may come late, as often as it likes. */
#ifdef __SANITIZE_THREAD__
#define MAY_BE_SLOW true
#else
#define MAY_BE_SLOW false
#endif

struct test {
	const char *name;
	void (*run)(void);
};

/* Not beside others: uses up what all processes of a user have in common. */
extern const struct test exhaust_tests[];
extern const struct test unit_tests[], mode_tests[], handshake_tests[], upstreams_tests[];
extern const struct test relay_tests[], fault_tests[], limit_tests[], hand_over_tests[];
extern const struct test upstream_tests[], socks_tests[], http_tests[], failover_tests[];
extern const struct test reset_tests[], endure_tests[], observe_tests[], accept_tests[], coalesce_tests[];
extern const struct test client_tests[], fast_open_tests[], bulk_tests[];
extern const struct test route_tests[], generation_tests[], probe_tests[], dial_tests[];
extern const struct test congestion_tests[], guard_tests[], refusal_tests[], judge_tests[], client_table_tests[], turn_tests[], read_ahead_tests[];

#endif /* CHECK_H */
