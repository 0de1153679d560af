// SPDX-License-Identifier: MIT
/* Sustained bulk is read by the clock, and nobody else notices. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "check.h"
#include "clock.h"
#include "harness.h"
#include "relay.h"
#include "worker.h"
#include "world.h"

#define MIB (1024 * 1024ULL)
#define BULK (32 * MIB)
#define LOOK_US 500		/* as in coalesce.c */

struct stream {
	int fd;
	uint64_t from;
	uint64_t length;
	size_t chunk;
};

static void *send_stream(void *argument)
{
	const struct stream *stream = argument;

	send_pattern(stream->fd, stream->from, stream->length, stream->chunk);
	return NULL;
}

static void pass_bulk(int from, int to, uint64_t at, uint64_t length)
{
	struct stream stream = { from, at, length, 128 << 10 };
	pthread_t sender;

	expect(pthread_create(&sender, NULL, send_stream, &stream) == 0);
	expect_pattern(to, at, length, 256 << 10);
	pthread_join(sender, NULL);
}

static struct relay *one_thread(void)
{
	struct sidetrack_relay_options options = default_options();

	options.threads = 1;
	return begin(&options);
}

static uint64_t coalesced(struct relay *relay)
{
	return counters_of(relay).coalesced;
}

/* Both ways; after bulk small messages pass as before, and take the leg back out. */
static void bulk_and_back(void)
{
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);
	uint64_t at, small = 0;

	pass_bulk(pair.upstream, pair.client, 0, 2 * MIB);
	expect_equal(coalesced(relay), 0);
	pass_bulk(pair.upstream, pair.client, 2 * MIB, BULK);
	expect_equal(coalesced(relay), 1);
	pass_bulk(pair.client, pair.upstream, 0, BULK);
	expect_equal(coalesced(relay), 2);
	for (at = 2 * MIB + BULK; coalesced(relay) == 2 && small < 100; at += 10, small++) {
		send_pattern(pair.upstream, at, 10, 10);
		expect_pattern(pair.client, at, 10, 10);
	}
	expect_equal(coalesced(relay), 1);
	pass_bulk(pair.upstream, pair.client, at, BULK);
	pair_close(&pair);
	wait_for(sidetrack_relay_active(relay) == 0);
	expect_equal(coalesced(relay), 0);
	finish(relay);
}

static void end_is_handed_on(void)
{
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);

	pass_bulk(pair.upstream, pair.client, 0, BULK);
	expect_equal(coalesced(relay), 1);
	shutdown(pair.upstream, SHUT_WR);
	expect_end(pair.client);
	wait_for(coalesced(relay) == 0);
	write_all(pair.client, "x", 1);
	expect(recv(pair.upstream, &(char){ 0 }, 1, MSG_WAITALL) == 1);
	pair_close(&pair);
	finish(relay);
}

static void reset_is_handed_on(void)
{
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);

	pass_bulk(pair.upstream, pair.client, 0, BULK);
	reset(pair.upstream);
	expect_reset(pair.client);
	pair_close(&pair);
	wait_for(sidetrack_relay_active(relay) == 0);
	expect_equal(coalesced(relay), 0);
	finish(relay);
}

/* A client that stops reading in the middle of it, and goes on. */
static void stalled_sink(void)
{
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);
	uint64_t at = BULK, sent;
	int i;

	pass_bulk(pair.upstream, pair.client, 0, BULK);
	for (i = 0; i < 3; i++) {
		struct stream stream = { pair.upstream, at, 4 * BULK, 128 << 10 };
		uint64_t stalls = counters_of(relay).stalls;
		pthread_t sender;

		expect(pthread_create(&sender, NULL, send_stream, &stream) == 0);
		wait_for(counters_of(relay).stalls > stalls);
		for (sent = 0; sent < stream.length; sent += BULK)
			expect_pattern(pair.client, at + sent, BULK, 256 << 10);
		pthread_join(sender, NULL);
		at += stream.length;
	}
	pair_close(&pair);
	finish(relay);
}

/* However many packets come: the thread turns as often as the clock says. */
static void clock_decides(void)
{
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);
	uint64_t begin_us, turns, elapsed_us;

	set_buffer(pair.client, SO_RCVBUF, 4 << 20);
	pass_bulk(pair.upstream, pair.client, 0, BULK);
	turns = __atomic_load_n(&relay->workers[0].turns, __ATOMIC_RELAXED);
	begin_us = clock_us();
	pass_bulk(pair.upstream, pair.client, BULK, 8 * BULK);
	elapsed_us = clock_us() - begin_us;
	turns = __atomic_load_n(&relay->workers[0].turns, __ATOMIC_RELAXED) - turns;
	/* besides, a few wake-ups in 64 looks, and when the client has made room again */
	turns -= counters_of(relay).stalls < turns ? counters_of(relay).stalls : turns;
	if (turns > elapsed_us / LOOK_US * 3 / 2 + 50)
		fprintf(stderr, "  %lu turns in %lu us\n", turns, elapsed_us);
	expect(turns <= elapsed_us / LOOK_US * 3 / 2 + 50);
	pair_close(&pair);
	finish(relay);
}

/* From now on epoll_pwait2() fails, as under a filter of system calls that is older than it. */
static void forbid_precise_waits(int error)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, filter };

	expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	expect(syscall(SYS_epoll_pwait2, -1, NULL, 0, NULL, NULL, 0) < 0 && errno == error);
}

static void filter_forbids_precise_waits(void)
{
	forbid_precise_waits(EPERM);
	bulk_and_back();
}

static void kernel_lacks_precise_waits(void)
{
	forbid_precise_waits(ENOSYS);
	bulk_and_back();
}

const struct test coalesce_tests[] = {
	{ "coalescing: bulk is read by the clock, and small messages at once again", bulk_and_back },
	{ "coalescing: the end is handed on", end_is_handed_on },
	{ "coalescing: a reset is handed on", reset_is_handed_on },
	{ "coalescing: a client that stops reading", stalled_sink },
	{ "coalescing: the clock decides when the thread turns", clock_decides },
	{ "coalescing: a filter forbids epoll_pwait2()", filter_forbids_precise_waits },
	{ "coalescing: a kernel without epoll_pwait2()", kernel_lacks_precise_waits },
	{ NULL, NULL }
};
