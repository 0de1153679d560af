// SPDX-License-Identifier: MIT
/*
 * Runs every test in a process of its own, on each core one at a time, inside network namespaces of ours.
 *
 *   relay-test world.sh [part of a name]
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "flow-trace.h"
#include "harness.h"
#include "world.h"

#define SECONDS_PER_TEST 120
#define DESCRIPTORS 20000	/* an ordinary user has 1024 until it asks for more */
/* Worth a word. */
#define SLOW_SECONDS 3
#define MOST_WORKERS 4

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

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Return: whether it failed */
static bool run(const struct test *test)
{
	double begin = now();
	pid_t child;
	int status = 0;

	fflush(NULL);
	flow_trace_begin();
	child = fork();
	if (child == 0)
		run_child(test);
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return true;
	if (WIFSIGNALED(status))
		fprintf(stderr, "  ended by signal %d\n", WTERMSIG(status));
	if (status)
		flow_trace_show();
	printf("%s  %s", status ? "FAIL" : "ok  ", test->name);
	if (now() - begin > SLOW_SECONDS)
		printf(" (%.1f s)", now() - begin);
	printf("\n");
	return status != 0;
}

/* Each ends with a test without a name, and the list with none. */
static const struct test *const side_by_side[] = {
	unit_tests, mode_tests, handshake_tests, upstreams_tests,
	relay_tests, fault_tests, limit_tests, hand_over_tests,
	upstream_tests, socks_tests, http_tests, failover_tests,
	reset_tests, endure_tests, observe_tests, accept_tests, coalesce_tests,
	client_tests, fast_open_tests, bulk_tests,
	route_tests, generation_tests, probe_tests, dial_tests,
	congestion_tests, guard_tests, refusal_tests, judge_tests, client_table_tests, turn_tests, read_ahead_tests, NULL
};

static const struct test *const alone[] = { exhaust_tests, NULL };

/* What the workers have in common. */
struct progress {
	atomic_uint next;	/* test that no worker has taken yet */
	atomic_int passed, failed;
};

/* Runs those of the tests that no other worker takes. */
static void run_matching(const struct test *const *suite, const char *filter,
			 struct progress *progress)
{
	unsigned int number = 0, mine = atomic_fetch_add(&progress->next, 1);
	const struct test *test;

	for (; *suite; suite++) {
		for (test = *suite; test->name; test++) {
			if (!strstr(test->name, filter) || number++ != mine)
				continue;
			atomic_fetch_add(run(test) ? &progress->failed : &progress->passed, 1);
			mine = atomic_fetch_add(&progress->next, 1);
		}
	}
}

static bool workers_ended_well(void)
{
	bool well = true;
	int status;

	while (wait(&status) > 0)
		well = well && status == 0;
	return well;
}

/* Each worker is a process in a namespace of its own, which runs tests until none is left. */
static bool run_by(long workers, const struct test *const *suites, char **argv,
		   struct progress *progress)
{
	const char *script = argv[1], *filter = argv[2] ? argv[2] : "";

	atomic_store(&progress->next, 0);
	for (; workers > 0; workers--) {
		pid_t worker = fork();

		if (worker > 0)
			continue;
		if (worker < 0)
			return false;
		world_enter(script);
		flow_trace_open();
		run_matching(suites, filter, progress);
		fflush(NULL);
		_exit(0);
	}
	return workers_ended_well();
}

int main(int argc, char **argv)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	struct progress *progress;
	bool well;

	if (argc < 2) {
		fprintf(stderr, "usage: %s world.sh [part of a test's name]\n", argv[0]);
		return 2;
	}
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	expect(progress != MAP_FAILED);
	raise_descriptors();
	setvbuf(stdout, NULL, _IOLBF, 0);
	well = run_by(cores < MOST_WORKERS ? cores : MOST_WORKERS, side_by_side, argv, progress);
	well = run_by(1, alone, argv, progress) && well;
	printf("engine: %d passed, %d failed\n", progress->passed, progress->failed);
	return !well || progress->failed != 0 || progress->passed == 0;
}
