// SPDX-License-Identifier: MIT
/* What may happen during the handshake, and right behind. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "check.h"
#include "harness.h"
#include "proxied.h"
#include "world.h"

#define SHORT_MS 300

/* A server that speaks first, behind the reply and in the same segment; then its FIN. */
static void early_data(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_HTTP, AF_INET);

	hear(proxied.proxy, CONNECT "\r\n");
	say(proxied.proxy, "HTTP/1.1 200 OK\r\n\r\n220 welcome\r\n");
	hear(proxied.client, "220 welcome\r\n");
	expect_traffic(&proxied);
	end_proxied(&proxied);
}

/* As much of it as one read takes, and more; the client is slow. */
static void much_early_data(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS5, AF_INET);
	const uint64_t length = 8 << 20;

	hear(proxied.proxy, "\5\1\0");
	say(proxied.proxy, METHOD_NONE);
	hear(proxied.proxy, REQUEST_IPV4);
	set_blocking(proxied.client, true);
	if (fork() == 0) {
		say(proxied.proxy, GRANTED);
		send_pattern(proxied.proxy, 0, length, 250000);
		shutdown(proxied.proxy, SHUT_WR);
		_exit(0);
	}
	wait_for(bytes_received(proxied.client) >= 65536);
	expect_pattern(proxied.client, 0, length, 10000);
	expect_end(proxied.client);
	expect(wait(NULL) > 0);
	end_proxied(&proxied);
}

/* The client says all it has to say and ends before the proxy has even answered. */
static void client_ends_during_handshake(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS5, AF_INET);

	send_pattern(proxied.client, 0, 5000, 5000);
	shutdown(proxied.client, SHUT_WR);
	wait_for(end_has_arrived(proxied.client));
	hear(proxied.proxy, "\5\1\0");
	say(proxied.proxy, METHOD_NONE);
	hear(proxied.proxy, REQUEST_IPV4);
	say(proxied.proxy, GRANTED "answer");
	expect_pattern(proxied.proxy, 0, 5000, 5000);
	expect_end(proxied.proxy);
	hear(proxied.client, "answer");
	shutdown(proxied.proxy, SHUT_WR);
	expect_end(proxied.client);
	wait_for(ended(proxied.relay, OUTCOME_FINISHED) == 1);
	end_proxied(&proxied);
}

static void client_resets_during_handshake(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS5, AF_INET);

	hear(proxied.proxy, "\5\1\0");
	reset(proxied.client);
	wait_for(ended(proxied.relay, OUTCOME_CLIENT_RESET) == 1);
	expect_reset(proxied.proxy);
	expect_equal(counters_of(proxied.relay).upstream[0].active, 0);
	close(proxied.proxy);
	close(proxied.listener);
	finish(proxied.relay);
}

static void proxy_ends_during_handshake(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS5, AF_INET);

	hear(proxied.proxy, "\5\1\0");
	say(proxied.proxy, "\5");
	shutdown(proxied.proxy, SHUT_WR);
	expect_failure(&proxied, OUTCOME_UPSTREAM_PROTOCOL);
}

static void proxy_resets_during_handshake(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS5, AF_INET);

	hear(proxied.proxy, "\5\1\0");
	reset(proxied.proxy);
	proxied.proxy = dup(proxied.client);
	expect_failure(&proxied, OUTCOME_CONNECT_RESET);
}

static void garbage(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS5, AF_INET);

	send_pattern(proxied.proxy, 0, 100000, 100000);
	expect_failure(&proxied, OUTCOME_UPSTREAM_PROTOCOL);
}

/* One byte of an endless reply every now and then does not buy more time. */
static void slow_loris_of(enum upstream_kind kind, const char *begins, size_t length, size_t more)
{
	struct sidetrack_relay_upstream upstream = proxy_at(kind, AF_INET, PROXY_PORT);
	struct sidetrack_relay_options options = default_options();
	struct proxied proxied = { .listener = upstream_listen_on(AF_INET, PROXY_PORT) };
	size_t bytes;

	options.threads = 1;
	options.handshake_timeout_ms = SHORT_MS;
	proxied.relay = begin_with(&options, &upstream, 1);
	proxied.client = client_connect(AF_INET, INTERNET, PORT);
	proxied.proxy = take(proxied.listener);
	if (kind == UPSTREAM_SOCKS5) {
		hear(proxied.proxy, "\5\1\0");
		say(proxied.proxy, METHOD_NONE);
		hear(proxied.proxy, REQUEST_IPV4);
	}
	write_all(proxied.proxy, begins, length);
	for (bytes = 0; bytes < more && send(proxied.proxy, "x", 1, MSG_NOSIGNAL) == 1; bytes++)
		usleep(SHORT_MS * 1000 / 15);
	expect_failure(&proxied, OUTCOME_HANDSHAKE_TIMEOUT);
}

static void slow_loris(void)
{
	slow_loris_of(UPSTREAM_HTTP, "HTTP/1.1 200 OK\r\nX: ", 20, 100);
	slow_loris_of(UPSTREAM_SOCKS5, "\5\0\0\3\377", 5, 100);	/* a long name to come */
	slow_loris_of(UPSTREAM_SOCKS5, "\5", 1, 0);
	slow_loris_of(UPSTREAM_SOCKS4A, "\0\132", 2, 5);
	slow_loris_of(UPSTREAM_SOCKS4A, "", 0, 0);
}

/* Our own address is refused before any proxy hears of it. */
static void loops_are_refused(void)
{
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	struct sidetrack_relay_upstream upstream = proxy_at(UPSTREAM_SOCKS5, AF_INET, PROXY_PORT);
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = begin_with(&options, &upstream, 1);
	int client = client_connect(AF_INET, RELAY_HOST, PORT);
	int other = client_connect(AF_INET6, RELAY_HOST, PORT);

	expect_reset(client);
	expect_reset(other);
	wait_for(ended(relay, OUTCOME_LOOP) == 2);
	expect(!readable(listener, 50));
	close(client);
	close(other);
	close(listener);
	finish(relay);
}

static void stop_during_handshake(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS5, AF_INET);

	hear(proxied.proxy, "\5\1\0");
	expect_equal(sidetrack_relay_stop(proxied.relay), 0);
	expect_reset(proxied.client);
	expect_equal(ended(proxied.relay, OUTCOME_DRAINED), 1);
	expect_equal(counters_of(proxied.relay).upstream[0].active, 0);
	end_proxied(&proxied);
}

const struct test upstream_tests[] = {
	{ "upstream: early data", early_data },
	{ "upstream: much early data", much_early_data },
	{ "upstream: client ends during handshake", client_ends_during_handshake },
	{ "upstream: client resets during handshake", client_resets_during_handshake },
	{ "upstream: proxy ends during handshake", proxy_ends_during_handshake },
	{ "upstream: proxy resets during handshake", proxy_resets_during_handshake },
	{ "upstream: garbage", garbage },
	{ "upstream: slow loris", slow_loris },
	{ "upstream: loops are refused", loops_are_refused },
	{ "upstream: stop during handshake", stop_during_handshake },
	{ NULL, NULL }
};
