// SPDX-License-Identifier: MIT
/* TCP Fast Open (RFC 7413), with clients and with proxies. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "check.h"
#include "harness.h"
#include "world.h"

#define PROXY_PORT 1080

static void allow_fast_open(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/tcp_fastopen", "w");

	expect(file && fputs("3", file) >= 0 && fclose(file) == 0);
}

/* Return: whether the other end's SYN carried data that this socket took */
static bool syn_had_data(int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	expect(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
	return info.tcpi_options & TCPI_OPT_SYN_DATA;
}

static int listen_fast(uint16_t port)
{
	int listener = upstream_listen_on(AF_INET, port);
	int queue = 16;

	expect(setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)) == 0);
	return listener;
}

static struct relay *begin_fast(void)
{
	struct sidetrack_relay_upstream proxy = { .kind = UPSTREAM_SOCKS5, .port = PROXY_PORT };
	struct sidetrack_relay_options options = default_options();

	allow_fast_open();
	expect(inet_pton(AF_INET6, "::ffff:10.0.0.1", proxy.address) == 1);
	options.fast_open = 1;
	options.threads = 1;
	return begin_with(&options, &proxy, 1);
}

static void hear(int fd, const char *wanted, size_t length)
{
	char bytes[64];

	expect_equal(recv(fd, bytes, length, MSG_WAITALL), length);
	expect(memcmp(bytes, wanted, length) == 0);
}

/* The first connection fetches the cookie, the second sends its greeting in the SYN. */
static void fast_open_to_a_proxy(void)
{
	struct relay *relay = begin_fast();
	int listener = listen_fast(PROXY_PORT);
	int round;

	for (round = 0; round < 2; round++) {
		int client = client_connect(AF_INET, INTERNET, PORT);
		int proxy = take(listener);

		expect_equal(syn_had_data(proxy), round == 1);
		hear(proxy, "\5\1\0", 3);
		write_all(proxy, "\5\0", 2);
		hear(proxy, "\5\1\0\1\306\63\144\7\37\220", 10);
		write_all(proxy, "\5\0\0\1\12\0\0\1\20\222", 10);
		send_pattern(client, 0, 100000, 100000);
		expect_pattern(proxy, 0, 100000, 100000);
		close(client);
		close(proxy);
	}
	wait_for(counters_of(relay).active == 0);
	close(listener);
	/* with a cookie in hand and nobody there: a failed connect, not a failed handshake */
	round = client_connect(AF_INET, INTERNET, PORT);
	expect_reset(round);
	close(round);
	wait_for(ended(relay, OUTCOME_REFUSED) == 1);
	expect_equal(counters_of(relay).upstream[0].error[OUTCOME_REFUSED], 1);
	finish(relay);
}

/* Return: a client whose first words left with its SYN, if it had a cookie */
static int client_fast(const char *words)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.0.0.2") };
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = inet_addr("198.51.100.7"),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	expect(bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0);
	expect_equal(sendto(fd, words, strlen(words), MSG_FASTOPEN, (struct sockaddr *)&to,
			    sizeof(to)), strlen(words));
	return fd;
}

static void fast_open_from_a_client(void)
{
	struct sidetrack_relay_options options = default_options();
	int listener = upstream_listen(AF_INET);
	struct relay *relay;
	int round;

	allow_fast_open();
	options.fast_open = 1;
	relay = begin(&options);
	for (round = 0; round < 2; round++) {
		int client = client_fast("hello");
		int upstream = take(listener);

		hear(upstream, "hello", 5);
		write_all(upstream, "world", 5);
		hear(client, "world", 5);
		expect_equal(syn_had_data(client), round == 1);
		close(client);
		close(upstream);
	}
	close(listener);
	finish(relay);
}

/* net.ipv4.tcp_fastopen=0 forbids it; connections are made all the same. */
static void fast_open_forbidden(void)
{
	struct relay *relay = begin_fast();
	FILE *file = fopen("/proc/sys/net/ipv4/tcp_fastopen", "w");
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	int client, proxy;

	expect(file && fputs("0", file) >= 0 && fclose(file) == 0);
	client = client_connect(AF_INET, INTERNET, PORT);
	proxy = take(listener);
	hear(proxy, "\5\1\0", 3);
	close(client);
	close(proxy);
	close(listener);
	finish(relay);
}

const struct test fast_open_tests[] = {
	{ "fast open: to a proxy", fast_open_to_a_proxy },
	{ "fast open: from a client", fast_open_from_a_client },
	{ "fast open: forbidden", fast_open_forbidden },
	{ NULL, NULL }
};
