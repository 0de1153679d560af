// SPDX-License-Identifier: MIT
#include "proxied.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "check.h"
#include "harness.h"
#include "world.h"

struct sidetrack_relay_upstream proxy_at(enum upstream_kind kind, int family, uint16_t port)
{
	struct sidetrack_relay_upstream upstream = { .kind = kind, .port = port };
	const char *address = family == AF_INET ? "::ffff:10.0.0.1" : "fd00::1";

	expect(inet_pton(AF_INET6, address, upstream.address) == 1);
	return upstream;
}

void set_login(struct sidetrack_relay_upstream *upstream)
{
	upstream->username_length = 4;
	memcpy(upstream->username, "user", 4);
	upstream->password_length = 6;
	memcpy(upstream->password, "secret", 6);
}

struct proxied begin_proxied(const struct sidetrack_relay_upstream *upstream, int family)
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

struct proxied begin_kind(enum upstream_kind kind, int family)
{
	struct sidetrack_relay_upstream upstream = proxy_at(kind, AF_INET, PROXY_PORT);

	return begin_proxied(&upstream, family);
}

struct proxied begin_login(enum upstream_kind kind)
{
	struct sidetrack_relay_upstream upstream = proxy_at(kind, AF_INET, PROXY_PORT);

	set_login(&upstream);
	return begin_proxied(&upstream, AF_INET);
}

void end_proxied(struct proxied *proxied)
{
	close(proxied->client);
	close(proxied->proxy);
	close(proxied->listener);
	finish(proxied->relay);
}

void hear_bytes(int fd, const char *wanted, size_t length)
{
	char bytes[1024];

	expect(length <= sizeof(bytes));
	expect_equal(recv(fd, bytes, length, MSG_WAITALL), length);
	expect(memcmp(bytes, wanted, length) == 0);
}

/* In pieces, mostly of one byte; whatever the cuts are, the outcome is the same. */
void say_slowly(int fd, const char *bytes, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		write_all(fd, bytes + i, 1);
		usleep(3000);
	}
}

void expect_traffic(struct proxied *proxied)
{
	send_pattern(proxied->client, 0, 100000, 100000);
	expect_pattern(proxied->proxy, 0, 100000, 100000);
	send_pattern(proxied->proxy, 0, 100000, 100000);
	expect_pattern(proxied->client, 0, 100000, 100000);
}

void expect_finished(struct proxied *proxied)
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

void expect_failure(struct proxied *proxied, enum outcome outcome)
{
	expect_reset(proxied->client);
	wait_for(ended(proxied->relay, outcome) == 1);
	expect_equal(counters_of(proxied->relay).upstream[0].error[outcome], 1);
	expect_equal(counters_of(proxied->relay).upstream[0].connections, 0);
	expect_equal(counters_of(proxied->relay).upstream[0].active, 0);
	end_proxied(proxied);
}
