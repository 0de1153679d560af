// SPDX-License-Identifier: MIT
/* How connections come in: TPROXY, steering to CPUs, limits, Fast Open. */
#include <arpa/inet.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "check.h"
#include "clients.h"
#include "harness.h"
#include "listen.h"
#include "steering.h"
#include "world.h"

/* --- tproxy ------------------------------------------------------------------- */

/* As world.sh, but what the client sends keeps its destination. */
static const char tproxy_world[] =
	"set -e\n"
	"ip link set lo up\n"
	"for last in 1 2; do\n"
	"	ip address add 10.0.0.$last/32 dev lo\n"
	"	ip address add fd00::$last/128 dev lo nodad\n"
	"done\n"
	"ip route add 198.51.100.0/24 dev lo src 10.0.0.1\n"
	"ip -6 route add 2001:db8::/64 dev lo src fd00::1\n"
	"ip rule add from 10.0.0.2 lookup 100\n"
	"ip -6 rule add from fd00::2 lookup 100\n"
	"ip route add local default dev lo table 100\n"
	"ip -6 route add local default dev lo table 100\n"
	"nft -f - <<'END'\n"
	"table inet world {\n"
	"	chain divert {\n"
	"		type filter hook prerouting priority mangle\n"
	"		ip saddr 10.0.0.2 ip daddr 198.51.100.0/24 meta l4proto tcp tproxy ip to :12345\n"
	"		ip6 saddr fd00::2 ip6 daddr 2001:db8::/64 meta l4proto tcp tproxy ip6 to :12345\n"
	"	}\n"
	"	chain nat {\n"
	"		type nat hook output priority -100\n"
	"		ip saddr 10.0.0.1 ip daddr 198.51.100.0/24 dnat ip to 10.0.0.1\n"
	"		ip6 saddr fd00::1 ip6 daddr 2001:db8::/64 dnat ip6 to fd00::1\n"
	"	}\n"
	"}\n"
	"END\n";

static struct relay *begin_tproxy(void)
{
	struct sidetrack_relay_options options = default_options();

	expect(unshare(CLONE_NEWNET) == 0);
	expect(system(tproxy_world) == 0);
	options.capture = CAPTURE_TPROXY;
	options.threads = 1;
	return begin(&options);
}

static uint16_t local_port(int fd)
{
	struct sockaddr_in6 address;
	socklen_t length = sizeof(address);

	expect(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
	return ntohs(address.sin6_port);	/* where IPv4 has it, too */
}

static void tproxy_family(int family, const char *destination)
{
	struct relay *relay = begin_tproxy();
	struct pair pair = pair_open(family);
	struct sidetrack_relay_record record = last_record(relay);
	struct in6_addr wanted;

	expect(inet_pton(AF_INET6, destination, &wanted) == 1);
	expect(memcmp(record.destination, &wanted, sizeof(wanted)) == 0);
	expect_equal(record.destination_port, PORT);
	expect_equal(record.client_port, local_port(pair.client));
	send_pattern(pair.client, 0, 3000000, 100000);
	expect_pattern(pair.upstream, 0, 3000000, 100000);
	send_pattern(pair.upstream, 0, 3000000, 100000);
	expect_pattern(pair.client, 0, 3000000, 100000);
	pair_close(&pair);
	finish(relay);
}

static void tproxy_ipv4(void)
{
	tproxy_family(AF_INET, "::ffff:198.51.100.7");
}

static void tproxy_ipv6(void)
{
	tproxy_family(AF_INET6, "2001:db8::7");
}

static void tproxy_loop(void)
{
	struct relay *relay = begin_tproxy();
	int client = client_connect(AF_INET, RELAY_HOST, RELAY_PORT);

	expect_reset(client);
	close(client);
	client = client_connect(AF_INET6, RELAY_HOST, RELAY_PORT);
	expect_reset(client);
	close(client);
	wait_for(ended(relay, OUTCOME_LOOP) == 2);
	finish(relay);
}

static void tproxy_unprivileged(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	struct sidetrack_relay_options options = default_options();
	char text[SIDETRACK_RELAY_ERROR_LENGTH + 1] = { 0 };
	struct relay *relay;

	expect(syscall(SYS_capset, &header, none) == 0);
	options.capture = CAPTURE_TPROXY;
	relay = sidetrack_relay_create((uint8_t *)&options, sizeof(options));
	expect_equal(sidetrack_relay_start(relay), -EPERM);
	sidetrack_relay_read_error(relay, (uint8_t *)text, SIDETRACK_RELAY_ERROR_LENGTH);
	expect(strstr(text, "CAP_NET_ADMIN or CAP_NET_RAW"));
	sidetrack_relay_destroy(relay);
}

/* --- steering ------------------------------------------------------------------- */

/* What a classic BPF program answers on @cpu, of the three instructions we use. */
static uint32_t answer(const struct sock_filter *program, uint32_t count, uint32_t cpu)
{
	uint32_t at, loaded = UINT32_MAX - 1;

	for (at = 0; at < count; at++) {
		const struct sock_filter *now = &program[at];

		if (now->code == (BPF_RET | BPF_K))
			return now->k;
		if (now->code == (BPF_JMP | BPF_JEQ | BPF_K))
			at += loaded == now->k ? now->jt : now->jf;
		else if (now->k == (uint32_t)(SKF_AD_OFF + SKF_AD_CPU))
			loaded = cpu;
	}
	expect(false);
	return 0;
}

static void steering_with_gaps(void)
{
	static const uint32_t cpu[] = { 1, 3, 64, 200 };
	struct sock_filter program[STEERING_INSTRUCTIONS(4)];
	cpu_set_t cpus;
	uint32_t i, count;

	CPU_ZERO(&cpus);
	for (i = 0; i < 4; i++)
		CPU_SET(cpu[i], &cpus);
	count = steering_program(&cpus, program);
	expect_equal(count, STEERING_INSTRUCTIONS(4));
	for (i = 0; i < 4; i++) {
		expect_equal(answer(program, count, cpu[i]), i);
		expect_equal(steering_cpu(&cpus, i), cpu[i]);
	}
	expect_equal(steering_cpu(&cpus, 4), -1);
	expect(answer(program, count, 0) >= 4);
	expect(answer(program, count, 2) >= 4);
	expect(answer(program, count, 63) >= 4);
}

static void run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	expect(sched_setaffinity(0, sizeof(one), &one) == 0);
}

/* Return: false where there is only one CPU, and so nothing to steer */
static bool several_cpus(cpu_set_t *cpus)
{
	expect(sched_getaffinity(0, sizeof(*cpus), cpus) == 0);
	if (CPU_COUNT(cpus) > 1)
		return true;
	printf("      (only one CPU: nothing to steer)\n");
	return false;
}

static uint64_t accepted_by(struct relay *relay, int thread)
{
	struct sidetrack_relay_counters page;

	expect_equal(sidetrack_relay_read_counters(relay, thread, (uint8_t *)&page, sizeof(page)),
		     0);
	return page.accepted_ipv4 + page.accepted_ipv6;
}

static void connect_and_leave(int count)
{
	while (count--)
		close(client_connect(count % 2 ? AF_INET : AF_INET6, INTERNET, PORT));
}

static void steering_follows_the_cpu(void)
{
	enum { EACH = 20 };
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	cpu_set_t cpus;
	int thread;

	if (!several_cpus(&cpus))
		return;
	options.threads = 0;
	relay = begin(&options);
	for (thread = 0; thread < CPU_COUNT(&cpus); thread++) {
		run_on(steering_cpu(&cpus, (uint32_t)thread));
		connect_and_leave(EACH);
		wait_for(accepted_by(relay, thread) >= EACH);
	}
	for (thread = 0; thread < CPU_COUNT(&cpus); thread++)
		expect_equal(accepted_by(relay, thread), EACH);
	finish(relay);
}

/* All on one CPU, as behind a network card with one queue: the others help. */
static void steering_gives_up(void)
{
	enum { CLIENTS = 200 };
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	cpu_set_t cpus;

	if (!several_cpus(&cpus))
		return;
	options.threads = 0;
	relay = begin(&options);
	run_on(steering_cpu(&cpus, 0));
	connect_and_leave(CLIENTS);
	wait_for(counters_of(relay).accepted_ipv4 + counters_of(relay).accepted_ipv6 == CLIENTS);
	expect(accepted_by(relay, 1) > 0);
	finish(relay);
}

/* The numbers of the listeners move when one closes; nobody is lost. */
static void steering_outlives_a_listener(void)
{
	enum { EACH = 10 };
	struct sidetrack_relay_options options = default_options();
	uint16_t port = 0;
	cpu_set_t cpus;
	int first, second, cpu, i;

	if (!several_cpus(&cpus))
		return;
	first = listen_open(&options, &port);
	second = listen_open(&options, &port);
	expect(first >= 0 && second >= 0);
	expect_equal(steering_attach(second, &cpus), 0);
	close(first);
	set_blocking(second, true);
	for (cpu = 0; cpu < CPU_COUNT(&cpus); cpu++) {
		run_on(steering_cpu(&cpus, (uint32_t)cpu));
		for (i = 0; i < EACH; i++) {
			int client = client_connect(AF_INET, INTERNET, PORT);

			close(take(second));
			close(client);
		}
	}
	close(second);
}

/* --- limits --------------------------------------------------------------------- */

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

/* --- Fast Open ------------------------------------------------------------------ */

#define PROXY_PORT 1080

static void allow_fast_open(void)
{
	FILE *file = fopen("/proc/sys/net/ipv4/tcp_fastopen", "w");

	expect(file && fputs("3", file) >= 0 && fclose(file) == 0);
}

/* Return: whether the other end's SYN carried data that this socket took */
static bool syn_had_data(int fd)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);

	expect(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
	return info.tcpi_options & TCPI_OPT_SYN_DATA;
}

static int listen_fast(uint16_t port)
{
	int listener = upstream_listen_on(AF_INET, port);
	int queue = 16;

	expect(setsockopt(listener, IPPROTO_TCP, TCP_FASTOPEN, &queue, sizeof(queue)) == 0);
	return listener;
}

static struct relay *begin_fast(void)
{
	struct sidetrack_relay_upstream proxy = { .kind = UPSTREAM_SOCKS5, .port = PROXY_PORT };
	struct sidetrack_relay_options options = default_options();

	allow_fast_open();
	expect(inet_pton(AF_INET6, "::ffff:10.0.0.1", proxy.address) == 1);
	options.fast_open = 1;
	options.threads = 1;
	return begin_with(&options, &proxy, 1);
}

static void hear(int fd, const char *wanted, size_t length)
{
	char bytes[64];

	expect_equal(recv(fd, bytes, length, MSG_WAITALL), length);
	expect(memcmp(bytes, wanted, length) == 0);
}

/* The first connection fetches the cookie, the second sends its greeting in the SYN. */
static void fast_open_to_a_proxy(void)
{
	struct relay *relay = begin_fast();
	int listener = listen_fast(PROXY_PORT);
	int round;

	for (round = 0; round < 2; round++) {
		int client = client_connect(AF_INET, INTERNET, PORT);
		int proxy = take(listener);

		expect_equal(syn_had_data(proxy), round == 1);
		hear(proxy, "\5\1\0", 3);
		write_all(proxy, "\5\0", 2);
		hear(proxy, "\5\1\0\1\306\63\144\7\37\220", 10);
		write_all(proxy, "\5\0\0\1\12\0\0\1\20\222", 10);
		send_pattern(client, 0, 100000, 100000);
		expect_pattern(proxy, 0, 100000, 100000);
		close(client);
		close(proxy);
	}
	wait_for(counters_of(relay).active == 0);
	close(listener);
	/* with a cookie in hand and nobody there: a failed connect, not a failed handshake */
	round = client_connect(AF_INET, INTERNET, PORT);
	expect_reset(round);
	close(round);
	wait_for(ended(relay, OUTCOME_REFUSED) == 1);
	expect_equal(counters_of(relay).upstream[0].error[OUTCOME_REFUSED], 1);
	finish(relay);
}

/* Return: a client whose first words left with its SYN, if it had a cookie */
static int client_fast(const char *words)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.0.0.2") };
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
		.sin_addr.s_addr = inet_addr("198.51.100.7"),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	expect(bind(fd, (struct sockaddr *)&local, sizeof(local)) == 0);
	expect_equal(sendto(fd, words, strlen(words), MSG_FASTOPEN, (struct sockaddr *)&to,
			    sizeof(to)), strlen(words));
	return fd;
}

static void fast_open_from_a_client(void)
{
	struct sidetrack_relay_options options = default_options();
	int listener = upstream_listen(AF_INET);
	struct relay *relay;
	int round;

	allow_fast_open();
	options.fast_open = 1;
	relay = begin(&options);
	for (round = 0; round < 2; round++) {
		int client = client_fast("hello");
		int upstream = take(listener);

		hear(upstream, "hello", 5);
		write_all(upstream, "world", 5);
		hear(client, "world", 5);
		expect_equal(syn_had_data(client), round == 1);
		close(client);
		close(upstream);
	}
	close(listener);
	finish(relay);
}

/* net.ipv4.tcp_fastopen=0 forbids it; connections are made all the same. */
static void fast_open_forbidden(void)
{
	struct relay *relay = begin_fast();
	FILE *file = fopen("/proc/sys/net/ipv4/tcp_fastopen", "w");
	int listener = upstream_listen_on(AF_INET, PROXY_PORT);
	int client, proxy;

	expect(file && fputs("0", file) >= 0 && fclose(file) == 0);
	client = client_connect(AF_INET, INTERNET, PORT);
	proxy = take(listener);
	hear(proxy, "\5\1\0", 3);
	close(client);
	close(proxy);
	close(listener);
	finish(relay);
}

const struct test accept_tests[] = {
	{ "accept: tproxy, IPv4", tproxy_ipv4 },
	{ "accept: tproxy, IPv6", tproxy_ipv6 },
	{ "accept: tproxy resets a direct dial", tproxy_loop },
	{ "accept: tproxy without the privilege", tproxy_unprivileged },
	{ "accept: steering with gaps among the CPUs", steering_with_gaps },
	{ "accept: steering follows the CPU", steering_follows_the_cpu },
	{ "accept: steering gives up when others are idle", steering_gives_up },
	{ "accept: steering outlives a listener", steering_outlives_a_listener },
	{ "accept: IPv6 clients are prefixes", clients_are_prefixes },
	{ "accept: clients come and go", clients_come_and_go },
	{ "accept: more clients than places", clients_overflow },
	{ "accept: clients of many threads", clients_from_many_threads },
	{ "accept: limit of a client", limit_of_a_client },
	{ "accept: limit of handshakes", limit_of_handshakes },
	{ "accept: Fast Open to a proxy", fast_open_to_a_proxy },
	{ "accept: Fast Open from a client", fast_open_from_a_client },
	{ "accept: Fast Open forbidden", fast_open_forbidden },
	{ NULL, NULL }
};
