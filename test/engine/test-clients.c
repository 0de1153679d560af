// SPDX-License-Identifier: MIT
/* How many connections each client may have, and how many may wait for their upstream. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "check.h"
#include "connection/clients.h"
#include "harness.h"
#include "world.h"

static struct endpoint client_of(const char *text)
{
	struct endpoint client = { 0 };

	expect(inet_pton(AF_INET6, text, &client.address) == 1);
	return client;
}

static void clients_are_prefixes(void)
{
	struct endpoint a = client_of("2001:db8::1"), same = client_of("2001:db8::ffff:0:0:2");
	struct endpoint other = client_of("2001:db8:0:1::1");
	struct endpoint v4 = client_of("::ffff:192.0.2.1"), v4_other = client_of("::ffff:192.0.2.2");
	struct clients clients = { 0 };

	expect_equal(clients_init(&clients, 10), 0);
	expect_equal(clients_enter(&clients, &a, 1), CLIENT_COUNTED);
	expect_equal(clients_enter(&clients, &same, 1), CLIENT_REFUSED);
	expect_equal(clients_enter(&clients, &other, 1), CLIENT_COUNTED);
	expect_equal(clients_enter(&clients, &v4, 1), CLIENT_COUNTED);
	expect_equal(clients_enter(&clients, &v4_other, 1), CLIENT_COUNTED);
	clients_leave(&clients, &same);
	expect_equal(clients_enter(&clients, &a, 1), CLIENT_COUNTED);
	clients_release(&clients);
}

static struct endpoint client_number(uint32_t number)
{
	struct endpoint client = client_of("::ffff:10.0.0.0");

	client.address.s6_addr32[3] = htonl(0x0a000000 + number);
	return client;
}

/* Random comings and goings in a table that is nearly full, beside a plain array. */
static void clients_come_and_go(void)
{
	enum { CLIENTS = 48, MOST = 3, ROUNDS = 200000 };	/* all that 64 slots take */
	uint32_t count[CLIENTS] = { 0 }, i, sum = 0;
	struct clients clients = { 0 };
	unsigned int seed = 4711;

	expect_equal(clients_init(&clients, CLIENTS / 2), 0);
	for (i = 0; i < ROUNDS; i++) {
		uint32_t number = (uint32_t)rand_r(&seed) % CLIENTS;
		struct endpoint client = client_number(number);

		if (rand_r(&seed) % 2) {
			expect_equal(clients_enter(&clients, &client, MOST),
				     count[number] < MOST ? CLIENT_COUNTED : CLIENT_REFUSED);
			count[number] += count[number] < MOST;
		} else if (count[number]) {
			clients_leave(&clients, &client);
			count[number]--;
		}
	}
	for (i = 0; i < CLIENTS; i++)
		sum += count[i] > 0;
	expect_equal(clients.used, sum);
	clients_release(&clients);
}

static void clients_overflow(void)
{
	struct clients clients = { 0 };
	struct endpoint client;
	uint32_t i;

	expect_equal(clients_init(&clients, 1), 0);
	for (i = 0; i < 1000; i++) {
		client = client_number(i);
		expect(clients_enter(&clients, &client, 1) != CLIENT_REFUSED);
	}
	expect(clients.used < 64);
	client = client_number(0);
	expect_equal(clients_enter(&clients, &client, 1), CLIENT_REFUSED);
	clients_release(&clients);
}

struct crowd {
	struct clients clients;
	uint32_t inside[8];
};

static void *crowd_member(void *argument)
{
	struct crowd *crowd = argument;
	int round;

	for (round = 0; round < 20000; round++) {
		uint32_t number = (uint32_t)round % 8;
		struct endpoint client = client_number(number);

		if (clients_enter(&crowd->clients, &client, 2) != CLIENT_COUNTED)
			continue;
		expect(__atomic_add_fetch(&crowd->inside[number], 1, __ATOMIC_RELAXED) <= 2);
		__atomic_sub_fetch(&crowd->inside[number], 1, __ATOMIC_RELAXED);
		clients_leave(&crowd->clients, &client);
	}
	return NULL;
}

static void clients_from_many_threads(void)
{
	struct crowd crowd = { 0 };
	pthread_t thread[4];
	int i;

	expect_equal(clients_init(&crowd.clients, 64), 0);
	for (i = 0; i < 4; i++)
		expect(pthread_create(&thread[i], NULL, crowd_member, &crowd) == 0);
	for (i = 0; i < 4; i++)
		expect(pthread_join(thread[i], NULL) == 0);
	expect_equal(crowd.clients.used, 0);
	clients_release(&crowd.clients);
}

static void limit_of_a_client(void)
{
	enum { MOST = 5, ALL = 40 };
	struct sidetrack_relay_options options = default_options();
	int listener = upstream_listen(AF_INET);
	int client[ALL], upstream[MOST], again, i;
	struct relay *relay;

	options.max_connections_per_client = MOST;
	options.threads = 4;
	relay = begin(&options);
	for (i = 0; i < ALL; i++)
		client[i] = client_begin(AF_INET, INTERNET, PORT);
	wait_for(ended(relay, OUTCOME_CLIENT_LIMIT) == ALL - MOST);
	for (i = 0; i < MOST; i++)
		upstream[i] = take(listener);
	expect(!readable(listener, 0));
	expect_equal(counters_of(relay).active, MOST);
	for (i = 0; i < ALL; i++)
		reset(client[i]);
	wait_for(counters_of(relay).active == 0);
	again = client_connect(AF_INET, INTERNET, PORT);
	close(take(listener));
	close(again);
	for (i = 0; i < MOST; i++)
		close(upstream[i]);
	close(listener);
	finish(relay);
}

static void limit_of_handshakes(void)
{
	enum { MOST = 3 };
	struct sidetrack_relay_options options = default_options();
	int listener = upstream_listen(AF_INET);
	int stuck[MOST], client, upstream, i;
	struct relay *relay;

	options.max_handshakes = MOST;
	relay = begin(&options);
	client = client_connect(AF_INET, INTERNET, PORT);	/* relaying: counts no more */
	upstream = take(listener);
	wait_for(counters_of(relay).upstream[0].connections == 1);
	for (i = 0; i < MOST; i++)
		stuck[i] = client_connect(AF_INET, BLACKHOLE, PORT);
	wait_for(counters_of(relay).active == MOST + 1);
	i = client_connect(AF_INET, INTERNET, PORT);
	expect_reset(i);
	close(i);
	wait_for(ended(relay, OUTCOME_HANDSHAKE_LIMIT) == 1);
	send_pattern(client, 0, 100000, 100000);
	expect_pattern(upstream, 0, 100000, 100000);
	close(client);
	close(upstream);
	for (i = 0; i < MOST; i++)
		reset(stuck[i]);
	wait_for(counters_of(relay).active == 0);
	client = client_connect(AF_INET, INTERNET, PORT);
	close(take(listener));
	close(client);
	close(listener);
	finish(relay);
}

#define ROOM 1000

/* Ours for both ends of each connection, and the relay's. */
static bool has_descriptors(rlim_t wanted)
{
	struct rlimit limit;

	expect(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	return limit.rlim_cur >= wanted;
}

/* One client fills all but a twentieth; the rest is for others. */
static void last_places_are_for_others(void)
{
	struct sidetrack_relay_options options = default_options();
	static int client[ROOM], upstream[ROOM];
	int listener, other, i, count = ROOM - ROOM / 20 - 1;
	struct relay *relay;

	if (!has_descriptors(5 * ROOM)) {
		printf("skip  clients: too few descriptors\n");
		return;
	}
	options.max_connections = ROOM;
	relay = begin(&options);
	listener = upstream_listen(AF_INET);
	for (i = 0; i < count; i++) {
		client[i] = client_connect(AF_INET, INTERNET, PORT);
		upstream[i] = take(listener);
	}
	i = client_connect(AF_INET, INTERNET, PORT);
	expect_reset(i);
	close(i);
	wait_for(ended(relay, OUTCOME_CLIENT_LIMIT) == 1);
	other = upstream_listen(AF_INET6);
	client[count] = client_connect(AF_INET6, INTERNET, PORT);
	upstream[count] = take(other);
	send_pattern(client[count], 0, 1000, 1000);
	expect_pattern(upstream[count], 0, 1000, 1000);
	for (i = 0; i <= count; i++) {
		close(client[i]);
		close(upstream[i]);
	}
	wait_for(counters_of(relay).active == 0);
	client[0] = client_connect(AF_INET, INTERNET, PORT);
	close(take(listener));
	close(client[0]);
	close(listener);
	close(other);
	finish(relay);
}

const struct test client_tests[] = {
	{ "clients: IPv6 ones are prefixes", clients_are_prefixes },
	{ "clients: they come and go", clients_come_and_go },
	{ "clients: more than places", clients_overflow },
	{ "clients: of many threads", clients_from_many_threads },
	{ "clients: limit of a client", limit_of_a_client },
	{ "clients: limit of handshakes", limit_of_handshakes },
	{ "clients: the last places are for others", last_places_are_for_others },
	{ NULL, NULL }
};
