// SPDX-License-Identifier: MIT
/* What is read ahead of a receiver that does not take it stays little, and costs nobody else. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "check.h"
#include "harness.h"
#include "world.h"

#define MIB (1024 * 1024ULL)

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
	int i;

	expect(pthread_create(&sender, NULL, send_stream, &stream) == 0);
	for (i = 0; i < PIECES; i++) {
		expect_pattern(pair.client, (uint64_t)PIECE * i, PIECE, PIECE);
		expect_equal(counters_of(relay).stalled, 0);
		usleep(20000);	/* the pace is what is tested */
	}
	pthread_join(sender, NULL);
	expect(counters_of(relay).stalls > 0);
	close_one(&pair);
	end_bounded(relay);
}

/* A client that stalls many is cut; one that stalls few is not, whatever the first does. */
static void who_holds_most_is_cut(void)
{
	enum { FLOWS = 10 };
	struct relay *relay = begin_bounded(1 << 20, 2);
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
	expect(cuts >= 1 && held > 2 * MIB);
	end_bounded(relay);
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
	{ "read-ahead: turned off", off },
	{ NULL, NULL }
};
