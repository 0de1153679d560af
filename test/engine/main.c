// SPDX-License-Identifier: MIT
/*
 * Runs every test in a process of its own, inside a network namespace of ours.
 *
 *   relay-test world.sh [part of a name]
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"
#include "flow-trace.h"
#include "harness.h"
#include "world.h"

#define SECONDS_PER_TEST 120
#define DESCRIPTORS 20000	/* an ordinary user has 1024 until it asks for more */

static void *nothing(void *argument)
{
	return argument;
}

/* ThreadSanitizer starts a thread of its own beside the first one; not ours to count. */
static void start_sanitizer_thread(void)
{
	pthread_t thread;

	expect(pthread_create(&thread, NULL, nothing, NULL) == 0);
	expect(pthread_join(thread, NULL) == 0);
}

static void raise_descriptors(void)
{
	struct rlimit limit;

	expect(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max < DESCRIPTORS ? limit.rlim_max : DESCRIPTORS;
	expect(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* Nothing may be left: descriptors, threads, and at exit memory. */
static void run_child(const struct test *test)
{
	int descriptors, threads;

	start_sanitizer_thread();
	descriptors = count_entries("/proc/self/fd");
	threads = count_entries("/proc/self/task");
	alarm(SECONDS_PER_TEST);
	signal(SIGPIPE, SIG_IGN);
	test->run();
	expect_equal(count_entries("/proc/self/fd"), descriptors);
	wait_for(count_entries("/proc/self/task") == threads);
	exit(0);
}

static int run(const struct test *test)
{
	pid_t child;
	int status = 0;

	fflush(NULL);
	flow_trace_begin();
	child = fork();
	if (child == 0)
		run_child(test);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return 1;
	if (WIFSIGNALED(status))
		fprintf(stderr, "  ended by signal %d\n", WTERMSIG(status));
	if (status)
		flow_trace_show();
	printf("%s  %s\n", status ? "FAIL" : "ok  ", test->name);
	return status != 0;
}

int main(int argc, char **argv)
{
	static const struct test *const suites[] = {
		unit_tests, mode_tests, handshake_tests, upstreams_tests,
		relay_tests, fault_tests, limit_tests, hand_over_tests,
		upstream_tests, socks_tests, http_tests, failover_tests,
		reset_tests, endure_tests, observe_tests, accept_tests, coalesce_tests,
		client_tests, fast_open_tests, bulk_tests,
		route_tests, generation_tests, probe_tests, dial_tests,
		guard_tests, refusal_tests
	};
	const char *filter = argc > 2 ? argv[2] : "";
	int passed = 0, failed = 0;
	size_t suite;

	if (argc < 2) {
		fprintf(stderr, "usage: %s world.sh [part of a test's name]\n", argv[0]);
		return 2;
	}
	raise_descriptors();
	world_enter(argv[1]);
	flow_trace_open();
	for (suite = 0; suite < sizeof(suites) / sizeof(suites[0]); suite++) {
		const struct test *test;

		for (test = suites[suite]; test->name; test++) {
			int bad = strstr(test->name, filter) ? run(test) : -1;

			passed += bad == 0;
			failed += bad == 1;
		}
	}
	printf("engine: %d passed, %d failed\n", passed, failed);
	return failed != 0;
}
