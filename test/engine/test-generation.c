// SPDX-License-Identifier: MIT
/* Upstreams, routes and limits that change while connections are open. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "check.h"
#include "harness.h"
#include "world.h"

#define PROXY_PORT 1080
#define SECOND_PORT 1081
#define RELOADS 300
#define ESTABLISHED "HTTP/1.1 200 OK\r\n\r\n"

static struct sidetrack_relay_upstream http_at(uint16_t port)
{
	struct sidetrack_relay_upstream upstream = { .kind = UPSTREAM_HTTP, .port = port };

	expect(inet_pton(AF_INET6, "::ffff:10.0.0.1", upstream.address) == 1);
	return upstream;
}

static const struct sidetrack_relay_upstream direct = { .kind = UPSTREAM_DIRECT };

static void begin_again(struct relay *relay, const struct sidetrack_relay_options *options)
{
	expect_equal(sidetrack_relay_begin(relay, (const uint8_t *)options, sizeof(*options)), 0);
}

static void commit(struct relay *relay)
{
	expect_equal(sidetrack_relay_commit(relay), 0);
	wait_for(status_of(relay).adopted == status_of(relay).threads);
}

static void replace(struct relay *relay, const struct sidetrack_relay_upstream *upstream,
		    uint32_t slot)
{
	struct sidetrack_relay_options options = default_options();

	begin_again(relay, &options);
	add_upstream(relay, upstream, slot);
	commit(relay);
}

static int grant(int listener)
{
	int proxy = take(listener);
	char byte;
	int line = 0;

	while (line < 2) {	/* an empty line ends the request */
		expect_equal(recv(proxy, &byte, 1, 0), 1);
		line = byte == '\n' ? line + 1 : byte == '\r' ? line : 0;
	}
	write_all(proxy, ESTABLISHED, strlen(ESTABLISHED));
	return proxy;
}

static void exchange(int client, int server)
{
	send_pattern(client, 0, 50000, 50000);
	expect_pattern(server, 0, 50000, 50000);
	send_pattern(server, 0, 50000, 50000);
	expect_pattern(client, 0, 50000, 50000);
}

static void finish_pair(int client, int server)
{
	shutdown(client, SHUT_WR);
	expect_end(server);
	shutdown(server, SHUT_WR);
	expect_end(client);
	close(client);
	close(server);
}

/* An open connection stays with its upstream; a new one goes the new way. */
static void connections_keep_their_generation(void)
{
	int first = upstream_listen_on(AF_INET, PROXY_PORT);
	int second = upstream_listen_on(AF_INET, SECOND_PORT);
	struct sidetrack_relay_upstream upstream = http_at(PROXY_PORT);
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = begin_with(&options, &upstream, 1);
	int old_client = client_connect(AF_INET, INTERNET, PORT);
	int old_proxy = grant(first);
	int client, proxy;

	upstream = http_at(SECOND_PORT);
	replace(relay, &upstream, 1);
	expect_equal(status_of(relay).generations, 2);
	expect_equal(status_of(relay).busy_upstreams, 3);
	client = client_connect(AF_INET, INTERNET, PORT);
	proxy = grant(second);
	exchange(client, proxy);
	exchange(old_client, old_proxy);
	expect_equal(counters_of(relay).upstream[0].connections, 1);
	/* bytes arrive a moment before they are counted */
	wait_for(counters_of(relay).upstream[0].upload_bytes == 50000);
	wait_for(counters_of(relay).upstream[0].download_bytes == 50000);
	wait_for(counters_of(relay).upstream[1].upload_bytes == 50000);
	expect_equal(counters_of(relay).route[0].connections, 2);
	wait_for(counters_of(relay).route[0].download_bytes == 100000);

	finish_pair(old_client, old_proxy);
	wait_for(status_of(relay).generations == 1);
	expect_equal(status_of(relay).busy_upstreams, 2);
	finish_pair(client, proxy);
	close(first);
	close(second);
	finish(relay);
}

/* Bytes are counted while the connection is open. */
static void bytes_move_before_the_end(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);

	send_pattern(pair.client, 0, 1000, 1000);
	expect_pattern(pair.upstream, 0, 1000, 1000);
	wait_for(counters_of(relay).upstream[0].upload_bytes == 1000);
	wait_for(counters_of(relay).route[0].upload_bytes == 1000);
	pair_close(&pair);
	finish(relay);
}

/* All or nothing: whatever is wrong, what runs goes on. */
static void bad_generations_change_nothing(void)
{
	struct sidetrack_relay_options options = default_options(), bad = options;
	struct sidetrack_relay_route route = { .slot = 1, .upstreams = 2, .any_destination = 1 };
	struct relay *relay = begin(&options);
	struct pair pair;

	bad.strategy = STRATEGY_COUNT;
	begin_again(relay, &bad);
	expect_equal(sidetrack_relay_commit(relay), -EINVAL);
	expect_equal(sidetrack_relay_commit(relay), -EINVAL);
	expect_equal(sidetrack_relay_add_upstream(relay, (const uint8_t *)&direct, sizeof(direct)),
		     -EINVAL);
	begin_again(relay, &options);
	add_upstream(relay, &direct, 5);
	expect_equal(sidetrack_relay_add_route(relay, (const uint8_t *)&route, sizeof(route)), 0);
	expect_equal(sidetrack_relay_commit(relay), -EINVAL);	/* through a second upstream */
	begin_again(relay, &options);
	add_upstream(relay, &direct, 7);	/* and left at that */
	expect_equal(status_of(relay).generations, 1);
	expect_equal(status_of(relay).busy_upstreams, 1);
	pair = pair_open(AF_INET);
	exchange(pair.client, pair.upstream);
	expect_equal(counters_of(relay).upstream[0].connections, 1);
	pair_close(&pair);
	finish(relay);
}

static void limits_change(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = begin(&options);
	struct pair pair;

	options.max_connections = 7;
	options.idle_timeout_ms = 200;
	begin_again(relay, &options);
	commit(relay);
	expect_equal(status_of(relay).max_connections, 7);
	pair = pair_open(AF_INET);
	expect_reset(pair.client);
	wait_for(ended(relay, OUTCOME_IDLE_TIMEOUT) == 1);
	pair_close(&pair);
	finish(relay);
}

/* What one generation has learnt spares the clients of the next. */
static void health_carries_over(void)
{
	struct sidetrack_relay_upstream upstream = http_at(PROXY_PORT);
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = begin_with(&options, &upstream, 1);
	int client = client_connect(AF_INET, INTERNET, PORT);

	expect_reset(client);
	close(client);
	wait_for(ended(relay, OUTCOME_REFUSED) == 1);
	expect_equal(status_of(relay).failing_upstreams, 1);
	upstream.weight = 3;
	replace(relay, &upstream, 0);
	expect_equal(status_of(relay).failing_upstreams, 1);
	upstream = http_at(SECOND_PORT);
	replace(relay, &upstream, 0);
	expect_equal(status_of(relay).failing_upstreams, 0);
	finish(relay);
}

/* One route by port to a second upstream; everything else to all, of which the first is tried. */
static void routes_choose_the_upstream(void)
{
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	struct sidetrack_relay_options options = default_options();
	struct sidetrack_relay_upstream upstream = http_at(PROXY_PORT);
	struct {
		struct sidetrack_relay_destinations header;
		uint32_t ipv4[4];
	} block = { { 2, 0 }, { 0xc6336400, 0xc6336500, 1, 0 } };	/* 198.51.100.0/24 */
	struct sidetrack_relay_route route = {
		.slot = 3, .upstreams = 2, .port_ranges = 1, .ports = { { PORT, PORT } },
	};
	struct relay *relay = begin(&options);
	int client, proxy;
	struct pair pair;

	begin_again(relay, &options);
	add_upstream(relay, &direct, 0);
	add_upstream(relay, &upstream, 1);
	expect_equal(sidetrack_relay_set_destinations(relay, (const uint8_t *)&block,
						      sizeof(block)), 0);
	expect_equal(sidetrack_relay_add_route(relay, (const uint8_t *)&route, sizeof(route)), 0);
	commit(relay);
	expect_equal(status_of(relay).busy_routes[0], 8);
	client = client_connect(AF_INET, INTERNET, PORT);
	proxy = grant(listener);
	exchange(client, proxy);
	wait_for(counters_of(relay).route[3].download_bytes == 50000);
	expect_equal(counters_of(relay).route[3].connections, 1);
	pair = pair_open(AF_INET6);
	exchange(pair.client, pair.upstream);
	expect_equal(counters_of(relay).route[0].connections, 1);
	expect_equal(counters_of(relay).upstream[0].connections, 1);
	pair_close(&pair);
	finish_pair(client, proxy);
	close(listener);
	finish(relay);
}

/* A route's upstreams fail: the others are not for it. */
static void routes_are_not_left(void)
{
	struct sidetrack_relay_upstream upstream = http_at(PROXY_PORT);
	struct sidetrack_relay_route route = { .slot = 1, .upstreams = 2, .any_destination = 1 };
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = begin(&options);
	int client;

	begin_again(relay, &options);
	add_upstream(relay, &direct, 0);
	add_upstream(relay, &upstream, 1);
	expect_equal(sidetrack_relay_add_route(relay, (const uint8_t *)&route, sizeof(route)), 0);
	commit(relay);
	client = client_connect(AF_INET, INTERNET, PORT);
	expect_reset(client);
	close(client);
	wait_for(ended(relay, OUTCOME_REFUSED) == 1);
	expect_equal(counters_of(relay).upstream[0].connections, 0);
	finish(relay);
}

/* The first address refuses, the second serves, and the third has its turn next. */
static void addresses_are_tried_in_turn(void)
{
	struct sidetrack_relay_upstream upstream = http_at(PROXY_PORT);
	struct sidetrack_relay_options options = default_options();
	int listener = upstream_listen_on(AF_INET6, PROXY_PORT);
	struct relay *relay;
	int client, proxy, i;

	options.threads = 1;
	upstream.more_addresses = 1;
	expect(inet_pton(AF_INET6, "fd00::1", upstream.more_address[0]) == 1);
	relay = begin_with(&options, &upstream, 1);
	for (i = 0; i < 4; i++) {
		client = client_connect(AF_INET, INTERNET, PORT);
		proxy = grant(listener);
		exchange(client, proxy);
		finish_pair(client, proxy);
	}
	expect_equal(counters_of(relay).upstream[0].connections, 4);
	expect_equal(counters_of(relay).upstream[0].error[OUTCOME_REFUSED], 1);
	expect_equal(status_of(relay).failing_upstreams, 0);
	close(listener);
	client = client_connect(AF_INET, INTERNET, PORT);
	expect_reset(client);
	close(client);
	wait_for(ended(relay, OUTCOME_REFUSED) == 1);
	expect_equal(status_of(relay).failing_upstreams, 1);
	finish(relay);
}

/* Its name has no address yet: another serves, by the route none, until it has one. */
static void addresses_come_late(void)
{
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	struct sidetrack_relay_upstream upstream = {
		.kind = UPSTREAM_HTTP, .port = PROXY_PORT, .slot = 4,
	};
	struct sidetrack_relay_upstream known = http_at(PROXY_PORT);
	struct sidetrack_relay_route route = {
		.slot = 1, .upstreams = 1, .any_destination = 1,
		.port_ranges = 1, .ports = { { SECOND_PORT, SECOND_PORT } },
	};
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = begin(&options);
	int client, proxy;
	struct pair pair;

	begin_again(relay, &options);
	add_upstream(relay, &upstream, 4);
	add_upstream(relay, &direct, 0);
	expect_equal(sidetrack_relay_add_route(relay, (const uint8_t *)&route, sizeof(route)), 0);
	commit(relay);
	expect_equal(status_of(relay).unresolved_upstreams, 1 << 4);
	expect_equal(status_of(relay).failing_upstreams, 0);
	pair = pair_open(AF_INET);
	exchange(pair.client, pair.upstream);
	client = client_connect(AF_INET, INTERNET, SECOND_PORT);
	expect_reset(client);
	close(client);
	wait_for(ended(relay, OUTCOME_NO_UPSTREAM) == 1);

	expect_equal(sidetrack_relay_set_addresses(relay, 4, known.address, 16), 0);
	wait_for(status_of(relay).adopted == status_of(relay).threads);
	expect_equal(status_of(relay).unresolved_upstreams, 0);
	expect_equal(status_of(relay).generations, 2);	/* the open connection has the other */
	client = client_connect(AF_INET, INTERNET, SECOND_PORT);
	proxy = grant(listener);
	exchange(client, proxy);
	expect_equal(counters_of(relay).route[1].connections, 2);
	finish_pair(client, proxy);
	expect_equal(sidetrack_relay_set_addresses(relay, 4, known.address, 17), -EINVAL);
	expect_equal(sidetrack_relay_set_addresses(relay, 5, known.address, 16), -ENOENT);
	pair_close(&pair);
	wait_for(status_of(relay).generations == 1);
	close(listener);
	finish(relay);
}

/* The other family would be refused by it anyway; who has no other is told at once. */
static void families_are_kept_apart(void)
{
	struct sidetrack_relay_upstream ipv4 = {
		.kind = UPSTREAM_DIRECT, .families = 1 << FAMILY_IPV4,
	};
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = begin_with(&options, &ipv4, 1);
	struct pair pair = pair_open(AF_INET);
	int client = client_connect(AF_INET6, INTERNET, PORT);

	expect_reset(client);
	close(client);
	wait_for(ended(relay, OUTCOME_NO_UPSTREAM) == 1);
	exchange(pair.client, pair.upstream);
	expect_equal(counters_of(relay).upstream[0].connections, 1);
	pair_close(&pair);
	finish(relay);
}

/* Connections come and go while generations do; nobody notices and nothing is left. */
static void many_reloads_under_traffic(void)
{
	struct relay *relay = begin_default();
	struct sidetrack_relay_options options = default_options();
	struct pair keeper = pair_open(AF_INET);
	int i;

	for (i = 0; i < RELOADS; i++) {
		struct pair pair;

		begin_again(relay, &options);
		add_upstream(relay, &direct, (uint32_t)i % SIDETRACK_RELAY_UPSTREAM_SLOTS);
		expect_equal(sidetrack_relay_commit(relay), 0);
		if (i % 10)
			continue;	/* several before anybody wakes up */
		pair.client = client_connect(AF_INET, INTERNET, PORT);
		pair.upstream = take(keeper.listener);
		send_pattern(pair.client, 0, 1000, 1000);
		expect_pattern(pair.upstream, 0, 1000, 1000);
		finish_pair(pair.client, pair.upstream);
	}
	exchange(keeper.client, keeper.upstream);
	wait_for(status_of(relay).generations == 2);
	pair_close(&keeper);
	wait_for(status_of(relay).generations == 1);
	expect_equal(counters_of(relay).route[0].connections, RELOADS / 10 + 1);
	finish(relay);
}

static void no_reload_while_draining(void)
{
	struct relay *relay = begin_default();
	struct sidetrack_relay_options options = default_options();
	struct pair pair = pair_open(AF_INET);

	begin_again(relay, &options);
	expect_equal(sidetrack_relay_drain(relay, TIMEOUT_MS), 0);
	expect_equal(sidetrack_relay_commit(relay), -EALREADY);
	expect_equal(sidetrack_relay_begin(relay, (const uint8_t *)&options, sizeof(options)),
		     -EALREADY);
	exchange(pair.client, pair.upstream);
	pair_close(&pair);
	finish(relay);
}

const struct test generation_tests[] = {
	{ "generation: connections keep theirs", connections_keep_their_generation },
	{ "generation: bytes move before the end", bytes_move_before_the_end },
	{ "generation: bad ones change nothing", bad_generations_change_nothing },
	{ "generation: limits change", limits_change },
	{ "generation: health carries over", health_carries_over },
	{ "generation: routes choose the upstream", routes_choose_the_upstream },
	{ "generation: routes are not left", routes_are_not_left },
	{ "generation: addresses are tried in turn", addresses_are_tried_in_turn },
	{ "generation: addresses come late", addresses_come_late },
	{ "generation: families are kept apart", families_are_kept_apart },
	{ "generation: many reloads under traffic", many_reloads_under_traffic },
	{ "generation: no reload while draining", no_reload_while_draining },
	{ NULL, NULL }
};
