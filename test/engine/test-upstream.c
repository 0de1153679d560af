// SPDX-License-Identifier: MIT
/* Through proxies that say what the test tells them to, and not always what they should. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "check.h"
#include "harness.h"
#include "world.h"

#define PROXY_PORT 1080
#define SECOND_PORT 1081
#define SHORT_MS 300

#define METHOD_NONE "\5\0"
#define GRANTED "\5\0\0\1\12\0\0\1\20\222"

static struct sidetrack_relay_upstream proxy_at(enum upstream_kind kind, int family, uint16_t port)
{
	struct sidetrack_relay_upstream upstream = { .kind = kind, .port = port };
	const char *address = family == AF_INET ? "::ffff:10.0.0.1" : "fd00::1";

	expect(inet_pton(AF_INET6, address, upstream.address) == 1);
	return upstream;
}

static void set_login(struct sidetrack_relay_upstream *upstream)
{
	upstream->username_length = 4;
	memcpy(upstream->username, "user", 4);
	upstream->password_length = 6;
	memcpy(upstream->password, "secret", 6);
}

/* A client on its way to the Internet and the proxy's end of what the relay made of it. */
struct proxied {
	struct relay *relay;
	int listener;
	int client;
	int proxy;
};

static struct proxied begin_proxied(const struct sidetrack_relay_upstream *upstream, int family)
{
	struct sidetrack_relay_options options = default_options();
	struct proxied proxied;

	options.threads = 1;
	proxied.listener = upstream_listen_on(AF_INET, PROXY_PORT);
	proxied.relay = begin_with(&options, upstream, 1);
	proxied.client = client_connect(family, INTERNET, PORT);
	proxied.proxy = take(proxied.listener);
	return proxied;
}

static struct proxied begin_kind(enum upstream_kind kind, int family)
{
	struct sidetrack_relay_upstream upstream = proxy_at(kind, AF_INET, PROXY_PORT);

	return begin_proxied(&upstream, family);
}

static void end_proxied(struct proxied *proxied)
{
	close(proxied->client);
	close(proxied->proxy);
	close(proxied->listener);
	finish(proxied->relay);
}

static void hear_bytes(int fd, const char *wanted, size_t length)
{
	char bytes[1024];

	expect(length <= sizeof(bytes));
	expect_equal(recv(fd, bytes, length, MSG_WAITALL), length);
	expect(memcmp(bytes, wanted, length) == 0);
}

#define hear(fd, literal) hear_bytes(fd, literal, sizeof(literal) - 1)
#define say(fd, literal) write_all(fd, literal, sizeof(literal) - 1)

static void say_slowly(int fd, const char *bytes, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		write_all(fd, bytes + i, 1);
		usleep(3000);
	}
}

#define REQUEST_IPV4 "\5\1\0\1\306\63\144\7\37\220"
#define REQUEST_IPV6 "\5\1\0\4\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\7\37\220"

static void expect_traffic(struct proxied *proxied)
{
	send_pattern(proxied->client, 0, 100000, 100000);
	expect_pattern(proxied->proxy, 0, 100000, 100000);
	send_pattern(proxied->proxy, 0, 100000, 100000);
	expect_pattern(proxied->client, 0, 100000, 100000);
}

static void expect_finished(struct proxied *proxied)
{
	struct relay *relay = proxied->relay;

	expect_traffic(proxied);
	expect_equal(counters_of(relay).upstream[0].connections, 1);
	expect_equal(counters_of(relay).upstream[0].active, 1);
	expect_equal(last_record(relay).upstream, 0);
	shutdown(proxied->client, SHUT_WR);
	expect_end(proxied->proxy);
	shutdown(proxied->proxy, SHUT_WR);
	expect_end(proxied->client);
	wait_for(ended(relay, OUTCOME_FINISHED) == 1);
	expect_equal(counters_of(relay).upstream[0].active, 0);
}

static void expect_failure(struct proxied *proxied, enum outcome outcome)
{
	expect_reset(proxied->client);
	wait_for(ended(proxied->relay, outcome) == 1);
	expect_equal(counters_of(proxied->relay).upstream[0].error[outcome], 1);
	expect_equal(counters_of(proxied->relay).upstream[0].connections, 0);
	expect_equal(counters_of(proxied->relay).upstream[0].active, 0);
	end_proxied(proxied);
}

static void socks5(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS5, AF_INET);

	hear(proxied.proxy, "\5\1\0");
	say(proxied.proxy, METHOD_NONE);
	hear(proxied.proxy, REQUEST_IPV4);
	say(proxied.proxy, GRANTED);
	expect_finished(&proxied);
	end_proxied(&proxied);
}

/* An IPv6 destination through a proxy that is reached over IPv4. */
static void socks5_ipv6_destination(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS5, AF_INET6);

	hear(proxied.proxy, "\5\1\0");
	say(proxied.proxy, METHOD_NONE);
	hear(proxied.proxy, REQUEST_IPV6);
	say(proxied.proxy, "\5\0\0\4" "0123456789abcdef" "\0\1");
	expect_finished(&proxied);
	end_proxied(&proxied);
}

static void socks5_over_ipv6(void)
{
	struct sidetrack_relay_upstream upstream = proxy_at(UPSTREAM_SOCKS5, AF_INET6, PROXY_PORT);
	struct sidetrack_relay_options options = default_options();
	struct proxied proxied = { .listener = upstream_listen_on(AF_INET6, PROXY_PORT) };

	options.threads = 1;
	proxied.relay = begin_with(&options, &upstream, 1);
	proxied.client = client_connect(AF_INET, INTERNET, PORT);
	proxied.proxy = take(proxied.listener);
	hear(proxied.proxy, "\5\1\0");
	say(proxied.proxy, METHOD_NONE);
	hear(proxied.proxy, REQUEST_IPV4);
	say(proxied.proxy, GRANTED);
	expect_finished(&proxied);
	end_proxied(&proxied);
}

static struct proxied begin_login(enum upstream_kind kind)
{
	struct sidetrack_relay_upstream upstream = proxy_at(kind, AF_INET, PROXY_PORT);

	set_login(&upstream);
	return begin_proxied(&upstream, AF_INET);
}

static void socks5_login_byte_by_byte(void)
{
	struct proxied proxied = begin_login(UPSTREAM_SOCKS5);

	hear(proxied.proxy, "\5\2\0\2");
	say_slowly(proxied.proxy, "\5\2", 2);
	hear(proxied.proxy, "\1\4user\6secret");
	say_slowly(proxied.proxy, "\1\0", 2);
	hear(proxied.proxy, REQUEST_IPV4);
	say_slowly(proxied.proxy, GRANTED, sizeof(GRANTED) - 1);
	expect_finished(&proxied);
	end_proxied(&proxied);
}

static void socks5_wrong_password(void)
{
	struct proxied proxied = begin_login(UPSTREAM_SOCKS5);

	hear(proxied.proxy, "\5\2\0\2");
	say(proxied.proxy, "\5\2");
	hear(proxied.proxy, "\1\4user\6secret");
	say(proxied.proxy, "\1\1");
	expect_failure(&proxied, OUTCOME_UPSTREAM_AUTH);
}

static void socks5_no_method(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS5, AF_INET);

	hear(proxied.proxy, "\5\1\0");
	say(proxied.proxy, "\5\377");
	expect_failure(&proxied, OUTCOME_UPSTREAM_AUTH);
}

static void socks5_refusal(char code, enum outcome outcome)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS5, AF_INET);
	char reply[] = { 5, code, 0, 1, 0, 0, 0, 0, 0, 0 };

	hear(proxied.proxy, "\5\1\0");
	say(proxied.proxy, METHOD_NONE);
	hear(proxied.proxy, REQUEST_IPV4);
	write_all(proxied.proxy, reply, sizeof(reply));
	expect_failure(&proxied, outcome);
}

static void socks5_refusals(void)
{
	socks5_refusal(1, OUTCOME_UPSTREAM_REFUSED);
	socks5_refusal(2, OUTCOME_UPSTREAM_REFUSED);
	socks5_refusal(3, OUTCOME_DESTINATION_UNREACHABLE);
	socks5_refusal(4, OUTCOME_DESTINATION_UNREACHABLE);
	socks5_refusal(5, OUTCOME_DESTINATION_REFUSED);
	socks5_refusal(6, OUTCOME_DESTINATION_UNREACHABLE);
	socks5_refusal(7, OUTCOME_UPSTREAM_REFUSED);
	socks5_refusal(8, OUTCOME_UPSTREAM_REFUSED);
	socks5_refusal(9, OUTCOME_UPSTREAM_PROTOCOL);
}

static void socks4(int family, const char *request, size_t length)
{
	struct proxied proxied = begin_login(UPSTREAM_SOCKS4A);

	close(proxied.client);
	close(proxied.proxy);
	proxied.client = client_connect(family, INTERNET, PORT);
	proxied.proxy = take(proxied.listener);
	hear_bytes(proxied.proxy, request, length);
	say_slowly(proxied.proxy, "\0\132\0\0\0\0\0\0", 8);
	expect_traffic(&proxied);
	end_proxied(&proxied);
}

static void socks4_both_families(void)
{
#define REQUEST(literal) literal, sizeof(literal) - 1
	socks4(AF_INET, REQUEST("\4\1\37\220\306\63\144\7user\0"));
	socks4(AF_INET6, REQUEST("\4\1\37\220\0\0\0\1user\0" "2001:db8::7\0"));
}

static void socks4_refused(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS4A, AF_INET);

	say(proxied.proxy, "\0\133\0\0\0\0\0\0");
	expect_failure(&proxied, OUTCOME_UPSTREAM_REFUSED);
}

#define CONNECT "CONNECT 198.51.100.7:8080 HTTP/1.1\r\nHost: 198.51.100.7:8080\r\n"
#define BASIC "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"
#define ESTABLISHED "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"

static void http(void)
{
	struct proxied proxied = begin_kind(UPSTREAM_HTTP, AF_INET);

	hear(proxied.proxy, CONNECT "\r\n");
	say(proxied.proxy, ESTABLISHED);
	expect_finished(&proxied);
	end_proxied(&proxied);
}

static void http_login_byte_by_byte(void)
{
	struct proxied proxied = begin_login(UPSTREAM_HTTP);

	hear(proxied.proxy, CONNECT BASIC "\r\n");
	say_slowly(proxied.proxy, ESTABLISHED, sizeof(ESTABLISHED) - 1);
	expect_finished(&proxied);
	end_proxied(&proxied);
}

static void http_refusal(const char *reply, enum outcome outcome)
{
	struct proxied proxied = begin_kind(UPSTREAM_HTTP, AF_INET);

	hear(proxied.proxy, CONNECT "\r\n");
	write_all(proxied.proxy, reply, strlen(reply));
	expect_failure(&proxied, outcome);
}

static void http_refusals(void)
{
	http_refusal("HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\nHello", OUTCOME_UPSTREAM_AUTH);
	http_refusal("HTTP/1.1 403 No\r\n\r\n", OUTCOME_UPSTREAM_REFUSED);
	http_refusal("HTTP/1.1 502 No\r\n\r\n", OUTCOME_DESTINATION_UNREACHABLE);
	http_refusal("SSH-2.0-OpenSSH_9.2\r\n", OUTCOME_UPSTREAM_PROTOCOL);
}

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
	usleep(200000);
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
	usleep(50000);
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
static void slow_loris(void)
{
	struct sidetrack_relay_upstream upstream = proxy_at(UPSTREAM_HTTP, AF_INET, PROXY_PORT);
	struct sidetrack_relay_options options = default_options();
	struct proxied proxied = { .listener = upstream_listen_on(AF_INET, PROXY_PORT) };
	int bytes;

	options.threads = 1;
	options.handshake_timeout_ms = SHORT_MS;
	proxied.relay = begin_with(&options, &upstream, 1);
	proxied.client = client_connect(AF_INET, INTERNET, PORT);
	proxied.proxy = take(proxied.listener);
	say(proxied.proxy, "HTTP/1.1 200 OK\r\nX: ");
	for (bytes = 0; bytes < 100 && send(proxied.proxy, "x", 1, MSG_NOSIGNAL) == 1; bytes++)
		usleep(20000);
	expect(bytes < 100);
	expect_failure(&proxied, OUTCOME_HANDSHAKE_TIMEOUT);
}

/* --- several ---------------------------------------------------------------------- */

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
	{ "upstream: SOCKS5", socks5 },
	{ "upstream: SOCKS5 to an IPv6 destination", socks5_ipv6_destination },
	{ "upstream: SOCKS5 proxy on IPv6", socks5_over_ipv6 },
	{ "upstream: SOCKS5 login, byte by byte", socks5_login_byte_by_byte },
	{ "upstream: SOCKS5 wrong password", socks5_wrong_password },
	{ "upstream: SOCKS5 no method", socks5_no_method },
	{ "upstream: SOCKS5 refusals", socks5_refusals },
	{ "upstream: SOCKS4a, both families", socks4_both_families },
	{ "upstream: SOCKS4a refused", socks4_refused },
	{ "upstream: HTTP", http },
	{ "upstream: HTTP login, byte by byte", http_login_byte_by_byte },
	{ "upstream: HTTP refusals", http_refusals },
	{ "upstream: early data", early_data },
	{ "upstream: much early data", much_early_data },
	{ "upstream: client ends during handshake", client_ends_during_handshake },
	{ "upstream: client resets during handshake", client_resets_during_handshake },
	{ "upstream: proxy ends during handshake", proxy_ends_during_handshake },
	{ "upstream: proxy resets during handshake", proxy_resets_during_handshake },
	{ "upstream: garbage", garbage },
	{ "upstream: slow loris", slow_loris },
	{ "upstream: failover when refused", failover_when_refused },
	{ "upstream: failover during handshake", failover_during_handshakes },
	{ "upstream: answers are final", answers_are_final },
	{ "upstream: silence is doubtful", silence_is_doubtful },
	{ "upstream: last resort is direct", last_resort_is_direct },
	{ "upstream: all refuse", all_refuse },
	{ "upstream: spread by weight", spread_by_weight },
	{ "upstream: spread by connections", spread_by_connections },
	{ "upstream: loops are refused", loops_are_refused },
	{ "upstream: stop during handshake", stop_during_handshake },
	{ NULL, NULL }
};
