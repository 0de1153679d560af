// SPDX-License-Identifier: MIT
/* Several upstreams: which one is taken, and when the next. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "check.h"
#include "harness.h"
#include "proxied.h"
#include "world.h"

#define SHORT_MS 300

static struct relay *begin_two(enum strategy strategy, enum upstream_kind second)
{
	struct sidetrack_relay_options options = default_options();
	struct sidetrack_relay_upstream upstreams[] = {
		proxy_at(UPSTREAM_SOCKS5, AF_INET, PROXY_PORT),
		proxy_at(second, AF_INET, SECOND_PORT),
	};

	options.threads = 1;
	options.strategy = strategy;
	options.handshake_timeout_ms = SHORT_MS;
	return begin_with(&options, upstreams, 2);
}

static int grant(int listener)
{
	int proxy = take(listener);

	hear(proxy, "\5\1\0");
	say(proxy, METHOD_NONE);
	hear(proxy, REQUEST_IPV4);
	say(proxy, GRANTED);
	return proxy;
}

/* The first does not even listen; the client notices nothing, and the next spares the detour. */
static void failover_when_refused(void)
{
	int second = upstream_listen_on(AF_INET, SECOND_PORT);
	struct relay *relay = begin_two(STRATEGY_FAILOVER, UPSTREAM_SOCKS5);
	struct proxied proxied = { relay, second, client_connect(AF_INET, INTERNET, PORT), -1 };

	proxied.proxy = grant(second);
	expect_traffic(&proxied);
	expect_equal(counters_of(relay).upstream[0].error[OUTCOME_REFUSED], 1);
	expect_equal(counters_of(relay).upstream[1].connections, 1);
	expect_equal(counters_of(relay).outcome[OUTCOME_REFUSED], 0);
	expect_equal(last_record(relay).upstream, 1);
	close(proxied.client);
	close(proxied.proxy);

	proxied.client = client_connect(AF_INET, INTERNET, PORT);
	proxied.proxy = grant(second);
	expect_equal(counters_of(relay).upstream[0].error[OUTCOME_REFUSED], 1);
	end_proxied(&proxied);
}

/* Garbage, a hang-up, silence: whatever the first does before it is asked. */
static void failover_during_handshake(const char *says, size_t length, enum outcome outcome)
{
	int first = upstream_listen_on(AF_INET, PROXY_PORT);
	int second = upstream_listen_on(AF_INET, SECOND_PORT);
	struct relay *relay = begin_two(STRATEGY_FAILOVER, UPSTREAM_HTTP);
	struct proxied proxied = { relay, second, client_connect(AF_INET, INTERNET, PORT), -1 };
	int bad = take(first);

	send_pattern(proxied.client, 0, 1000, 1000);
	hear(bad, "\5\1\0");
	write_all(bad, says, length);
	if (outcome == OUTCOME_UPSTREAM_PROTOCOL)
		shutdown(bad, SHUT_WR);
	proxied.proxy = take(second);
	hear(proxied.proxy, CONNECT "\r\n");
	say(proxied.proxy, ESTABLISHED);
	expect_pattern(proxied.proxy, 0, 1000, 1000);
	expect_equal(counters_of(relay).upstream[0].error[outcome], 1);
	expect_equal(counters_of(relay).upstream[0].active, 0);
	close(bad);
	close(first);
	end_proxied(&proxied);
}

static void failover_during_handshakes(void)
{
	failover_during_handshake("\5", 1, OUTCOME_UPSTREAM_PROTOCOL);
	failover_during_handshake("\5", 1, OUTCOME_HANDSHAKE_TIMEOUT);
	failover_during_handshake("\5\377", 2, OUTCOME_UPSTREAM_AUTH);
}

/* What a proxy says about the destination is an answer; another would say the same. */
static void answers_are_final(void)
{
	int first = upstream_listen_on(AF_INET, PROXY_PORT);
	int second = upstream_listen_on(AF_INET, SECOND_PORT);
	struct relay *relay = begin_two(STRATEGY_FAILOVER, UPSTREAM_SOCKS5);
	int client = client_connect(AF_INET, INTERNET, PORT);
	int proxy = take(first);

	hear(proxy, "\5\1\0");
	say(proxy, METHOD_NONE);
	hear(proxy, REQUEST_IPV4);
	say(proxy, "\5\5\0\1\0\0\0\0\0\0");
	expect_reset(client);
	wait_for(ended(relay, OUTCOME_DESTINATION_REFUSED) == 1);
	expect(!readable(second, 50));
	close(client);
	close(proxy);

	/* and the first is still in favour */
	client = client_connect(AF_INET, INTERNET, PORT);
	proxy = grant(first);
	close(client);
	close(proxy);
	close(first);
	close(second);
	finish(relay);
}

/* Asked and silent: perhaps it waits for the destination.  Three in a row are too many. */
static void silence_is_doubtful(void)
{
	int first = upstream_listen_on(AF_INET, PROXY_PORT);
	int second = upstream_listen_on(AF_INET, SECOND_PORT);
	struct relay *relay = begin_two(STRATEGY_FAILOVER, UPSTREAM_SOCKS5);
	int client, proxy, i;

	for (i = 1; i <= 3; i++) {
		client = client_connect(AF_INET, INTERNET, PORT);
		proxy = take(first);
		hear(proxy, "\5\1\0");
		say(proxy, METHOD_NONE);
		hear(proxy, REQUEST_IPV4);
		expect_reset(client);
		wait_for(ended(relay, OUTCOME_HANDSHAKE_TIMEOUT) == (uint64_t)i);
		close(client);
		close(proxy);
	}
	expect(!readable(second, 0));
	client = client_connect(AF_INET, INTERNET, PORT);
	proxy = grant(second);
	close(client);
	close(proxy);
	close(first);
	close(second);
	finish(relay);
}

/* It says yes, hears what the client says, and hangs up: by FIN or by RST. */
static void hang_up(int listener, uint16_t port, bool rudely)
{
	int client = client_connect(AF_INET, INTERNET, port), proxy = take(listener);
	char request[10];

	send_pattern(client, 0, 100, 100);
	hear(proxy, "\5\1\0");
	say(proxy, METHOD_NONE);
	expect_equal(recv(proxy, request, sizeof(request), MSG_WAITALL), sizeof(request));
	say(proxy, GRANTED);
	if (rudely) {
		expect_pattern(proxy, 0, 100, 100);
		reset(proxy);
		expect_reset(client);
	} else {
		shutdown(proxy, SHUT_WR);
		expect_end(client);
		close(proxy);
	}
	close(client);
}

/* A tunnel that is dead behind a proxy that is not. */
static void yes_and_silence(void)
{
	int first = upstream_listen_on(AF_INET, PROXY_PORT);
	int second = upstream_listen_on(AF_INET, SECOND_PORT);
	struct relay *relay = begin_two(STRATEGY_FAILOVER, UPSTREAM_SOCKS5);
	int client, proxy;
	uint16_t port;

	for (port = PORT; port < PORT + 3; port++) {
		expect_equal(status_of(relay).failing_upstreams, 0);
		hang_up(first, port, port == PORT + 1);
		wait_for(sidetrack_relay_active(relay) == 0);
	}
	expect_equal(status_of(relay).failing_upstreams, 1);
	/* the rest is over after a second; that it failed is true until somebody tries it */
	wait_for(status_of(relay).resting_upstreams == 0);
	expect_equal(status_of(relay).failing_upstreams, 1);
	client = client_connect(AF_INET, INTERNET, PORT);
	proxy = grant(second);
	close(client);
	close(proxy);
	close(first);
	close(second);
	finish(relay);
}

/* One destination may be like that; it takes more than three. */
static void one_silent_destination(void)
{
	int first = upstream_listen_on(AF_INET, PROXY_PORT);
	struct relay *relay = begin_two(STRATEGY_FAILOVER, UPSTREAM_SOCKS5);
	int i, client, proxy;

	for (i = 0; i < 4; i++) {
		hang_up(first, PORT, false);
		wait_for(sidetrack_relay_active(relay) == 0);
		expect_equal(status_of(relay).failing_upstreams, 0);
	}
	/* a byte for anybody: it begins anew */
	client = client_connect(AF_INET, INTERNET, PORT);
	proxy = grant(first);
	send_pattern(proxy, 0, 1, 1);
	expect_pattern(client, 0, 1, 1);
	close(client);
	close(proxy);
	wait_for(sidetrack_relay_active(relay) == 0);
	for (i = 0; i < 5; i++) {
		expect_equal(status_of(relay).failing_upstreams, 0);
		hang_up(first, PORT, false);
		wait_for(sidetrack_relay_active(relay) == 0);
	}
	expect_equal(status_of(relay).failing_upstreams, 1);
	close(first);
	finish(relay);
}

/* Whose client ended first, or said nothing, says nothing about the upstream. */
static void clients_that_give_up(void)
{
	int first = upstream_listen_on(AF_INET, PROXY_PORT);
	struct relay *relay = begin_two(STRATEGY_FAILOVER, UPSTREAM_SOCKS5);
	int i, client, proxy;

	for (i = 0; i < 12; i++) {
		client = client_connect(AF_INET, INTERNET, PORT);
		proxy = grant(first);
		if (i % 2) {
			send_pattern(client, 0, 100, 100);
			expect_pattern(proxy, 0, 100, 100);
			shutdown(client, SHUT_WR);
			expect_end(proxy);
		}
		close(proxy);
		close(client);
		wait_for(sidetrack_relay_active(relay) == 0);
	}
	expect_equal(status_of(relay).failing_upstreams, 0);
	close(first);
	finish(relay);
}

/* The first has a rule against the port: the next may try, and the first is well. */
static void a_port_is_forbidden(const char *no, size_t length)
{
	int first = upstream_listen_on(AF_INET, PROXY_PORT);
	int second = upstream_listen_on(AF_INET, SECOND_PORT);
	struct relay *relay = begin_two(STRATEGY_FAILOVER, UPSTREAM_HTTP);
	struct proxied proxied = { relay, second, -1, -1 };
	int proxy, i;

	for (i = 0; i < 2; i++) {
		proxied.client = client_connect(AF_INET, INTERNET, PORT);
		send_pattern(proxied.client, 0, 1000, 1000);
		proxy = take(first);
		hear(proxy, "\5\1\0");
		say(proxy, METHOD_NONE);
		hear(proxy, REQUEST_IPV4);
		write_all(proxy, no, length);
		proxied.proxy = take(second);
		hear(proxied.proxy, CONNECT "\r\n");
		say(proxied.proxy, ESTABLISHED);
		expect_pattern(proxied.proxy, 0, 1000, 1000);
		close(proxy);
		close(proxied.client);
		close(proxied.proxy);
	}
	wait_for(counters_of(relay).upstream[0].error[OUTCOME_UPSTREAM_REFUSED] == 2);
	expect_equal(status_of(relay).failing_upstreams, 0);
	expect_equal(status_of(relay).forbidden_ports[0][0], PORT);
	expect_equal(status_of(relay).forbidden_ports[0][1], 0);
	expect_equal(counters_of(relay).outcome[OUTCOME_UPSTREAM_REFUSED], 0);
	close(first);
	close(second);
	finish(relay);
}

static void ports_are_forbidden(void)
{
	a_port_is_forbidden("\5\2\0\1\0\0\0\0\0\0", 10);
	a_port_is_forbidden("\5\10\0\1\0\0\0\0\0\0", 10);
}

static void all_forbid(void)
{
	int first = upstream_listen_on(AF_INET, PROXY_PORT);
	int second = upstream_listen_on(AF_INET, SECOND_PORT);
	struct sidetrack_relay_upstream upstreams[] = {
		proxy_at(UPSTREAM_HTTP, AF_INET, PROXY_PORT),
		proxy_at(UPSTREAM_HTTP, AF_INET, SECOND_PORT),
	};
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = begin_with(&options, upstreams, 2);
	int client = client_connect(AF_INET, INTERNET, PORT), i;
	int listener[] = { first, second };

	for (i = 0; i < 2; i++) {
		int proxy = take(listener[i]);

		hear(proxy, CONNECT "\r\n");
		say(proxy, "HTTP/1.1 403 Forbidden\r\n\r\n");
		close(proxy);
	}
	expect_reset(client);
	wait_for(ended(relay, OUTCOME_UPSTREAM_REFUSED) == 1);
	expect_equal(status_of(relay).failing_upstreams, 0);
	close(client);
	close(first);
	close(second);
	finish(relay);
}

static void last_resort_is_direct(void)
{
	struct sidetrack_relay_upstream upstreams[] = {
		proxy_at(UPSTREAM_SOCKS5, AF_INET, PROXY_PORT), { .kind = UPSTREAM_DIRECT },
	};
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = begin_with(&options, upstreams, 2);
	struct pair pair = pair_open(AF_INET);

	send_pattern(pair.client, 0, 100000, 100000);
	expect_pattern(pair.upstream, 0, 100000, 100000);
	expect_equal(counters_of(relay).upstream[1].connections, 1);
	pair_close(&pair);
	finish(relay);
}

static void all_refuse(void)
{
	struct relay *relay = begin_two(STRATEGY_FAILOVER, UPSTREAM_SOCKS5);
	int client = client_connect(AF_INET, INTERNET, PORT);

	expect_reset(client);
	wait_for(ended(relay, OUTCOME_REFUSED) == 1);
	expect_equal(counters_of(relay).upstream[0].error[OUTCOME_REFUSED], 1);
	expect_equal(counters_of(relay).upstream[1].error[OUTCOME_REFUSED], 1);
	close(client);
	finish(relay);
}

static void spread(enum strategy strategy)
{
	enum { EACH = 10 };
	int listener[] = { upstream_listen_on(AF_INET, PROXY_PORT),
			   upstream_listen_on(AF_INET, SECOND_PORT) };
	struct relay *relay = begin_two(strategy, UPSTREAM_SOCKS5);
	int client[2 * EACH], proxy[2 * EACH], i;

	for (i = 0; i < 2 * EACH; i++) {
		client[i] = client_connect(AF_INET, INTERNET, PORT);
		proxy[i] = grant(listener[i % 2]);
	}
	wait_for(counters_of(relay).upstream[1].active == EACH);
	expect_equal(counters_of(relay).upstream[0].active, EACH);
	for (i = 0; i < 2 * EACH; i++) {
		close(client[i]);
		close(proxy[i]);
	}
	close(listener[0]);
	close(listener[1]);
	finish(relay);
}

static void spread_by_weight(void)
{
	spread(STRATEGY_WEIGHTED);
}

static void spread_by_connections(void)
{
	spread(STRATEGY_LEAST_CONNECTIONS);
}

const struct test failover_tests[] = {
	{ "upstream: failover when refused", failover_when_refused },
	{ "upstream: failover during handshake", failover_during_handshakes },
	{ "upstream: answers are final", answers_are_final },
	{ "upstream: silence is doubtful", silence_is_doubtful },
	{ "upstream: yes and silence", yes_and_silence },
	{ "upstream: one silent destination", one_silent_destination },
	{ "upstream: clients that give up", clients_that_give_up },
	{ "upstream: ports are forbidden", ports_are_forbidden },
	{ "upstream: all forbid", all_forbid },
	{ "upstream: last resort is direct", last_resort_is_direct },
	{ "upstream: all refuse", all_refuse },
	{ "upstream: spread by weight", spread_by_weight },
	{ "upstream: spread by connections", spread_by_connections },
	{ NULL, NULL }
};
