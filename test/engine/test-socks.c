// SPDX-License-Identifier: MIT
/* SOCKS5 and SOCKS4a as proxies speak them, byte by byte if they like. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "check.h"
#include "harness.h"
#include "proxied.h"
#include "world.h"

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

static void socks4_refusal(char code, enum outcome outcome)
{
	struct proxied proxied = begin_kind(UPSTREAM_SOCKS4A, AF_INET);
	char reply[8] = { 0, code };

	write_all(proxied.proxy, reply, sizeof(reply));
	expect_failure(&proxied, outcome);
}

/* 92 and 93 are about who we are (identd), as far as SOCKS4 knows of that. */
static void socks4_refusals(void)
{
	socks4_refusal(91, OUTCOME_UPSTREAM_REFUSED);
	socks4_refusal(92, OUTCOME_UPSTREAM_AUTH);
	socks4_refusal(93, OUTCOME_UPSTREAM_AUTH);
	socks4_refusal(94, OUTCOME_UPSTREAM_PROTOCOL);
}

const struct test socks_tests[] = {
	{ "upstream: SOCKS5", socks5 },
	{ "upstream: SOCKS5 to an IPv6 destination", socks5_ipv6_destination },
	{ "upstream: SOCKS5 proxy on IPv6", socks5_over_ipv6 },
	{ "upstream: SOCKS5 login, byte by byte", socks5_login_byte_by_byte },
	{ "upstream: SOCKS5 wrong password", socks5_wrong_password },
	{ "upstream: SOCKS5 no method", socks5_no_method },
	{ "upstream: SOCKS5 refusals", socks5_refusals },
	{ "upstream: SOCKS4a, both families", socks4_both_families },
	{ "upstream: SOCKS4a refusals", socks4_refusals },
	{ NULL, NULL }
};
