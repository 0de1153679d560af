// SPDX-License-Identifier: MIT
/* How connections come in: TPROXY, and steering to CPUs. */
#include <arpa/inet.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "check.h"
#include "harness.h"
#include "relay/relay.h"
#include "sockets/listen.h"
#include "sockets/steering.h"
#include "thread/thread.h"
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

static uint64_t accepted_by_all(struct relay *relay)
{
	struct sidetrack_relay_counters sum = counters_of(relay);

	return sum.accepted_ipv4 + sum.accepted_ipv6;
}

static void connect_and_leave(int count)
{
	while (count--)
		close(client_connect(count % 2 ? AF_INET : AF_INET6, INTERNET, PORT));
}

/* As probes would have it.  Said again, for a thread that begins says that there are none. */
static bool refuse(struct relay *relay, uint32_t families)
{
	bool all = true;
	uint32_t i;

	__atomic_store_n(&relay->group.refused, families, __ATOMIC_RELEASE);
	for (i = 0; i < relay->group.thread_count; i++) {
		const struct listener *listener = &relay->group.threads[i].listener;

		thread_wake(&relay->group.threads[i]);
		all &= __atomic_load_n(&listener->refused, __ATOMIC_ACQUIRE) == families;
	}
	return all;
}

static void steering_with_refusals(int refusals)
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
	while (refusals-- > 0) {
		wait_for(refuse(relay, 1U << FAMILY_IPV6));
		wait_for(refuse(relay, 0));
	}
	for (thread = 0; thread < CPU_COUNT(&cpus); thread++) {
		run_on(steering_cpu(&cpus, (uint32_t)thread));
		connect_and_leave(EACH);
		wait_for(accepted_by(relay, thread) >= EACH);
	}
	for (thread = 0; thread < CPU_COUNT(&cpus); thread++)
		expect_equal(accepted_by(relay, thread), EACH);
	finish(relay);
}

static void steering_follows_the_cpu(void)
{
	steering_with_refusals(0);
}

/* Sockets that listen again are in the same order, and the program is there again. */
static void steering_survives_a_refusal(void)
{
	steering_with_refusals(5);
}

/*
 * All on one CPU, as behind a network card with one queue: the others help.
 * One by one, because what the kernel queued before the first thread looked at
 * its share stays that thread's.
 */
static void steering_gives_up(void)
{
	enum { CLIENTS = 200 };
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	cpu_set_t cpus;
	uint64_t i;

	if (!several_cpus(&cpus))
		return;
	options.threads = 0;
	relay = begin(&options);
	run_on(steering_cpu(&cpus, 0));
	for (i = 1; i <= CLIENTS; i++) {
		connect_and_leave(1);
		wait_for(accepted_by_all(relay) == i);
	}
	expect(accepted_by(relay, 0) < CLIENTS);
	finish(relay);
}

/* The numbers of the listeners move when one closes; nobody is lost. */
static void steering_outlives_a_listener(void)
{
	enum { EACH = 10 };
	struct sidetrack_relay_options options = default_options();
	uint16_t port = 0;
	cpu_set_t cpus;
	int reserved, first, second, cpu, i;

	if (!several_cpus(&cpus))
		return;
	reserved = listen_reserve(&options, &port);
	first = listen_open(&options, port, FAMILY_IPV4);
	second = listen_open(&options, port, FAMILY_IPV4);
	expect(reserved >= 0 && first >= 0 && second >= 0);
	close(reserved);
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

/* --- our own connections ------------------------------------------------------- */

/* Nothing of it is counted. */
static void expect_uncounted(struct relay *relay)
{
	struct sidetrack_relay_counters counters = counters_of(relay);
	uint32_t i;

	expect_equal(counters.accepted_ipv4 + counters.accepted_ipv6, 0);
	expect_equal(counters.active, 0);
	for (i = 0; i < OUTCOME_COUNT; i++)
		expect_equal(counters.outcome[i], 0);
	expect_equal(sidetrack_relay_active(relay), 0);
}

static void own_connections_of(struct relay *relay)
{
	enum { TIMES = 20 };
	int i;

	expect(sidetrack_relay_check_accept(relay, 1) > 0);
	for (i = 0; i < TIMES; i++)
		wait_for(sidetrack_relay_check_accept(relay, 1) == 0);
	expect_uncounted(relay);
	expect_equal(sidetrack_relay_check_accept(relay, 0), -ESHUTDOWN);
	expect(sidetrack_relay_check_accept(relay, 1) > 0);
	wait_for(sidetrack_relay_check_accept(relay, 1) == 0);
	finish(relay);
}

static void own_connections(void)
{
	own_connections_of(begin_default());
}

static void own_connections_tproxy(void)
{
	own_connections_of(begin_tproxy());
}

static void own_connections_ipv6(void)
{
	struct sidetrack_relay_options options = default_options();

	expect(inet_pton(AF_INET6, "fd00::1", options.address) == 1);
	own_connections_of(begin(&options));
}

/* As if what arrives with these flags, and no others, were lost. */
static void lose(struct relay *relay, uint8_t flags)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetof(struct tcphdr, th_flags)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, flags, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };
	const struct listener *listener = &relay->group.threads[0].listener;
	unsigned int i;

	for (i = 0; i < listener->count; i++)
		expect(setsockopt(listener->socket[i].fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
				  sizeof(program)) == 0);
}

/* Given up, and the next one is accepted as soon as nothing is lost any more. */
static void own_connections_lose(uint8_t flags)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	uint64_t begun_ms;

	options.threads = 1;
	relay = begin(&options);
	lose(relay, flags);
	expect(sidetrack_relay_check_accept(relay, 1) > 0);
	begun_ms = relay->group.accept_check.begun_ms;
	while (relay->group.accept_check.begun_ms == begun_ms) {
		expect(sidetrack_relay_check_accept(relay, 1) > 0);
		usleep(2000);
	}
	lose(relay, 0);
	wait_for(sidetrack_relay_check_accept(relay, 1) == 0);
	expect_uncounted(relay);
	finish(relay);
}

static void own_connections_lose_the_first_packet(void)
{
	own_connections_lose(TH_SYN);
}

/* As when the queue is full: our end is connected, and the listener knows of nothing. */
static void own_connections_lose_the_last_ack(void)
{
	own_connections_lose(TH_ACK);
}

/* The listener has no room: it waits, is not made again and again, and is accepted in the end. */
static void own_connections_wait(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	struct pair pair;
	uint64_t begun_ms;
	int descriptors;

	options.threads = 1;
	options.max_connections = 1;
	relay = begin(&options);
	pair = pair_open(AF_INET);
	expect(sidetrack_relay_check_accept(relay, 1) > 0);
	begun_ms = relay->group.accept_check.begun_ms;
	descriptors = count_entries("/proc/self/fd");
	wait_for(sidetrack_relay_check_accept(relay, 1) > 2500);
	expect(counters_of(relay).paused_connections >= 1);
	expect_equal(count_entries("/proc/self/fd"), descriptors);
	expect_equal(relay->group.accept_check.begun_ms, begun_ms);
	pair_close(&pair);
	wait_for(sidetrack_relay_check_accept(relay, 1) == 0);
	expect_equal(counters_of(relay).accepted_ipv4, 1);
	finish(relay);
}

/* Without a descriptor none can be made, which is told as such. */
static void own_connections_without_descriptors(void)
{
	struct relay *relay = begin_default();
	struct rlimit limit, none;

	expect(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	none = limit;
	none.rlim_cur = 3;
	expect(setrlimit(RLIMIT_NOFILE, &none) == 0);
	expect_equal(sidetrack_relay_check_accept(relay, 1), -EMFILE);
	expect(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	wait_for(sidetrack_relay_check_accept(relay, 1) == 0);
	expect_uncounted(relay);
	finish(relay);
}

/* From our own address, but of another program: a loop, as ever. */
static void own_connections_are_known_by_port(void)
{
	struct relay *relay = begin_default();
	struct sockaddr_in there = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)status_of(relay).port),
	};
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	expect(sidetrack_relay_check_accept(relay, 1) > 0);
	expect(connect(other, (struct sockaddr *)&there, sizeof(there)) == 0);
	wait_for(counters_of(relay).accepted_ipv4 == 1);
	wait_for(sidetrack_relay_check_accept(relay, 1) == 0);
	expect_equal(counters_of(relay).accepted_ipv4, 1);
	close(other);
	finish(relay);
}

const struct test accept_tests[] = {
	{ "accept: own connections", own_connections },
	{ "accept: own connections, tproxy", own_connections_tproxy },
	{ "accept: own connections, IPv6", own_connections_ipv6 },
	{ "accept: own connections wait", own_connections_wait },
	{ "accept: own connections lose the first packet", own_connections_lose_the_first_packet },
	{ "accept: own connections lose the last ACK", own_connections_lose_the_last_ack },
	{ "accept: own connections without descriptors", own_connections_without_descriptors },
	{ "accept: own connections are known by port", own_connections_are_known_by_port },
	{ "accept: tproxy, IPv4", tproxy_ipv4 },
	{ "accept: tproxy, IPv6", tproxy_ipv6 },
	{ "accept: tproxy resets a direct dial", tproxy_loop },
	{ "accept: tproxy without the privilege", tproxy_unprivileged },
	{ "accept: steering with gaps among the CPUs", steering_with_gaps },
	{ "accept: steering follows the CPU", steering_follows_the_cpu },
	{ "accept: steering survives a refusal", steering_survives_a_refusal },
	{ "accept: steering gives up when others are idle", steering_gives_up },
	{ "accept: steering outlives a listener", steering_outlives_a_listener },
	{ NULL, NULL }
};
