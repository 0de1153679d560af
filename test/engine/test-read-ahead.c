// SPDX-License-Identifier: MIT
/* What is read ahead of a receiver that does not take it stays little, and costs nobody else. */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/holders.h"
#include "check.h"
#include "harness.h"
#include "world.h"

#define MIB (1024 * 1024ULL)
#define BUFFER_LOCK 72		/* SO_BUF_LOCK */
#define TRIES 8

static int listener;

static struct relay *begin_bounded(uint32_t read_ahead, uint32_t budget_mib)
{
	struct sidetrack_relay_options options = default_options();

	options.threads = 1;
	options.read_ahead = read_ahead;
	options.read_ahead_budget_mib = budget_mib;
	listener = upstream_listen(AF_INET);
	return begin(&options);
}

static struct pair open_one(void)
{
	struct pair pair = { .listener = listener };

	pair.client = client_connect(AF_INET, INTERNET, PORT);
	pair.upstream = take(listener);
	return pair;
}

static void close_one(const struct pair *pair)
{
	close(pair->client);
	close(pair->upstream);
}

static void end_bounded(struct relay *relay)
{
	close(listener);
	finish(relay);
}

/* Return: bytes that a sender got rid of whose receiver takes none */
static uint64_t sent_ahead(uint32_t read_ahead, bool upload)
{
	struct relay *relay = begin_bounded(read_ahead, 0);
	struct pair pair = open_one();
	int from = upload ? pair.client : pair.upstream, to = upload ? pair.upstream : pair.client;
	uint64_t sent;

	/* what the sender's own kernel keeps is not the relay's */
	set_buffer(from, SO_SNDBUF, 64 << 10);
	sent = send_pattern_until_full(from);
	wait_for(counters_of(relay).stalled == (read_ahead ? 1 : 0));
	expect(counters_of(relay).stalls > 0);
	if (read_ahead)
		wait_for(counters_of(relay).held_client_bytes +
			 counters_of(relay).held_upstream_bytes > 0);
	expect_pattern(to, 0, sent, 256 << 10);
	close_one(&pair);
	end_bounded(relay);
	return sent;
}

static void bounded(bool upload)
{
	uint64_t before = sent_ahead(0, upload), now = sent_ahead(1 << 20, upload);

	fprintf(stderr, "  %llu KiB, unbounded %llu KiB\n", (unsigned long long)now / 1024,
		(unsigned long long)before / 1024);
	expect(now <= 3 * MIB);
}

static void bounded_download(void)
{
	bounded(false);
}

static void bounded_upload(void)
{
	bounded(true);
}

struct stream {
	int fd;
	uint64_t from;
	uint64_t length;
};

static void *send_stream(void *argument)
{
	const struct stream *stream = argument;

	send_pattern(stream->fd, stream->from, stream->length, 128 << 10);
	return NULL;
}

static void pass(const struct pair *pair, uint64_t at, uint64_t length)
{
	struct stream stream = { pair->upstream, at, length };
	pthread_t sender;

	expect(pthread_create(&sender, NULL, send_stream, &stream) == 0);
	expect_pattern(pair->client, at, length, 256 << 10);
	pthread_join(sender, NULL);
}

/* It ran fast, stalls, and goes on: nothing is lost, and nothing stays held. */
static void stalls_and_goes_on(void)
{
	struct relay *relay = begin_bounded(1 << 20, 0);
	struct pair pair = open_one();
	uint64_t at = 0, sent;
	int i;

	for (i = 0; i < 3; i++) {
		pass(&pair, at, 8 * MIB);
		at += 8 * MIB;
		sent = send_pattern_until_full_from(pair.upstream, at);
		wait_for(counters_of(relay).stalled == 1);
		wait_for(counters_of(relay).held_client_bytes > 0);
		expect_pattern(pair.client, at, sent, 256 << 10);
		at += sent;
		wait_for(counters_of(relay).stalled == 0);
		expect_equal(counters_of(relay).held_client_bytes, 0);
		expect_equal(counters_of(relay).held_upstream_bytes, 0);
	}
	expect_equal(counters_of(relay).read_ahead_cuts, 0);
	close_one(&pair);
	end_bounded(relay);
}

/* A slow receiver has not stalled: on a long way its sender needs the window. */
static void slow_but_going(void)
{
	enum { PIECE = 256 << 10, PIECES = 40 };
	struct relay *relay = begin_bounded(1 << 20, 0);
	struct pair pair = open_one();
	struct stream stream = { pair.upstream, 0, (uint64_t)PIECE * PIECES };
	pthread_t sender;
	uint64_t stalled = 0;
	int i;

	expect(pthread_create(&sender, NULL, send_stream, &stream) == 0);
	for (i = 0; i < PIECES; i++) {
		expect_pattern(pair.client, (uint64_t)PIECE * i, PIECE, PIECE);
		stalled += counters_of(relay).stalled;
		usleep(20000);	/* the pace is what is tested */
	}
	pthread_join(sender, NULL);
	/* on a busy machine a piece may take longer than that, now and then */
	expect(stalled <= PIECES / 4 || MAY_BE_SLOW);
	expect(counters_of(relay).stalls > 0);
	close_one(&pair);
	end_bounded(relay);
}

/* A client that stalls many is cut; one that stalls few is not, whatever the first does. */
static void who_holds_most_is_cut(void)
{
	enum { FLOWS = 14 };
	struct relay *relay = begin_bounded(1 << 20, 1);
	struct pair flow[FLOWS];
	uint64_t cuts, held;
	int i;

	for (i = 0; i < FLOWS; i++) {
		flow[i] = open_one();
		set_buffer(flow[i].upstream, SO_SNDBUF, 64 << 10);
		send_pattern_until_full(flow[i].upstream);
	}
	wait_for(counters_of(relay).stalled == FLOWS);
	wait_for(counters_of(relay).read_ahead_cuts > 0);
	cuts = counters_of(relay).read_ahead_cuts;
	held = counters_of(relay).held_client_bytes + counters_of(relay).held_upstream_bytes;
	for (i = 0; i < FLOWS; i++)
		close_one(&flow[i]);
	wait_for(counters_of(relay).stalled == 0);
	expect_equal(counters_of(relay).held_client_bytes, 0);
	/* those that came when it was too much have less than those before */
	expect(cuts >= 1 && held > MIB / 2 && held < 4 * MIB);
	end_bounded(relay);
}

/* Return: bytes that are kept for a receiver that took much, fast, and then nothing */
static uint64_t held_after_a_fast_part(void)
{
	struct relay *relay = begin_bounded(1 << 20, 0);
	struct pair pair = open_one();
	uint64_t held;

	set_buffer(pair.client, SO_RCVBUF, 256 << 10);
	pass(&pair, 0, 16 * MIB);
	send_pattern_until_full_from(pair.upstream, 16 * MIB);
	wait_for(counters_of(relay).held_upstream_bytes > 0 && counters_of(relay).stalled == 1);
	held = counters_of(relay).held_client_bytes + counters_of(relay).held_upstream_bytes;
	close_one(&pair);
	end_bounded(relay);
	return held;
}

/* On a machine that is busy elsewhere a round trip may look long, but not each of them. */
static void fast_then_stalled(void)
{
	uint64_t least = UINT64_MAX, held;
	int i;

	for (i = 0; i < TRIES && least > 5 * MIB / 2; i++) {
		held = held_after_a_fast_part();
		least = held < least ? held : least;
	}
	expect(least <= 5 * MIB / 2);
}

/* Those that stall while they are spliced leave the others pipes, and what they had in them. */
static void pipes_for_others(void)
{
	enum { FLOWS = 8, PIPES = 4 };
	struct sidetrack_relay_options options = default_options();
	struct pair flow[FLOWS], other;
	struct relay *relay;
	uint64_t sent[FLOWS], before;
	int i;

	options.threads = 1;
	options.pipes_per_thread = PIPES;
	options.read_ahead = 1 << 20;
	listener = upstream_listen(AF_INET);
	relay = begin(&options);
	for (i = 0; i < FLOWS; i++) {
		flow[i] = open_one();
		set_buffer(flow[i].upstream, SO_SNDBUF, 256 << 10);
		pass(&flow[i], 0, 4 * MIB);
		sent[i] = send_pattern_until_full_from(flow[i].upstream, 4 * MIB);
	}
	wait_for(counters_of(relay).stalled == FLOWS);
	before = counters_of(relay).mode_bytes[MODE_SPLICE];
	other = open_one();
	pass(&other, 0, 16 * MIB);
	expect(counters_of(relay).mode_bytes[MODE_SPLICE] - before > 12 * MIB);
	for (i = 0; i < FLOWS; i++) {
		expect_pattern(flow[i].client, 4 * MIB, sent[i], 256 << 10);
		close_one(&flow[i]);
	}
	close_one(&other);
	end_bounded(relay);
}

/* From here on this process meets a kernel that is older than Linux 5.14. */
static void forbid_buffer_lock(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_setsockopt, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BUFFER_LOCK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
	expect(!sidetrack_can_free_window());
}

static void old_kernel(void)
{
	forbid_buffer_lock();
	bounded(false);
	stalls_and_goes_on();
	who_holds_most_is_cut();
}

static struct endpoint host(const char *text)
{
	struct endpoint endpoint = { .port = 1 };

	expect(inet_pton(AF_INET6, text, &endpoint.address) == 1);
	return endpoint;
}

/* A host has as many IPv6 addresses as it likes, and all of them are one client. */
static void whose_it_is(void)
{
	struct holders *holders = calloc(1, sizeof(*holders));
	struct endpoint one = host("2001:db8::1"), same = host("2001:db8::ffff:1"),
			other = host("2001:db8:0:1::1"), ipv4 = host("::ffff:192.0.2.1");
	uint16_t mine, its;

	expect(holders && holders_init(holders));
	holders->seed = 1;	/* where these are in different buckets */
	mine = holders_bucket(holders, &one);
	its = holders_bucket(holders, &other);
	expect_equal(holders_bucket(holders, &same), mine);
	expect(its != mine && holders_bucket(holders, &ipv4) != mine);

	holders_change(holders, mine, 0, 90);
	expect(!holders_is_over(holders, mine, 100));
	holders_change(holders, its, 0, 20);
	expect(holders_is_over(holders, mine, 100));
	expect(!holders_is_over(holders, its, 100));
	expect(!holders_is_over(holders, mine, 0));
	holders_change(holders, mine, 90, 70);
	expect(!holders_is_over(holders, mine, 100));
	holders_change(holders, its, 20, 0);
	expect_equal(holders->count, 1);
	holders_change(holders, mine, 70, 0);
	expect_equal(holders->bytes, 0);
	free(holders);
}

static void off(void)
{
	struct relay *relay = begin_bounded(0, 1);
	struct pair pair = open_one();

	send_pattern_until_full(pair.upstream);
	wait_for(counters_of(relay).stalls > 0);
	usleep(500000);		/* more than two reviews */
	expect_equal(counters_of(relay).stalled, 0);
	close_one(&pair);
	end_bounded(relay);
}

const struct test read_ahead_tests[] = {
	{ "read-ahead: a download nobody takes", bounded_download },
	{ "read-ahead: an upload nobody takes", bounded_upload },
	{ "read-ahead: a flow stalls and goes on", stalls_and_goes_on },
	{ "read-ahead: a receiver is slow and goes on", slow_but_going },
	{ "read-ahead: the client that holds most is cut", who_holds_most_is_cut },
	{ "read-ahead: a fast flow stalls", fast_then_stalled },
	{ "read-ahead: pipes for others", pipes_for_others },
	{ "read-ahead: a kernel without SO_BUF_LOCK", old_kernel },
	{ "read-ahead: whose it is", whose_it_is },
	{ "read-ahead: turned off", off },
	{ NULL, NULL }
};
