// SPDX-License-Identifier: MIT
/* Probes find out what clients then need not; and first bytes that go along with the request. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "check.h"
#include "harness.h"
#include "world.h"

#define PROXY_PORT 1080
#define SECOND_PORT 1081
#define PROBE_PORT 8081
#define INTERVAL_MS 100
#define ESTABLISHED "HTTP/1.1 200 OK\r\n\r\n"

static struct sidetrack_relay_upstream proxy_at(enum upstream_kind kind, uint16_t port)
{
	struct sidetrack_relay_upstream upstream = { .kind = kind, .port = port };

	expect(inet_pton(AF_INET6, "::ffff:10.0.0.1", upstream.address) == 1);
	return upstream;
}

static struct sidetrack_relay_options probing(void)
{
	struct sidetrack_relay_options options = default_options();

	options.probe[FAMILY_IPV4].port = PROBE_PORT;
	options.probe_interval_ms = INTERVAL_MS;
	options.probe_timeout_ms = 200;
	expect(inet_pton(AF_INET6, "::ffff:198.51.100.7", options.probe[FAMILY_IPV4].address) == 1);
	return options;
}

/* Up to the empty line that ends a request, as the proxy gets it. */
static void hear_request(int proxy)
{
	char byte;
	int line = 0;

	while (line < 2) {
		expect_equal(recv(proxy, &byte, 1, 0), 1);
		line = byte == '\n' ? line + 1 : byte == '\r' ? line : 0;
	}
}

static void hear_bytes(int fd, const char *wanted, size_t length)
{
	char bytes[64];

	expect_equal(recv(fd, bytes, length, MSG_WAITALL), length);
	expect(memcmp(bytes, wanted, length) == 0);
}

static void say(int proxy, const char *text)
{
	write_all(proxy, text, strlen(text));
}

static struct sidetrack_relay_upstream_counters upstream_of(struct relay *relay, int slot)
{
	return counters_of(relay).upstream[slot];
}

/* Nobody else is counted: no connection, no outcome, no error. */
static void expect_no_trace(struct relay *relay)
{
	struct sidetrack_relay_counters counters = counters_of(relay);
	int i;

	for (i = 0; i < OUTCOME_COUNT; i++) {
		expect_equal(counters.outcome[i], 0);
		expect_equal(counters.upstream[0].error[i], 0);
	}
	expect_equal(counters.active, 0);
	expect_equal(counters.upstream[0].connections, 0);
	expect_equal(counters.route[0].connections, 0);
	expect_equal(last_record(relay).accepted_ms, 0);
	expect_equal(sidetrack_relay_active(relay), 0);
}

/* It dies, which no client has to find out; it comes back, and is in favour at once. */
static void failure_and_recovery(void)
{
	struct sidetrack_relay_upstream upstream = proxy_at(UPSTREAM_HTTP, PROXY_PORT);
	struct sidetrack_relay_options options = probing();
	struct relay *relay = begin_with(&options, &upstream, 1);
	int listener, proxy;

	wait_for(upstream_of(relay, 0).probes_failed >= 2);
	expect_equal(status_of(relay).failing_upstreams, 1);
	listener = upstream_listen_on(AF_INET, PROXY_PORT);
	proxy = take(listener);
	hear_request(proxy);
	say(proxy, ESTABLISHED);
	wait_for(upstream_of(relay, 0).probes_succeeded == 1);
	expect_equal(status_of(relay).failing_upstreams, 0);
	expect(upstream_of(relay, 0).probe_us > 0);
	expect_end(proxy);
	close(proxy);
	expect_no_trace(relay);
	close(listener);
	finish(relay);
}

/* Whatever a proxy says but yes: the destination is known to be good. */
static void answers_count_as_failures(void)
{
	struct sidetrack_relay_upstream upstream = proxy_at(UPSTREAM_HTTP, PROXY_PORT);
	struct sidetrack_relay_options options = probing();
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	struct relay *relay = begin_with(&options, &upstream, 1);
	int proxy = take(listener), silent;

	hear_request(proxy);
	say(proxy, "HTTP/1.1 502 No\r\n\r\n");
	wait_for(upstream_of(relay, 0).probes_failed == 1);
	expect_equal(status_of(relay).failing_upstreams, 1);
	silent = take(listener);
	hear_request(silent);
	wait_for(upstream_of(relay, 0).probes_failed == 2);
	expect_no_trace(relay);
	close(proxy);
	close(silent);
	close(listener);
	finish(relay);
}

static void clients_are_spared(void)
{
	struct sidetrack_relay_upstream upstreams[] = {
		proxy_at(UPSTREAM_HTTP, PROXY_PORT), { .kind = UPSTREAM_DIRECT },
	};
	struct sidetrack_relay_options options = probing();
	int probed = upstream_listen_on(AF_INET, PROBE_PORT);
	struct relay *relay = begin_with(&options, upstreams, 2);
	struct pair pair;
	int probe = take(probed);

	wait_for(status_of(relay).failing_upstreams == 1);
	wait_for(upstream_of(relay, 1).probes_succeeded >= 1);
	pair = pair_open(AF_INET);
	send_pattern(pair.client, 0, 1000, 1000);
	expect_pattern(pair.upstream, 0, 1000, 1000);
	expect_equal(upstream_of(relay, 0).error[OUTCOME_REFUSED], 0);
	expect_equal(upstream_of(relay, 1).connections, 1);
	pair_close(&pair);
	close(probe);
	close(probed);
	finish(relay);
}

/* A reload ends the probing, and a drain does not wait for a probe. */
static void probing_ends(void)
{
	struct sidetrack_relay_upstream upstream = proxy_at(UPSTREAM_HTTP, PROXY_PORT);
	struct sidetrack_relay_options options = probing();
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	struct relay *relay;
	int probe;

	options.probe_timeout_ms = 60000;
	relay = begin_with(&options, &upstream, 1);
	probe = take(listener);
	options.probe[FAMILY_IPV4].port = 0;
	expect_equal(sidetrack_relay_begin(relay, (const uint8_t *)&options, sizeof(options)), 0);
	add_upstream(relay, &upstream, 0);
	expect_equal(sidetrack_relay_commit(relay), 0);
	wait_for(status_of(relay).adopted == status_of(relay).threads);
	expect_equal(status_of(relay).generations, 2);
	hear_request(probe);
	say(probe, ESTABLISHED);
	wait_for(upstream_of(relay, 0).probes_succeeded == 1);
	wait_for(status_of(relay).generations == 1);
	expect(!readable(listener, 3 * INTERVAL_MS));

	options.probe[FAMILY_IPV4].port = PROBE_PORT;
	expect_equal(sidetrack_relay_begin(relay, (const uint8_t *)&options, sizeof(options)), 0);
	add_upstream(relay, &upstream, 0);
	expect_equal(sidetrack_relay_commit(relay), 0);
	close(probe);
	probe = take(listener);
	expect_equal(sidetrack_relay_drain(relay, TIMEOUT_MS), 0);
	wait_for(sidetrack_relay_drained(relay));
	close(probe);
	close(listener);
	finish(relay);
}

/* --- answers ------------------------------------------------------------------------ */

#define QUESTION "HEAD / HTTP/1.1\r\n\r\n"

static struct relay *begin_asking(enum probe_answer answer, const char *question)
{
	struct sidetrack_relay_upstream upstream = proxy_at(UPSTREAM_HTTP, PROXY_PORT);
	struct sidetrack_relay_options options = probing();

	options.probe_answer = answer;
	options.probe[FAMILY_IPV4].request_length = (uint32_t)strlen(question);
	memcpy(options.probe[FAMILY_IPV4].request, question, strlen(question));
	options.probe_timeout_ms = 60000;
	return begin_with(&options, &upstream, 1);
}

/* A probe that has got its yes; what it then says has been heard. */
static int take_asking(int listener, const char *question)
{
	int proxy = take(listener);

	hear_request(proxy);
	say(proxy, ESTABLISHED);
	if (*question)
		hear_bytes(proxy, question, strlen(question));
	return proxy;
}

/* It says yes, and then: @bytes in two parts, and the end. */
static void expect_answer(enum probe_answer answer, const char *question, const char *bytes,
			  size_t length, bool good)
{
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	struct relay *relay = begin_asking(answer, question);
	int proxy = take_asking(listener, question);

	expect_equal(upstream_of(relay, 0).probes_succeeded, 0);
	if (answer == PROBE_ANSWER_HTTP)	/* of the others one byte is enough */
		write_all(proxy, bytes++, 1), length--;
	write_all(proxy, bytes, length);
	if (!good)
		shutdown(proxy, SHUT_WR);
	wait_for(upstream_of(relay, 0).probes_succeeded == good &&
		 upstream_of(relay, 0).probes_failed == !good);
	expect_equal(status_of(relay).failing_upstreams, !good);
	expect_no_trace(relay);
	close(proxy);
	close(listener);
	finish(relay);
}

static void answers_are_waited_for(void)
{
	expect_answer(PROBE_ANSWER_BANNER, "", "S", 1, true);
	expect_answer(PROBE_ANSWER_BANNER, "", "", 0, false);
	expect_answer(PROBE_ANSWER_TLS, "\26\3\1", "\26\3\3", 3, true);
	expect_answer(PROBE_ANSWER_TLS, "\26\3\1", "\25\3\3\0\2\2\50", 7, true);
	expect_answer(PROBE_ANSWER_TLS, "\26\3\1", "HTTP/1.1 400 No\r\n", 17, false);
	expect_answer(PROBE_ANSWER_HTTP, QUESTION, "HTTP/1.1 204 x\r\n", 16, true);
	expect_answer(PROBE_ANSWER_HTTP, QUESTION, "HTTP/1.0 404 x\r\n", 16, true);
	expect_answer(PROBE_ANSWER_HTTP, QUESTION, "HTTP/1.1 503 x\r\n", 16, false);
	expect_answer(PROBE_ANSWER_HTTP, QUESTION, "HTTP/1.1 2", 10, false);
}

/* The banner comes in the same packet as the proxy's yes. */
static void answer_behind_the_reply(void)
{
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	struct relay *relay = begin_asking(PROBE_ANSWER_BANNER, "");
	int proxy = take(listener);

	hear_request(proxy);
	say(proxy, ESTABLISHED "220 x\r\n");
	wait_for(upstream_of(relay, 0).probes_succeeded == 1);
	close(proxy);
	close(listener);
	finish(relay);
}

/* Through a direct upstream, too; silence is bounded by the probe's time. */
static void silence_is_a_failure(void)
{
	struct sidetrack_relay_upstream direct = { .kind = UPSTREAM_DIRECT };
	struct sidetrack_relay_options options = probing();
	int listener = upstream_listen_on(AF_INET, PROBE_PORT);
	struct relay *relay;
	int destination;

	options.probe_answer = PROBE_ANSWER_BANNER;
	relay = begin_with(&options, &direct, 1);
	destination = take(listener);
	wait_for(upstream_of(relay, 0).probes_failed == 1);
	expect_equal(status_of(relay).failing_upstreams, 1);
	close(destination);
	close(listener);
	finish(relay);
}

/* --- families ----------------------------------------------------------------------- */

static bool asks_for_ipv6(int proxy)
{
	char request[sizeof("CONNECT [")];

	expect_equal(recv(proxy, request, sizeof(request) - 1, MSG_PEEK | MSG_WAITALL),
		     sizeof(request) - 1);
	hear_request(proxy);
	return request[sizeof(request) - 2] == '[';
}

/* Yes to one family, no to the other, for as many probes as it takes. */
static void answer_probes(struct relay *relay, int listener, bool ipv6_works, bool done_when)
{
	while ((status_of(relay).lacking_upstreams[FAMILY_IPV6] & 1) != done_when) {
		int proxy = take(listener);
		char byte;

		say(proxy, asks_for_ipv6(proxy) && !ipv6_works ? "HTTP/1.1 502 No\r\n\r\n"
							       : ESTABLISHED);
		expect(recv(proxy, &byte, 1, 0) <= 0);	/* by FIN or by RST */
		close(proxy);
	}
}

/* The first carries IPv4 only, at the moment: IPv6 takes the second, IPv4 stays. */
static void families_are_judged_apart(void)
{
	struct sidetrack_relay_upstream upstreams[] = {
		proxy_at(UPSTREAM_HTTP, PROXY_PORT), { .kind = UPSTREAM_DIRECT },
	};
	struct sidetrack_relay_options options = probing();
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	int direct[] = { upstream_listen_on(AF_INET, PROBE_PORT),
			 upstream_listen_on(AF_INET6, PROBE_PORT) };
	struct relay *relay;
	struct pair pair;

	options.probe_timeout_ms = 60000;
	options.probe[FAMILY_IPV6].port = PROBE_PORT;
	expect(inet_pton(AF_INET6, "2001:db8::7", options.probe[FAMILY_IPV6].address) == 1);
	relay = begin_with(&options, upstreams, 2);
	answer_probes(relay, listener, false, true);
	expect_equal(status_of(relay).failing_upstreams & 1, 0);
	expect_equal(status_of(relay).lacking_upstreams[FAMILY_IPV4] & 1, 0);
	pair = pair_open(AF_INET6);
	wait_for(upstream_of(relay, 1).connections == 1);
	expect_equal(upstream_of(relay, 0).connections, 0);
	pair_close(&pair);
	answer_probes(relay, listener, true, false);
	close(direct[0]);
	close(direct[1]);
	close(listener);
	finish(relay);
}

/* --- optimistic ------------------------------------------------------------------- */

#define REQUEST_IPV4 "\5\1\0\1\306\63\144\7\37\220"
#define FIRST 1000

static struct relay *begin_optimistic(enum upstream_kind kind, int count)
{
	struct sidetrack_relay_upstream upstreams[] = {
		proxy_at(kind, PROXY_PORT), proxy_at(UPSTREAM_HTTP, SECOND_PORT),
	};
	struct sidetrack_relay_options options = default_options();

	options.threads = 1;
	upstreams[0].optimistic = 1;
	return begin_with(&options, upstreams, count);
}

/* What the client said meanwhile comes with the request, once, and the rest behind it. */
static void first_bytes_go_along(void)
{
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	struct relay *relay = begin_optimistic(UPSTREAM_SOCKS5, 1);
	int client = client_connect(AF_INET, INTERNET, PORT);
	int proxy = take(listener);

	send_pattern(client, 0, FIRST, FIRST);
	hear_bytes(proxy, "\5\1\0", 3);
	write_all(proxy, "\5\0", 2);
	hear_bytes(proxy, REQUEST_IPV4, 10);
	expect_pattern(proxy, 0, FIRST, FIRST);
	write_all(proxy, "\5\0\0\1\12\0\0\1\20\222", 10);
	send_pattern(client, FIRST, 100000, 100000);
	expect_pattern(proxy, FIRST, 100000, 100000);
	send_pattern(proxy, 0, 5000, 5000);
	expect_pattern(client, 0, 5000, 5000);
	shutdown(client, SHUT_WR);
	expect_end(proxy);
	shutdown(proxy, SHUT_WR);
	expect_end(client);
	wait_for(ended(relay, OUTCOME_FINISHED) == 1);
	expect_equal(upstream_of(relay, 0).upload_bytes, FIRST + 100000);
	expect_equal(counters_of(relay).upload_bytes, FIRST + 100000);
	expect_equal(counters_of(relay).route[0].upload_bytes, FIRST + 100000);
	close(client);
	close(proxy);
	close(listener);
	finish(relay);
}

/* More than fits beside a request: the rest waits for the answer. */
static void only_a_little_goes_along(void)
{
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	struct relay *relay = begin_optimistic(UPSTREAM_SOCKS4A, 1);
	int client, proxy;

	/* the proxy is slow to accept, so the client has spoken before */
	client = client_connect(AF_INET, INTERNET, PORT);
	proxy = take(listener);
	send_pattern(client, 0, 200000, 200000);
	hear_bytes(proxy, "\4\1\37\220\306\63\144\7\0", 9);
	write_all(proxy, "\0\132\0\0\0\0\0\0", 8);
	expect_pattern(proxy, 0, 200000, 100000);
	close(client);
	close(proxy);
	close(listener);
	finish(relay);
}

static int begin_early(struct relay *relay, int listener, int *client)
{
	int proxy;

	(void)relay;
	*client = client_connect(AF_INET, INTERNET, PORT);
	proxy = take(listener);
	send_pattern(*client, 0, FIRST, FIRST);
	hear_bytes(proxy, "\5\1\0", 3);
	write_all(proxy, "\5\0", 2);
	hear_bytes(proxy, REQUEST_IPV4, 10);
	expect_pattern(proxy, 0, FIRST, FIRST);
	return proxy;
}

/* It may have handed them on before it hung up: nobody else may get them. */
static void no_request_is_made_twice(void)
{
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	int second = upstream_listen_on(AF_INET, SECOND_PORT);
	struct relay *relay = begin_optimistic(UPSTREAM_SOCKS5, 2);
	int client, proxy = begin_early(relay, listener, &client);

	shutdown(proxy, SHUT_WR);
	expect_reset(client);
	wait_for(ended(relay, OUTCOME_UPSTREAM_PROTOCOL) == 1);
	expect(!readable(second, 50));
	expect_equal(counters_of(relay).upload_bytes, 0);
	close(client);
	close(proxy);
	close(listener);
	close(second);
	finish(relay);
}

/* It has certainly not: the next one gets every byte. */
static void refused_bytes_are_not_lost(void)
{
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	int second = upstream_listen_on(AF_INET, SECOND_PORT);
	struct sidetrack_relay_upstream upstreams[] = {
		proxy_at(UPSTREAM_HTTP, PROXY_PORT), proxy_at(UPSTREAM_HTTP, SECOND_PORT),
	};
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	int client, proxy, next;

	options.threads = 1;
	upstreams[0].optimistic = upstreams[1].optimistic = 1;
	relay = begin_with(&options, upstreams, 2);
	client = client_connect(AF_INET, INTERNET, PORT);
	send_pattern(client, 0, FIRST, FIRST);
	proxy = take(listener);
	hear_request(proxy);
	say(proxy, "HTTP/1.1 407 No\r\n\r\n");
	next = take(second);
	hear_request(next);
	expect_pattern(next, 0, FIRST, FIRST);
	say(next, ESTABLISHED);
	send_pattern(client, FIRST, FIRST, FIRST);
	expect_pattern(next, FIRST, FIRST, FIRST);
	wait_for(counters_of(relay).upload_bytes == 2 * FIRST);
	expect_equal(upstream_of(relay, 0).error[OUTCOME_UPSTREAM_AUTH], 1);
	expect_equal(upstream_of(relay, 0).upload_bytes, 0);
	close(client);
	close(proxy);
	close(next);
	close(listener);
	close(second);
	finish(relay);
}

const struct test probe_tests[] = {
	{ "probe: failure and recovery", failure_and_recovery },
	{ "probe: answers count as failures", answers_count_as_failures },
	{ "probe: clients are spared", clients_are_spared },
	{ "probe: the end of probing", probing_ends },
	{ "probe: answers are waited for", answers_are_waited_for },
	{ "probe: an answer behind the reply", answer_behind_the_reply },
	{ "probe: silence is a failure", silence_is_a_failure },
	{ "probe: families are judged apart", families_are_judged_apart },
	{ "optimistic: first bytes go along", first_bytes_go_along },
	{ "optimistic: only a little goes along", only_a_little_goes_along },
	{ "optimistic: no request is made twice", no_request_is_made_twice },
	{ "optimistic: refused bytes are not lost", refused_bytes_are_not_lost },
	{ NULL, NULL }
};
