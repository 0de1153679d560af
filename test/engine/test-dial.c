// SPDX-License-Identifier: MIT
/* Packets that a short connection to the upstream takes, and what must not wait for them. */
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

/* The acknowledgement of the upstream's SYN has come by itself, or with the first bytes. */
static bool acknowledged_with_data(int upstream)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	expect(getsockopt(upstream, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
	expect_equal(info.tcpi_data_segs_in, 1);
	return info.tcpi_segs_in - info.tcpi_data_segs_in == 1;	/* the SYN */
}

static void one_packet_less(void)
{
	struct relay *relay = begin_default();
	int together = 0, i;
	char byte;

	for (i = 0; i < CONNECTIONS; i++) {
		int listener = upstream_listen(AF_INET);
		int client = client_connect(AF_INET, INTERNET, PORT);
		int upstream;

		write_all(client, "x", 1);
		upstream = take(listener);
		expect_equal(recv(upstream, &byte, 1, MSG_WAITALL), 1);
		together += acknowledged_with_data(upstream);
		close(client);
		close(upstream);
		close(listener);
	}
	/* the rest wrote only after the relay had connected */
	expect(together > 0);
	wait_for(counters_of(relay).active == 0);
	finish(relay);
}

/* Nothing to send along: 200 ms each if the kernel's timer had to do it. */
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

const struct test dial_tests[] = {
	{ "dial: the handshake's last packet carries the client's bytes", one_packet_less },
	{ "dial: the destination speaks first", destination_speaks_first },
	{ "dial: small messages do not wait", small_messages_do_not_wait },
	{ NULL, NULL }
};
