// SPDX-License-Identifier: MIT
/* Sustained bulk is read by the clock, and nobody else notices. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "bytes/coalesce.h"
#include "check.h"
#include "harness.h"
#include "relay/relay.h"
#include "thread/thread.h"
#include "world.h"

#define MIB (1024 * 1024ULL)
#define BULK (32 * MIB)

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

static void *receive_stream(void *argument)
{
	const struct stream *stream = argument;

	expect_pattern(stream->fd, stream->from, stream->length, 256 << 10);
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

static uint64_t polls(struct relay *relay)
{
	return counters_of(relay).coalesced_polls;
}

static uint64_t turns_of(struct relay *relay)
{
	return __atomic_load_n(&relay->group.threads[0].turns, __ATOMIC_RELAXED);
}

/* MAY_BE_SLOW: packets may come more rarely than the clock polls. */

/* As fast as it goes until the clock decides: there, the rest of a test begins. */
static uint64_t pass_until_looks(struct relay *relay, int from, int to, uint64_t at)
{
	uint64_t before = polls(relay), most = at + 64 * BULK;

	while ((polls(relay) < before + 20 || !coalesced(relay)) && at < most) {
		pass_bulk(from, to, at, BULK);
		at += BULK;
	}
	expect(at < most || MAY_BE_SLOW);
	return at;
}

/* After bulk small messages pass as before, and take the leg back out. */
static void bulk_and_back(void)
{
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);
	uint64_t at, small = 0;

	pass_bulk(pair.upstream, pair.client, 0, 2 * MIB);
	expect_equal(coalesced(relay), 0);
	at = pass_until_looks(relay, pair.upstream, pair.client, 2 * MIB);
	for (; coalesced(relay) && small < 100; at += 10, small++) {
		send_pattern(pair.upstream, at, 10, 10);
		expect_pattern(pair.client, at, 10, 10);
	}
	expect(small < 100);
	at = pass_until_looks(relay, pair.upstream, pair.client, at);
	pair_close(&pair);
	wait_for(sidetrack_relay_active(relay) == 0);
	expect_equal(coalesced(relay), 0);
	finish(relay);
}

/* When bulk rests, so does the thread. */
static void idle(void)
{
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);
	uint64_t at = pass_until_looks(relay, pair.upstream, pair.client, 0), last, turns;
	int windows = 0;

	do {
		expect(windows++ < 50);
		last = polls(relay);
		turns = turns_of(relay);
		usleep(200000);		/* a window in which it may rest */
	} while (polls(relay) != last);
	expect(turns_of(relay) <= turns + 20);	/* timers of 32 ms */
	pass_bulk(pair.upstream, pair.client, at, BULK);
	pair_close(&pair);
	finish(relay);
}

static void end_is_handed_on(void)
{
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);

	pass_until_looks(relay, pair.upstream, pair.client, 0);
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

	pass_until_looks(relay, pair.upstream, pair.client, 0);
	reset(pair.upstream);
	expect_reset(pair.client);
	pair_close(&pair);
	wait_for(sidetrack_relay_active(relay) == 0);
	expect_equal(coalesced(relay), 0);
	finish(relay);
}

/* An urgent byte has to be noticed by polls, and ends splicing for good. */
static void urgent_byte(void)
{
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);
	uint64_t at = pass_until_looks(relay, pair.upstream, pair.client, 0);

	expect(send(pair.upstream, "!", 1, MSG_OOB) == 1);
	expect(recv(pair.client, &(char){ 0 }, 1, MSG_WAITALL) == 1);
	send_pattern(pair.upstream, at, 1000, 1000);
	expect_pattern(pair.client, at, 1000, 1000);
	wait_for(coalesced(relay) == 0);
	pair_close(&pair);
	finish(relay);
}

static void closed_by_draining(void)
{
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);

	pass_until_looks(relay, pair.upstream, pair.client, 0);
	expect_equal(sidetrack_relay_drain(relay, 100), 0);
	wait_for(sidetrack_relay_drained(relay));
	expect_reset(pair.client);
	expect_equal(coalesced(relay), 0);
	pair_close(&pair);
	finish(relay);
}

/* A client that stops reading in the middle of it, and goes on. */
static void stalled_sink(void)
{
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);
	uint64_t at = 0, sent;
	int i;

	for (i = 0; i < 3; i++) {
		struct stream stream;
		uint64_t stalls;
		pthread_t sender;

		at = pass_until_looks(relay, pair.upstream, pair.client, at);
		stream = (struct stream){ pair.upstream, at, 4 * BULK, 128 << 10 };
		stalls = counters_of(relay).stalls;
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

/* Portions every 100 us: the thread turns as often as the clock says, not as they come. */
static void clock_decides(void)
{
	enum { PORTION = 32 << 10, PORTIONS = 4000, EACH_US = 100 };
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);
	uint64_t at = pass_until_looks(relay, pair.upstream, pair.client, 0);
	uint64_t turns = turns_of(relay), begin_us = clock_us(), elapsed_us, due_us = begin_us;
	struct stream stream = { .fd = pair.client, .from = at, .length = PORTIONS * PORTION };
	pthread_t receiver;
	int i;

	expect(pthread_create(&receiver, NULL, receive_stream, &stream) == 0);
	for (i = 0; i < PORTIONS; i++, at += PORTION, due_us += EACH_US) {
		while (clock_us() < due_us)
			;
		send_pattern(pair.upstream, at, PORTION, PORTION);
	}
	pthread_join(receiver, NULL);
	elapsed_us = clock_us() - begin_us;
	turns = turns_of(relay) - turns;
	/* besides, a few wake-ups in 64 polls, and when the client has made room again */
	if (turns > elapsed_us / COALESCE_US * 3 / 2 + 50)
		fprintf(stderr, "  %lu turns in %lu us\n", turns, elapsed_us);
	expect(turns <= elapsed_us / COALESCE_US * 3 / 2 + 50);
	pair_close(&pair);
	finish(relay);
}

/* --- who would only be slowed down ------------------------------------------------- */

/* Each portion is asked for: nobody may wait for the clock. */
static void answers_are_no_bulk(void)
{
	enum { PORTION = 20000, ROUNDS = 2000 };
	struct relay *relay = one_thread();
	struct pair pair = pair_open(AF_INET);
	uint64_t at = pass_until_looks(relay, pair.upstream, pair.client, 0), asked;

	for (asked = 0; asked < ROUNDS; asked++, at += PORTION) {
		send_pattern(pair.client, asked, 1, 1);
		expect_pattern(pair.upstream, asked, 1, 1);
		send_pattern(pair.upstream, at, PORTION, PORTION);
		expect_pattern(pair.client, at, PORTION, PORTION);
		expect(asked < 10 || !coalesced(relay));
	}
	pair_close(&pair);
	finish(relay);
}

/* Return: microseconds; @held: how many MiB came while the flow was read by the clock */
static uint64_t pass_small_window(uint32_t splice, uint64_t *held)
{
	struct sidetrack_relay_options options = default_options();
	struct stream stream = { .length = 8 * BULK, .chunk = 128 << 10 };
	uint64_t at, begin_us;
	struct relay *relay;
	struct pair pair;
	pthread_t sender;

	options.threads = 1;
	options.splice = splice;
	relay = begin(&options);
	pair = pair_open(AF_INET);
	set_buffer(pair.upstream, SO_SNDBUF, 16 << 10);
	stream.fd = pair.upstream;
	begin_us = clock_us();
	expect(pthread_create(&sender, NULL, send_stream, &stream) == 0);
	for (at = *held = 0; at < stream.length; at += MIB) {
		expect_pattern(pair.client, at, MIB, 256 << 10);
		*held += coalesced(relay);
	}
	pthread_join(sender, NULL);
	begin_us = clock_us() - begin_us;
	pair_close(&pair);
	finish(relay);
	return begin_us;
}

static bool small_window_is_let_go(void)
{
	uint64_t copied_us, spliced_us, held;

	copied_us = pass_small_window(0, &held);
	expect_equal(held, 0);
	spliced_us = pass_small_window(1, &held);
	if (held <= 8 * BULK / MIB / 3 || spliced_us <= copied_us * 3 / 2)
		return true;
	fprintf(stderr, "  %lu MiB in %lu us, copied in %lu\n", held, spliced_us, copied_us);
	return false;
}

/*
 * A sender that can only have little on its way stands still between polls, because
 * the kernel keeps acknowledgements back while bytes are unread: it is let go, unless
 * everything else is so slow that it makes no difference.  A machine that is busy
 * elsewhere spoils the comparison of paces now and then, but not each time.
 */
static void small_window(void)
{
	int tries = 4;

	expect(system("ip link set lo mtu 1500") == 0);
	while (!small_window_is_let_go())
		expect(--tries > 0);
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

/* Then nothing is masked, and bulk passes as ever. */
static void without_precise_waits(int error)
{
	struct relay *relay;
	struct pair pair;
	uint64_t at;

	forbid_precise_waits(error);
	relay = one_thread();
	pair = pair_open(AF_INET);
	for (at = 0; at < 16 * BULK; at += BULK)
		pass_bulk(pair.upstream, pair.client, at, BULK);
	expect(coalesced(relay) == 1 || MAY_BE_SLOW);
	expect(polls(relay) <= 1);
	pair_close(&pair);
	finish(relay);
}

static void filter_forbids_precise_waits(void)
{
	without_precise_waits(EPERM);
}

static void kernel_lacks_precise_waits(void)
{
	without_precise_waits(ENOSYS);
}

const struct test coalesce_tests[] = {
	{ "coalescing: small messages after bulk", bulk_and_back },
	{ "coalescing: the thread rests when bulk does", idle },
	{ "coalescing: the end is handed on", end_is_handed_on },
	{ "coalescing: a reset is handed on", reset_is_handed_on },
	{ "coalescing: an urgent byte", urgent_byte },
	{ "coalescing: draining", closed_by_draining },
	{ "coalescing: a client that stops reading", stalled_sink },
	{ "coalescing: the clock decides when the thread turns", clock_decides },
	{ "coalescing: not of what was asked for", answers_are_no_bulk },
	{ "coalescing: not of a small window", small_window },
	{ "coalescing: a filter forbids epoll_pwait2()", filter_forbids_precise_waits },
	{ "coalescing: a kernel without epoll_pwait2()", kernel_lacks_precise_waits },
	{ NULL, NULL }
};
