// SPDX-License-Identifier: MIT
/* What goes wrong at one end must be seen at the other, and be counted as what it was. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "harness.h"
#include "world.h"

static void reset_by_client(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);

	reset(pair.client);
	expect_reset(pair.upstream);
	wait_for(ended(relay, OUTCOME_CLIENT_RESET) == 1);
	close(pair.upstream);
	close(pair.listener);
	finish(relay);
}

static void reset_by_upstream(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET6);

	/* a byte first: until then it might count as reset while connecting */
	write_all(pair.upstream, "x", 1);
	expect_equal(recv(pair.client, &(char){ 0 }, 1, 0), 1);
	reset(pair.upstream);
	expect_reset(pair.client);
	wait_for(ended(relay, OUTCOME_UPSTREAM_RESET) == 1);
	close(pair.client);
	close(pair.listener);
	finish(relay);
}

/* After its FIN nothing is read from the client any more: its RST must still be seen. */
static void reset_after_half_close(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);

	shutdown(pair.client, SHUT_WR);
	expect_end(pair.upstream);
	reset(pair.client);
	wait_for(ended(relay, OUTCOME_CLIENT_RESET) == 1);
	expect_broken(pair.upstream);
	close(pair.upstream);
	close(pair.listener);
	finish(relay);
}

/* The receiver of a stalled io resets: the sender must not hang. */
static void reset_of_stalled_receiver(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	uint64_t sent = send_pattern_until_full(pair.upstream);

	expect(sent > 0);
	reset(pair.client);
	wait_for(ended(relay, OUTCOME_CLIENT_RESET) == 1);
	expect_broken(pair.upstream);
	close(pair.upstream);
	close(pair.listener);
	finish(relay);
}

/*
 * The client ends, then goes away, while its last bytes still wait for a slow
 * reader: nothing is read from it any more, and its reset must not be forgotten.
 */
static void reset_after_end_of_stalled_sender(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	uint64_t sent = send_pattern_until_full(pair.client), received = 0;

	shutdown(pair.client, SHUT_WR);
	for (; bytes_unsent(pair.client) > 0; received += 65536)
		expect_pattern(pair.upstream, received, 65536, 65536);
	reset(pair.client);
	expect_pattern(pair.upstream, received, sent - received, 65536);
	wait_for(ended(relay, OUTCOME_CLIENT_RESET) == 1);
	expect_broken(pair.upstream);
	close(pair.upstream);
	close(pair.listener);
	finish(relay);
}

/* What a server sent before it reset is on its way, and arrives, however slow the reader. */
static void bytes_before_reset_arrive(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	uint64_t sent = send_pattern_until_full(pair.upstream);
	uint64_t received = 0;
	char bytes[65536];
	ssize_t now;

	/* the server's own kernel drops what it has not sent; all that it has must arrive */
	sent -= bytes_unsent(pair.upstream);
	reset(pair.upstream);
	expect_pattern(pair.client, 0, sent, 20000);
	while ((now = recv(pair.client, bytes, sizeof(bytes), 0)) > 0)
		received += (uint64_t)now;
	expect(now < 0 && errno == ECONNRESET);
	expect_equal(counters_of(relay).download_bytes, sent + received);
	wait_for(ended(relay, OUTCOME_UPSTREAM_RESET) == 1);
	close(pair.client);
	close(pair.listener);
	finish(relay);
}

/* A server that answers "too large" without reading on: the answer arrives, then the reset. */
static void answer_before_reset_arrives(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	uint64_t sent = send_pattern_until_full(pair.client);

	expect(sent > 0);
	send_pattern(pair.upstream, 0, 100000, 100000);
	close(pair.upstream);	/* with bytes unread: this sends RST */
	expect_pattern(pair.client, 0, 100000, 1000);
	expect_reset(pair.client);
	wait_for(ended(relay, OUTCOME_UPSTREAM_RESET) == 1);
	close(pair.client);
	close(pair.listener);
	finish(relay);
}

static void connect_fails(enum place place, uint32_t timeout_ms, enum outcome outcome)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	int client;

	options.threads = 1;
	options.connect_timeout_ms = timeout_ms;
	relay = begin(&options);
	client = client_connect(AF_INET, place, PORT);
	expect_reset(client);
	close(client);
	wait_for(counters_of(relay).active == 0);
	expect_equal(last_record(relay).outcome, outcome);
	expect_equal(counters_of(relay).active, 0);
	finish(relay);
}

static void refused(void)
{
	connect_fails(INTERNET, 5000, OUTCOME_REFUSED);
}

static void unreachable(void)
{
	connect_fails(UNREACHABLE, 5000, OUTCOME_UNREACHABLE);
}

static void blackhole(void)
{
	connect_fails(BLACKHOLE, 300, OUTCOME_CONNECT_TIMEOUT);
}

static void loop_to_listener(void)
{
	struct relay *relay = begin_default();
	int client = client_connect(AF_INET, RELAY_HOST, RELAY_PORT);

	expect_reset(client);
	close(client);
	client = client_connect(AF_INET6, RELAY_HOST, RELAY_PORT);
	expect_reset(client);
	close(client);
	wait_for(ended(relay, OUTCOME_LOOP) == 2);
	expect_equal(counters_of(relay).accepted_ipv4, 1);
	expect_equal(counters_of(relay).accepted_ipv6, 1);
	finish(relay);
}

static void loop_to_own_address(void)
{
	struct relay *relay = begin_default();
	int listener = upstream_listen(AF_INET);
	int client = client_connect(AF_INET, RELAY_HOST, PORT);

	expect_reset(client);
	close(client);
	client = client_connect(AF_INET, SECONDARY, PORT);
	expect_reset(client);
	close(client);
	wait_for(ended(relay, OUTCOME_LOOP) == 2);
	expect(!readable(listener, 0));
	close(listener);
	finish(relay);
}

static void set_nonlocal_bind(const char *value)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_nonlocal_bind", "w");

	expect(file);
	expect(fputs(value, file) >= 0);
	expect(fclose(file) == 0);
}

/* Where any address may be bound (keepalived wants that), bind() cannot tell. */
static void loop_guard_with_nonlocal_bind(void)
{
	struct relay *relay = begin_default();
	struct pair pair;
	int client;

	set_nonlocal_bind("1");
	pair = pair_open(AF_INET);
	client = client_connect(AF_INET, SECONDARY, PORT);
	expect_reset(client);
	close(client);
	wait_for(ended(relay, OUTCOME_LOOP) == 1);
	pair_close(&pair);
	wait_for(ended(relay, OUTCOME_FINISHED) == 1);
	set_nonlocal_bind("0");
	finish(relay);
}

static void not_redirected(void)
{
	struct relay *relay = begin_default();
	int client = client_connect(AF_INET, UNTRACKED, RELAY_PORT);

	expect_reset(client);
	close(client);
	wait_for(ended(relay, OUTCOME_NO_ORIGINAL_DESTINATION) == 1);
	finish(relay);
}

static void client_gives_up_while_connecting(void)
{
	struct relay *relay = begin_default();
	int client = client_connect(AF_INET, BLACKHOLE, PORT);

	wait_for(counters_of(relay).active == 1);
	reset(client);
	wait_for(ended(relay, OUTCOME_CLIENT_RESET) == 1);
	finish(relay);
}

static void idle_timeout(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	struct pair pair;

	options.idle_timeout_ms = 300;
	relay = begin(&options);
	pair = pair_open(AF_INET);
	write_all(pair.client, "x", 1);
	expect_equal(recv(pair.upstream, &(char){ 0 }, 1, 0), 1);
	expect_reset(pair.client);
	expect_reset(pair.upstream);
	wait_for(ended(relay, OUTCOME_IDLE_TIMEOUT) == 1);
	pair_close(&pair);
	finish(relay);
}

static void half_close_timeout(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	struct pair pair;

	options.half_close_timeout_ms = 300;
	relay = begin(&options);
	pair = pair_open(AF_INET);
	shutdown(pair.client, SHUT_WR);
	expect_end(pair.upstream);
	expect_reset(pair.client);
	expect_broken(pair.upstream);
	wait_for(ended(relay, OUTCOME_HALF_CLOSE_TIMEOUT) == 1);
	pair_close(&pair);
	finish(relay);
}

/* However long it was silent before: the time counts from the end. */
static void half_close_after_silence(bool by_client)
{
	enum { PATIENCE_MS = 300 };
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	struct pair pair;
	int ends, answers;

	options.half_close_timeout_ms = PATIENCE_MS;
	relay = begin(&options);
	pair = pair_open(AF_INET);
	ends = by_client ? pair.client : pair.upstream;
	answers = by_client ? pair.upstream : pair.client;
	write_all(ends, "x", 1);
	expect_equal(recv(answers, &(char){ 0 }, 1, 0), 1);
	usleep(2 * PATIENCE_MS * 1000);	/* the very silence */
	shutdown(ends, SHUT_WR);
	expect_end(answers);
	send_pattern(answers, 0, 100000, 100000);
	shutdown(answers, SHUT_WR);
	expect_pattern(ends, 0, 100000, 100000);
	expect_end(ends);
	wait_for(ended(relay, OUTCOME_FINISHED) == 1);
	pair_close(&pair);
	finish(relay);
}

static void half_close_after_silence_each(void)
{
	half_close_after_silence(true);
	half_close_after_silence(false);
}

const struct test fault_tests[] = {
	{ "fault: reset by the client", reset_by_client },
	{ "fault: reset by the upstream", reset_by_upstream },
	{ "fault: reset after half-close", reset_after_half_close },
	{ "fault: reset of a stalled receiver", reset_of_stalled_receiver },
	{ "fault: reset after the end of a stalled sender", reset_after_end_of_stalled_sender },
	{ "fault: bytes before a reset arrive", bytes_before_reset_arrive },
	{ "fault: an answer before a reset arrives", answer_before_reset_arrives },
	{ "fault: upstream refuses", refused },
	{ "fault: upstream unreachable", unreachable },
	{ "fault: upstream never answers", blackhole },
	{ "fault: client gives up while connecting", client_gives_up_while_connecting },
	{ "fault: loop to the listener", loop_to_listener },
	{ "fault: loop to an own address", loop_to_own_address },
	{ "fault: loop guard with ip_nonlocal_bind", loop_guard_with_nonlocal_bind },
	{ "fault: not redirected", not_redirected },
	{ "fault: idle time-out", idle_timeout },
	{ "fault: half-close time-out", half_close_timeout },
	{ "fault: half-close after a silence", half_close_after_silence_each },
	{ NULL, NULL }
};
