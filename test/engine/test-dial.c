// SPDX-License-Identifier: MIT
/* What must not wait for an acknowledgement, and what should wait for the next packet. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include "check.h"
#include "harness.h"
#include "world.h"

#define CONNECTIONS 50
#define MESSAGES 400

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The kernel may delay acknowledgements by 40 or 200 ms; nobody waits for that. */
static void destination_speaks_first(void)
{
	struct relay *relay = begin_default();
	uint64_t from = now_ms();
	char byte;
	int i;

	for (i = 0; i < CONNECTIONS; i++) {
		struct pair pair = pair_open(AF_INET);

		write_all(pair.upstream, "x", 1);
		expect_equal(recv(pair.client, &byte, 1, MSG_WAITALL), 1);
		pair_close(&pair);
	}
	expect(now_ms() - from < CONNECTIONS * 150);
	wait_for(counters_of(relay).active == 0);
	finish(relay);
}

/* A receiver that acknowledges every other message after 40 ms does not delay them. */
static void small_messages_do_not_wait(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	uint64_t from = now_ms();
	int off = 0, i;
	char byte;

	for (i = 0; i < MESSAGES; i++) {
		expect(setsockopt(pair.upstream, IPPROTO_TCP, TCP_QUICKACK, &off,
				  sizeof(off)) == 0);
		write_all(pair.client, "x", 1);
		expect_equal(recv(pair.upstream, &byte, 1, MSG_WAITALL), 1);
	}
	expect(now_ms() - from < MESSAGES * 12);
	pair_close(&pair);
	wait_for(counters_of(relay).active == 0);
	finish(relay);
}

static uint32_t packets_in(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	expect(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
	return info.tcpi_segs_in;
}

/* Bytes and FIN come in one packet, so that the relay sees them at once. */
static void last_word_is_one_packet(int from, int to)
{
	uint32_t before = packets_in(to);
	char bytes[4];

	expect_equal(send(from, "bye", 3, MSG_MORE), 3);
	expect(shutdown(from, SHUT_WR) == 0);
	expect_equal(recv(to, bytes, sizeof(bytes), MSG_WAITALL), 3);
	expect_equal(packets_in(to), before + 1);
}

static void fin_goes_along(void)
{
	struct relay *relay = begin_default();
	struct pair download = pair_open(AF_INET6), upload = pair_open(AF_INET);

	last_word_is_one_packet(download.upstream, download.client);
	last_word_is_one_packet(upload.client, upload.upstream);
	pair_close(&download);
	pair_close(&upload);
	wait_for(counters_of(relay).active == 0);
	finish(relay);
}

/* So many at once that the relay sees the bytes together with the reset behind them. */
static void last_words_before_a_reset(int listener)
{
	int client[CONNECTIONS], upstream[CONNECTIONS], i;
	char byte;

	for (i = 0; i < CONNECTIONS; i++) {
		client[i] = client_connect(AF_INET, INTERNET, PORT);
		upstream[i] = take(listener);
		write_all(client[i], "x", 1);
		expect_equal(recv(upstream[i], &byte, 1, MSG_WAITALL), 1);
	}
	for (i = 0; i < CONNECTIONS; i++) {
		write_all(upstream[i], "x", 1);
		reset(upstream[i]);
	}
	for (i = 0; i < CONNECTIONS; i++) {
		expect_equal(recv(client[i], &byte, 1, MSG_WAITALL), 1);
		close(client[i]);
	}
}

/* There is no FIN that they could wait for. */
static void bytes_before_a_reset_do_not_wait(void)
{
	enum { ROUNDS = 20 };
	struct relay *relay = begin_default();
	int listener = upstream_listen(AF_INET), i;
	uint64_t from, took, fastest = UINT64_MAX;

	for (i = 0; i < ROUNDS; i++) {
		from = now_ms();
		last_words_before_a_reset(listener);
		took = now_ms() - from;
		fastest = took < fastest ? took : fastest;
	}
	/* held back, they would leave when the kernel probes after 200 ms */
	expect(fastest < 190);
	close(listener);
	wait_for(counters_of(relay).active == 0);
	finish(relay);
}

const struct test dial_tests[] = {
	{ "dial: the destination speaks first", destination_speaks_first },
	{ "dial: small messages do not wait", small_messages_do_not_wait },
	{ "dial: the last bytes take the FIN along", fin_goes_along },
	{ "dial: bytes before a reset do not wait", bytes_before_a_reset_do_not_wait },
	{ NULL, NULL }
};
