// SPDX-License-Identifier: MIT
/* RST from either end in every state a connection can be in. */
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "check.h"
#include "harness.h"
#include "proxied.h"
#include "world.h"

#define MIB (1024 * 1024ULL)

/* --- before bytes pass ------------------------------------------------------------- */

/* Reset while it waits in the backlog: accept() hands it out all the same, or not. */
static void reset_before_accept(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	struct pair pair;
	int waiting, refused;

	options.max_connections = 1;
	relay = begin(&options);
	pair = pair_open(AF_INET);
	waiting = client_connect(AF_INET, INTERNET, PORT);
	wait_for(counters_of(relay).paused_connections >= 1);
	reset(waiting);
	pair_close(&pair);
	wait_for(ended(relay, OUTCOME_FINISHED) == 1);
	/* whoever comes after the one that waited is served when that has gone */
	refused = client_connect(AF_INET, INTERNET, PORT);
	expect_reset(refused);
	close(refused);
	pair = pair_open(AF_INET);
	send_pattern(pair.client, 0, 1000, 1000);
	expect_pattern(pair.upstream, 0, 1000, 1000);
	pair_close(&pair);
	finish(relay);
}

/*
 * A server that is full says so and resets, perhaps before the relay has seen that it
 * is connected: so many at once that it sees all of it together.
 */
static void reset_behind_the_first_words(void)
{
	enum { CLIENTS = 50, ROUNDS = 10 };
	struct relay *relay = begin_default();
	int listener = upstream_listen(AF_INET), client[CLIENTS], upstream, round, i;
	char words[4];

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < CLIENTS; i++)
			client[i] = client_begin(AF_INET, INTERNET, PORT);
		for (i = 0; i < CLIENTS; i++) {
			upstream = take(listener);
			write_all(upstream, "full", 4);
			reset(upstream);
		}
		for (i = 0; i < CLIENTS; i++) {
			set_blocking(client[i], true);
			expect_equal(recv(client[i], words, sizeof(words), MSG_WAITALL), 4);
			expect_reset(client[i]);
			close(client[i]);
		}
	}
	wait_for(ended(relay, OUTCOME_UPSTREAM_RESET) == CLIENTS * ROUNDS);
	expect_equal(counters_of(relay).download_bytes, CLIENTS * ROUNDS * 4);
	close(listener);
	finish(relay);
}

/* What a SOCKS5 proxy hears and says with a login, message by message. */
static const struct {
	const char *hears;
	size_t heard;
	const char *says;
	size_t said;
} messages[] = {
	{ "\5\2\0\2", 4, "\5\2", 2 },
	{ "\1\4user\6secret", 13, "\1\0", 2 },
	{ REQUEST_IPV4, 10, GRANTED, 10 },
};

enum { MESSAGES = sizeof(messages) / sizeof(messages[0]) };

/* As far as the @last message has been heard, and @said bytes of its answer. */
static struct proxied begin_until(int last, size_t said)
{
	struct proxied proxied = begin_login(UPSTREAM_SOCKS5);
	int i;

	for (i = 0; i <= last; i++) {
		hear_bytes(proxied.proxy, messages[i].hears, messages[i].heard);
		write_all(proxied.proxy, messages[i].says, i < last ? messages[i].said : said);
	}
	return proxied;
}

static void client_resets_at(int message, size_t said)
{
	struct proxied proxied = begin_until(message, said);

	reset(proxied.client);
	wait_for(ended(proxied.relay, OUTCOME_CLIENT_RESET) == 1);
	expect_reset(proxied.proxy);
	expect_equal(counters_of(proxied.relay).upstream[0].active, 0);
	close(proxied.proxy);
	close(proxied.listener);
	finish(proxied.relay);
}

static void proxy_resets_at(int message, size_t said)
{
	struct proxied proxied = begin_until(message, said);

	reset(proxied.proxy);
	proxied.proxy = dup(proxied.client);
	expect_failure(&proxied, OUTCOME_CONNECT_RESET);
}

static void reset_at_each_message(void)
{
	int i;

	for (i = 0; i < MESSAGES; i++) {
		client_resets_at(i, 0);
		client_resets_at(i, 1);
		proxy_resets_at(i, 0);
		proxy_resets_at(i, 1);
	}
}

/* --- while bytes pass --------------------------------------------------------------- */

static void *send_until_reset(void *argument)
{
	static const char zeros[65536];
	int fd = *(int *)argument;

	while (send(fd, zeros, sizeof(zeros), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

/* One end sends as fast as it can; one of them resets in the middle. */
static void reset_in_bulk(bool splice, bool upload, bool by_sender)
{
	struct sidetrack_relay_options options = default_options();
	int sender, receiver, survivor;
	static char bytes[65536];
	struct relay *relay;
	struct pair pair;
	uint64_t received = 0;
	pthread_t thread;
	ssize_t now = 0;

	options.splice = splice;
	relay = begin(&options);
	pair = pair_open(AF_INET);
	sender = upload ? pair.client : pair.upstream;
	receiver = upload ? pair.upstream : pair.client;
	survivor = by_sender ? receiver : sender;
	expect(pthread_create(&thread, NULL, send_until_reset, &sender) == 0);
	for (; received < 8 * MIB; received += (uint64_t)now)
		expect((now = recv(receiver, bytes, sizeof(bytes), 0)) > 0);
	if (by_sender) {
		struct linger linger = { .l_onoff = 1 };

		setsockopt(sender, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		expect(shutdown(sender, SHUT_RD) == 0);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
		close(sender);
		while ((now = recv(receiver, bytes, sizeof(bytes), 0)) > 0)
			received += (uint64_t)now;
		expect(now < 0 && errno == ECONNRESET);
		expect_equal(upload ? counters_of(relay).upload_bytes
				    : counters_of(relay).download_bytes, received);
	} else {
		reset(receiver);
		pthread_join(thread, NULL);
	}
	wait_for(ended(relay, upload == by_sender ? OUTCOME_CLIENT_RESET
						  : OUTCOME_UPSTREAM_RESET) == 1);
	close(survivor);
	close(pair.listener);
	finish(relay);
}

static void reset_in_bulk_copied(void)
{
	reset_in_bulk(false, true, true);
	reset_in_bulk(false, true, false);
	reset_in_bulk(false, false, true);
	reset_in_bulk(false, false, false);
}

static void reset_in_bulk_spliced(void)
{
	reset_in_bulk(true, true, true);
	reset_in_bulk(true, true, false);
	reset_in_bulk(true, false, true);
	reset_in_bulk(true, false, false);
}

/* --- half-closed, stalled, resetting, draining --------------------------------------- */

/* One end has sent FIN; then one of them goes away. */
static void reset_half_closed(bool client_ends, bool client_resets)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	int ends = client_ends ? pair.client : pair.upstream;
	int other = client_ends ? pair.upstream : pair.client;
	int survivor = client_resets ? pair.upstream : pair.client;

	send_pattern(ends, 0, 3000, 3000);
	shutdown(ends, SHUT_WR);
	expect_pattern(other, 0, 3000, 3000);
	expect_end(other);
	reset(client_resets ? pair.client : pair.upstream);
	wait_for(ended(relay, client_resets ? OUTCOME_CLIENT_RESET : OUTCOME_UPSTREAM_RESET) == 1);
	if (survivor == other)
		expect_broken(survivor);
	else
		expect_reset(survivor);
	close(survivor);
	close(pair.listener);
	finish(relay);
}

static void reset_half_closed_each_way(void)
{
	reset_half_closed(true, true);
	reset_half_closed(true, false);
	reset_half_closed(false, true);
	reset_half_closed(false, false);
}

/* The server has reset and its last bytes wait for a slow client, which resets as well. */
static void reset_while_resetting(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);

	expect(send_pattern_until_full(pair.upstream) > 0);
	reset(pair.upstream);
	expect_pattern(pair.client, 0, 100000, 100000);
	expect_equal(sidetrack_relay_active(relay), 1);
	reset(pair.client);
	wait_for(sidetrack_relay_active(relay) == 0);
	expect_equal(ended(relay, OUTCOME_UPSTREAM_RESET) + ended(relay, OUTCOME_CLIENT_RESET), 1);
	close(pair.listener);
	finish(relay);
}

static void reset_while_draining(bool by_client)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	int survivor = by_client ? pair.upstream : pair.client;

	expect_equal(sidetrack_relay_drain(relay, 60000), 0);
	send_pattern(pair.client, 0, MIB, 65536);
	expect_pattern(pair.upstream, 0, MIB, 65536);
	reset(by_client ? pair.client : pair.upstream);
	expect_reset(survivor);
	wait_for(sidetrack_relay_drained(relay));
	expect_equal(ended(relay, by_client ? OUTCOME_CLIENT_RESET : OUTCOME_UPSTREAM_RESET), 1);
	expect_equal(ended(relay, OUTCOME_DRAINED), 0);
	close(survivor);
	close(pair.listener);
	finish(relay);
}

static void reset_while_draining_each(void)
{
	reset_while_draining(true);
	reset_while_draining(false);
}

const struct test reset_tests[] = {
	{ "reset: before it was accepted", reset_before_accept },
	{ "reset: behind the first words", reset_behind_the_first_words },
	{ "reset: at each message of a handshake", reset_at_each_message },
	{ "reset: in the middle of bulk, copied", reset_in_bulk_copied },
	{ "reset: in the middle of bulk, spliced", reset_in_bulk_spliced },
	{ "reset: half-closed, each way by each end", reset_half_closed_each_way },
	{ "reset: while resetting", reset_while_resetting },
	{ "reset: while draining", reset_while_draining_each },
	{ NULL, NULL }
};
