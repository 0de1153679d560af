// SPDX-License-Identifier: MIT
/* CONNECT, and what HTTP proxies answer. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "check.h"
#include "harness.h"
#include "proxied.h"
#include "world.h"

#define BASIC "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"

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
	http_refusal("HTTP/1.1 401 No\r\n\r\n", OUTCOME_UPSTREAM_AUTH);
	http_refusal("HTTP/1.1 403 No\r\n\r\n", OUTCOME_UPSTREAM_REFUSED);
	http_refusal("HTTP/1.1 502 No\r\n\r\n", OUTCOME_DESTINATION_UNREACHABLE);
	http_refusal("SSH-2.0-OpenSSH_9.2\r\n", OUTCOME_UPSTREAM_PROTOCOL);
}

const struct test http_tests[] = {
	{ "upstream: HTTP", http },
	{ "upstream: HTTP login, byte by byte", http_login_byte_by_byte },
	{ "upstream: HTTP refusals", http_refusals },
	{ NULL, NULL }
};
