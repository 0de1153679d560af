// SPDX-License-Identifier: MIT
/* A family of addresses that no upstream carries is refused before the handshake. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "check.h"
#include "harness.h"
#include "relay/relay.h"
#include "thread/thread.h"
#include "world.h"

#define PROXY_PORT 1080
#define PROBE_PORT 8081
#define THREADS 3
#define IPV4 (1U << FAMILY_IPV4)
#define IPV6 (1U << FAMILY_IPV6)

/* --- a proxy that carries what it is told to ---------------------------------------- */

static struct {
	pthread_t thread;
	int listener;
	uint32_t carries;	/* families; atomic, like the rest */
	bool ends;
	bool holds;		/* the next client's connection is left to the test */
	int held;
} proxy;

/* Return: true if the destination is an IPv6 address */
static bool hear_request(int fd, bool *is_probe)
{
	char text[512] = { 0 };
	size_t length = 0;

	while (!strstr(text, "\r\n\r\n")) {
		expect(length < sizeof(text) - 1);
		expect_equal(recv(fd, text + length, 1, 0), 1);
		length++;
	}
	*is_probe = strstr(text, ":8081 ") != NULL;
	return text[strlen("CONNECT ")] == '[';
}

static void serve(int fd)
{
	int i = 0;
	bool is_probe, ipv6 = hear_request(fd, &is_probe);
	const char *answer = __atomic_load_n(&proxy.carries, __ATOMIC_ACQUIRE) & (ipv6 ? IPV6 : IPV4)
		? "HTTP/1.1 200 OK\r\n\r\n" : "HTTP/1.1 502 No\r\n\r\n";

	(void)!send(fd, answer, strlen(answer), MSG_NOSIGNAL);
	/* both ways, twice: a relay that takes the first pause for the end is found out */
	for (i = 0; !is_probe && i < 2 && recv(fd, &(char){ 0 }, 1, 0) == 1; i++)
		(void)!send(fd, "x", 1, MSG_NOSIGNAL);
	if (!is_probe && i == 2 && __atomic_exchange_n(&proxy.holds, false, __ATOMIC_ACQ_REL)) {
		__atomic_store_n(&proxy.held, fd, __ATOMIC_RELEASE);
		return;
	}
	while (recv(fd, &(char){ 0 }, 1, 0) > 0)
		;
	close(fd);
}

static void *proxy_main(void *argument)
{
	struct pollfd ready = { .fd = proxy.listener, .events = POLLIN };

	while (!__atomic_load_n(&proxy.ends, __ATOMIC_ACQUIRE))
		if (poll(&ready, 1, 20) == 1)
			serve(take(proxy.listener));
	return argument;
}

static void proxy_begin(uint32_t carries)
{
	proxy.carries = carries;
	proxy.held = -1;
	proxy.listener = upstream_listen_on(AF_INET, PROXY_PORT);
	expect(pthread_create(&proxy.thread, NULL, proxy_main, NULL) == 0);
}

static void proxy_carries(uint32_t families)
{
	__atomic_store_n(&proxy.carries, families, __ATOMIC_RELEASE);
}

static void proxy_end(void)
{
	__atomic_store_n(&proxy.ends, true, __ATOMIC_RELEASE);
	expect(pthread_join(proxy.thread, NULL) == 0);
	close(proxy.listener);
}

/* --- the relay ------------------------------------------------------------------------ */

static struct relay *create(uint32_t probed)
{
	struct sidetrack_relay_upstream upstream = { .kind = UPSTREAM_HTTP, .port = PROXY_PORT };
	struct sidetrack_relay_options options = default_options();
	static const char *const address[] = { "::ffff:198.51.100.7", "2001:db8::7" };
	struct relay *relay;
	int family;

	options.threads = THREADS;
	options.probe_interval_ms = 100;
	options.probe_timeout_ms = 20000;
	for (family = 0; family < FAMILIES; family++) {
		if (!(probed & 1U << family))
			continue;
		options.probe[family].port = PROBE_PORT;
		expect(inet_pton(AF_INET6, address[family], options.probe[family].address) == 1);
	}
	expect(inet_pton(AF_INET6, "::ffff:10.0.0.1", upstream.address) == 1);
	relay = sidetrack_relay_create((uint8_t *)&options, sizeof(options));
	add_upstream(relay, &upstream, 0);
	return relay;
}

static struct relay *start(struct relay *relay)
{
	expect_equal(sidetrack_relay_start(relay), 0);
	return relay;
}

/* All threads have acted. */
static bool refuses(struct relay *relay, uint32_t families)
{
	struct sidetrack_relay_status status = status_of(relay);
	uint32_t i;

	expect_equal(status.listening_families, (IPV4 | IPV6) & ~status.refused_families);
	for (i = 0; i < relay->group.thread_count; i++)
		if (__atomic_load_n(&relay->group.threads[i].listener.refused, __ATOMIC_ACQUIRE) !=
		    families)
			return false;
	return status.refused_families == families;
}

/* --- clients --------------------------------------------------------------------------- */

/* Return: 0 with a connection that has got its byte, or an errno */
static int visit(int family)
{
	int fd = client_begin(family, INTERNET, PORT);
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t size = sizeof(error);
	ssize_t length;
	int i;

	expect(poll(&ready, 1, TIMEOUT_MS) == 1);
	expect(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0);
	ready.events = POLLIN;
	for (i = 0; !error && i < 2; i++) {
		(void)!send(fd, "?", 1, MSG_NOSIGNAL);
		expect(poll(&ready, 1, TIMEOUT_MS) == 1);
		length = recv(fd, &(char){ 0 }, 1, 0);
		error = length == 1 ? 0 : length < 0 ? errno : EIO;
	}
	close(fd);
	return error;
}

static void exchange(int fd)
{
	int i;

	for (i = 0; i < 2; i++) {
		write_all(fd, "?", 1);
		expect_equal(recv(fd, &(char){ 0 }, 1, 0), 1);
	}
}

static void expect_visits(int family, int wanted)
{
	int i;

	for (i = 0; i < 4 * THREADS; i++)
		expect_equal(visit(family), wanted);
}

/* One after the other, for as long as it takes: none may be lost. */
static struct {
	pthread_t thread;
	bool ends;
	unsigned int count;
} stream;

static void *stream_main(void *argument)
{
	while (!__atomic_load_n(&stream.ends, __ATOMIC_ACQUIRE)) {
		expect_equal(visit(AF_INET), 0);
		__atomic_add_fetch(&stream.count, 1, __ATOMIC_RELEASE);
	}
	return argument;
}

static void stream_begin(void)
{
	expect(pthread_create(&stream.thread, NULL, stream_main, NULL) == 0);
}

static unsigned int streamed(void)
{
	return __atomic_load_n(&stream.count, __ATOMIC_ACQUIRE);
}

static unsigned int stream_end(void)
{
	__atomic_store_n(&stream.ends, true, __ATOMIC_RELEASE);
	expect(pthread_join(stream.thread, NULL) == 0);
	return stream.count;
}

/* --- tests ------------------------------------------------------------------------------ */

static void one_switch(struct relay *relay)
{
	unsigned int before = streamed();

	proxy_carries(IPV4);
	wait_for(refuses(relay, IPV6));
	expect_visits(AF_INET6, ECONNREFUSED);
	wait_for(streamed() > before + 10);
	proxy_carries(IPV4 | IPV6);
	wait_for(refuses(relay, 0));
	expect_visits(AF_INET6, 0);
}

/* IPv6 comes and goes; nobody notices over IPv4, nor who is connected already. */
static void comes_and_goes(void)
{
	struct relay *relay;
	unsigned int count;
	int client, i;

	proxy_begin(IPV4 | IPV6);
	relay = start(create(IPV4 | IPV6));
	__atomic_store_n(&proxy.holds, true, __ATOMIC_RELEASE);
	client = client_connect(AF_INET6, INTERNET, PORT);
	exchange(client);
	wait_for(__atomic_load_n(&proxy.held, __ATOMIC_ACQUIRE) >= 0);
	stream_begin();
	for (i = 0; i < 4; i++)
		one_switch(relay);
	count = stream_end();
	send_pattern(client, 0, 100000, 100000);
	expect_pattern(proxy.held, 0, 100000, 100000);
	wait_for(counters_of(relay).accepted_ipv4 >= count);
	expect_equal(counters_of(relay).accepted_ipv4, count);
	expect_equal(counters_of(relay).accepted_ipv6, 1 + 4 * 4 * THREADS);
	expect_equal(counters_of(relay).paused_other, 0);
	expect_equal(ended(relay, OUTCOME_UPSTREAM_REFUSED), 0);
	close(client);
	close(proxy.held);
	finish(relay);
	proxy_end();
}

/* The other family may be the one that is not carried. */
static void either_family(void)
{
	struct relay *relay;

	proxy_begin(IPV6);
	relay = start(create(IPV4 | IPV6));
	wait_for(refuses(relay, IPV4));
	expect_visits(AF_INET, ECONNREFUSED);
	expect_visits(AF_INET6, 0);
	proxy_carries(IPV4 | IPV6);
	wait_for(refuses(relay, 0));
	expect_visits(AF_INET, 0);
	finish(relay);
	proxy_end();
}

static bool has_failed(struct relay *relay, uint64_t times)
{
	return counters_of(relay).upstream[0].probes_failed >= times;
}

/* Where nothing works there is nowhere to fall back to; what was refused stays so. */
static void never_all(void)
{
	struct relay *relay;
	uint64_t before;

	proxy_begin(0);
	relay = start(create(IPV4 | IPV6));
	wait_for(has_failed(relay, 6));
	expect(refuses(relay, 0));
	proxy_carries(IPV4);
	wait_for(refuses(relay, IPV6));
	proxy_carries(0);
	before = counters_of(relay).upstream[0].probes_failed;
	wait_for(has_failed(relay, before + 6));
	expect(refuses(relay, IPV6));
	proxy_carries(IPV6);
	wait_for(refuses(relay, IPV4));
	finish(relay);
	proxy_end();
}

/* Who does not ask does not know. */
static void only_what_is_probed(void)
{
	struct relay *relay;

	proxy_begin(IPV4);
	relay = start(create(IPV6));
	wait_for(has_failed(relay, 3));
	expect(refuses(relay, 0));
	finish(relay);
	proxy_end();
}

/* --- hand-over ---------------------------------------------------------------------------- */

static void adopt_from(struct relay *old, struct relay *relay)
{
	int32_t listener[SIDETRACK_RELAY_LISTENERS];
	int i, count = sidetrack_relay_read_listeners(old, (uint8_t *)listener, sizeof(listener));

	expect_equal(count, 2 * THREADS);
	for (i = 0; i < count; i++)
		expect_equal(sidetrack_relay_adopt_listener(relay, dup(listener[i])), 0);
}

static void let_go(struct relay *old)
{
	expect_equal(sidetrack_relay_hand_over(old, 20000), 0);
	wait_for(sidetrack_relay_drained(old));
	finish(old);
}

/* What the old one has found out stays so until the new one knows better, or asks no more. */
static void is_handed_over(void)
{
	struct relay *old, *new;

	proxy_begin(IPV4);
	old = start(create(IPV4 | IPV6));
	wait_for(refuses(old, IPV6));
	stream_begin();
	new = create(IPV4 | IPV6);
	adopt_from(old, new);
	start(new);
	expect_equal(status_of(new).refused_families, IPV6);
	let_go(old);
	wait_for(refuses(new, IPV6));
	expect_visits(AF_INET6, ECONNREFUSED);
	proxy_carries(IPV4 | IPV6);
	wait_for(refuses(new, 0));
	expect_visits(AF_INET6, 0);
	proxy_carries(IPV4);
	wait_for(refuses(new, IPV6));
	old = new;
	new = create(0);
	adopt_from(old, new);
	start(new);
	let_go(old);
	expect(refuses(new, 0));
	expect_visits(AF_INET6, ECONNRESET);	/* accepted, and the proxy says no */
	expect(stream_end() > 0);
	finish(new);
	proxy_end();
}

/* One that has opened the sockets and then failed: whoever goes on closes them again. */
static void successor_fails(void)
{
	struct relay *old, *new;

	proxy_begin(IPV4);
	old = start(create(IPV4 | IPV6));
	wait_for(refuses(old, IPV6));
	new = create(0);
	adopt_from(old, new);
	start(new);
	finish(new);
	wait_for(visit(AF_INET6) == ECONNREFUSED);
	expect_visits(AF_INET6, ECONNREFUSED);
	proxy_carries(IPV4 | IPV6);
	wait_for(refuses(old, 0));
	expect_visits(AF_INET6, 0);
	finish(old);
	proxy_end();
}

static int dual_stack(void)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(RELAY_PORT) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	expect(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0);
	expect(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){ 1 }, sizeof(int)) == 0);
	expect(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int)) == 0);
	expect(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	expect(listen(fd, 100) == 0);
	return fd;
}

/* As relays opened them before there was one for each family. */
static void dual_stack_sockets(void)
{
	struct relay *relay = create(IPV4 | IPV6);
	int i, waiting;

	proxy_begin(IPV4 | IPV6);
	for (i = 0; i < THREADS; i++)
		expect_equal(sidetrack_relay_adopt_listener(relay, dual_stack()), 0);
	waiting = client_connect(AF_INET, INTERNET, PORT);	/* in a queue */
	stream_begin();
	start(relay);
	exchange(waiting);
	close(waiting);
	expect_visits(AF_INET6, 0);
	one_switch(relay);
	expect(stream_end() > 0);
	finish(relay);
	proxy_end();
}

/* Another user's socket is alone on the port: it cannot be closed for one family. */
static void foreign_dual_stack_socket(void)
{
	struct relay *relay;

	if (!has_other_user())
		return;
	relay = create(IPV4 | IPV6);
	proxy_begin(IPV4);
	expect_equal(sidetrack_relay_adopt_listener(relay, dual_stack()), 0);
	expect(setresuid(65534, 65534, 0) == 0);
	start(relay);
	expect(setresuid(0, 0, 0) == 0);
	wait_for(has_failed(relay, 3));
	expect_equal(status_of(relay).refused_families, 0);
	expect_visits(AF_INET, 0);
	expect_visits(AF_INET6, ECONNRESET);
	finish(relay);
	proxy_end();
}

const struct test refusal_tests[] = {
	{ "refusal: a family comes and goes", comes_and_goes },
	{ "refusal: either family", either_family },
	{ "refusal: never all families", never_all },
	{ "refusal: only what is probed", only_what_is_probed },
	{ "refusal: is handed over", is_handed_over },
	{ "refusal: a successor fails", successor_fails },
	{ "refusal: dual-stack sockets of an older relay", dual_stack_sockets },
	{ "refusal: a dual-stack socket of another user", foreign_dual_stack_socket },
	{ NULL, NULL }
};
