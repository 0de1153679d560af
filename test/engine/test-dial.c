// SPDX-License-Identifier: MIT
/* What must not wait for an acknowledgement. */
#include <netinet/in.h>
#include <netinet/tcp.h>
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

const struct test dial_tests[] = {
	{ "dial: the destination speaks first", destination_speaks_first },
	{ "dial: small messages do not wait", small_messages_do_not_wait },
	{ NULL, NULL }
};
