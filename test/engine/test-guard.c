// SPDX-License-Identifier: MIT
/* Whom the relay connects with whom: the guard's table, and IPv4 addresses in IPv6 packets. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "check.h"
#include "harness.h"
#include "upstreams/guard.h"
#include "world.h"

#define DENIED (1U << GUARD_DENIED_BIT)
#define OWN (1U << GUARD_OWN_BIT)
#define PLACES 4

/* Addresses from each start to the next; IPv6 ones differ in their first four bytes and last two. */
struct table {
	struct sidetrack_relay_destinations header;
	uint32_t ipv4_start[PLACES];
	uint32_t ipv4_bits[PLACES];
	uint8_t ipv6_start[PLACES][16];
	uint32_t ipv6_bits[PLACES];
};

struct place_bits {
	const char *start;
	uint32_t bits;
};

static void make_table(struct table *table, const struct place_bits ipv4[PLACES],
		       const struct place_bits ipv6[PLACES])
{
	struct in_addr address;
	int i;

	*table = (struct table){ { PLACES, PLACES }, { 0 }, { 0 }, { { 0 } }, { 0 } };
	for (i = 0; i < PLACES; i++) {
		expect(inet_pton(AF_INET, ipv4[i].start, &address) == 1);
		table->ipv4_start[i] = ntohl(address.s_addr);
		table->ipv4_bits[i] = ipv4[i].bits;
		expect(inet_pton(AF_INET6, ipv6[i].start, table->ipv6_start[i]) == 1);
		table->ipv6_bits[i] = ipv6[i].bits;
	}
}

static void set_guard(struct relay *relay, const struct table *table)
{
	expect_equal(sidetrack_relay_set_guard(relay, (const uint8_t *)table, sizeof(*table)), 0);
}

/* Refuses "the Internet" of both families. */
static void set_denying(struct relay *relay)
{
	static const struct place_bits ipv4[] = {
		{ "0.0.0.0", DENIED }, { "1.0.0.0", 0 },
		{ "198.51.100.7", DENIED }, { "198.51.100.8", 0 },
	};
	static const struct place_bits ipv6[] = {
		{ "::", DENIED }, { "1::", 0 }, { "2001:db8::7", DENIED }, { "2001:db8::8", 0 },
	};
	struct table table;

	make_table(&table, ipv4, ipv6);
	set_guard(relay, &table);
}

/* Refuses nobody, but the client is this machine. */
static void set_own_client(struct relay *relay)
{
	static const struct place_bits ipv4[] = {
		{ "10.0.0.2", OWN }, { "10.0.0.3", 0 },
		{ "203.0.113.0", DENIED }, { "203.0.114.0", 0 },
	};
	static const struct place_bits ipv6[] = {
		{ "2001:db9::", DENIED }, { "2001:dba::", 0 }, { "fd00::2", OWN }, { "fd00::3", 0 },
	};
	struct table table;

	make_table(&table, ipv4, ipv6);
	set_guard(relay, &table);
}

static void set_open(struct relay *relay)
{
	struct sidetrack_relay_destinations none = { 0, 0 };

	expect_equal(sidetrack_relay_set_guard(relay, (const uint8_t *)&none, sizeof(none)), 0);
}

static struct relay *create(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;

	options.threads = 1;
	relay = sidetrack_relay_create((const uint8_t *)&options, sizeof(options));
	expect(relay);
	return relay;
}

static void expect_refused(struct relay *relay, int family, enum outcome outcome)
{
	uint64_t before = ended(relay, outcome);
	int client = client_connect(family, INTERNET, PORT);

	expect_reset(client);
	wait_for(ended(relay, outcome) == before + 1);
	expect_equal(last_record(relay).outcome, outcome);
	close(client);
}

static void expect_relayed(int family)
{
	struct pair pair = pair_open(family);

	send_pattern(pair.client, 0, 1000, 1000);
	expect_pattern(pair.upstream, 0, 1000, 1000);
	pair_close(&pair);
}

static void denied_destinations(void)
{
	struct relay *relay = create();
	int listener = upstream_listen(AF_INET);

	set_denying(relay);
	expect_equal(sidetrack_relay_start(relay), 0);
	expect_refused(relay, AF_INET, OUTCOME_DENIED);
	expect_refused(relay, AF_INET6, OUTCOME_DENIED);
	expect(!readable(listener, 50));	/* nobody was dialled */
	expect_equal(counters_of(relay).upstream[0].connections, 0);
	expect_equal(counters_of(relay).route[0].connections, 0);
	close(listener);
	finish(relay);
}

static void clients_of_our_own(void)
{
	struct relay *relay = create();

	set_own_client(relay);
	expect_equal(sidetrack_relay_start(relay), 0);
	expect_refused(relay, AF_INET, OUTCOME_LOOP);
	expect_refused(relay, AF_INET6, OUTCOME_LOOP);
	finish(relay);
}

/* Without a reload: what connections are open stays open. */
static void changes_for_newcomers(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	int client;

	set_denying(relay);
	expect_equal(sidetrack_relay_publish_guard(relay), 0);
	do {	/* until the threads have it */
		client = client_connect(AF_INET6, INTERNET, PORT);
		expect_reset(client);
		close(client);
	} while (ended(relay, OUTCOME_DENIED) < 20);
	expect_equal(status_of(relay).generations, 1);
	send_pattern(pair.client, 0, 1000, 1000);
	expect_pattern(pair.upstream, 0, 1000, 1000);
	pair_close(&pair);
	set_open(relay);
	expect_equal(sidetrack_relay_publish_guard(relay), 0);
	set_open(relay);
	expect_equal(sidetrack_relay_publish_guard(relay), 0);
	expect_equal(sidetrack_relay_publish_guard(relay), 0);	/* nothing has been set */
	wait_for(status_of(relay).active == 0);
	finish(relay);
}

/* With a reload, all or nothing. */
static void changes_with_a_generation(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = create();
	uint32_t truncated = 1;

	options.threads = 1;
	expect_equal(sidetrack_relay_start(relay), 0);
	expect_equal(sidetrack_relay_begin(relay, (const uint8_t *)&options, sizeof(options)), 0);
	set_denying(relay);
	options.strategy = STRATEGY_COUNT;
	expect_equal(sidetrack_relay_begin(relay, (const uint8_t *)&options, sizeof(options)), 0);
	expect_equal(sidetrack_relay_commit(relay), -EINVAL);
	expect_relayed(AF_INET);
	options.strategy = 0;
	expect_equal(sidetrack_relay_begin(relay, (const uint8_t *)&options, sizeof(options)), 0);
	set_denying(relay);
	expect_equal(sidetrack_relay_set_guard(relay, (const uint8_t *)&truncated,
					       sizeof(truncated)), -EINVAL);
	expect_equal(sidetrack_relay_commit(relay), 0);
	wait_for(status_of(relay).adopted == 1);
	expect_refused(relay, AF_INET, OUTCOME_DENIED);
	finish(relay);
}

/* --- IPv4 in IPv6 ----------------------------------------------------------------- */

/*
 * Linux does not send to a mapped address, nor take a packet from one, and a client that
 * does is not Linux.  So the client gets a namespace of its own ($1 is a process in it),
 * at whose border addresses are exchanged: 2001:db8:4::7 for ::ffff:198.51.100.7.
 */
static const char mapped_world[] =
	"set -e\n"
	"ip link add near type veth peer name far netns $1\n"
	"ip link set lo up\n"
	"ip link set near up\n"
	"ip address add 198.51.100.7/32 dev lo\n"
	"ip address add fd01::1/64 dev near nodad\n"
	"nft add table ip6 world\n"
	"nft add chain ip6 world nat '{ type nat hook prerouting priority -100; }'\n"
	"nft add rule ip6 world nat ip6 saddr fd01::2 meta l4proto tcp redirect to :12345\n"
	"nsenter --net=/proc/$1/ns/net sh -e <<'OTHER'\n"
	"ip link set far up\n"
	"ip address add fd01::2/64 dev far nodad\n"
	"ip -6 route add 2001:db8::/32 via fd01::1\n"
	"nft -f - <<'END'\n"
	"table ip6 world {\n"
	"	chain out {\n"
	"		type filter hook postrouting priority mangle\n"
	"		ip6 daddr 2001:db8:4::7 ip6 daddr set ::ffff:198.51.100.7\n"
	"	}\n"
	"}\n"
	"table netdev world {\n"
	"	chain in {\n"
	"		type filter hook ingress device far priority 0\n"
	"		ip6 saddr ::ffff:198.51.100.7 ip6 saddr set 2001:db8:4::7\n"
	"	}\n"
	"}\n"
	"END\n"
	"OTHER\n";

/* Return: a process in a network namespace of its own, which waits to be ended */
static pid_t other_namespace(void)
{
	int ready[2];
	pid_t child;
	char byte;

	expect(pipe(ready) == 0);
	child = fork();
	expect(child >= 0);
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	expect_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

static int socket_in(pid_t process)
{
	char path[64];
	int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC), there, fd;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", process);
	there = open(path, O_RDONLY | O_CLOEXEC);
	expect(here >= 0 && there >= 0);
	expect(setns(there, CLONE_NEWNET) == 0);
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	expect(fd >= 0);
	expect(setns(here, CLONE_NEWNET) == 0);
	close(here);
	close(there);
	return fd;
}

static void expect_mapped_refused(struct relay *relay, pid_t where, const char *address)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	uint64_t before = ended(relay, OUTCOME_DENIED);
	int client = socket_in(where);

	expect(inet_pton(AF_INET6, address, &to.sin6_addr) == 1);
	expect(connect(client, (struct sockaddr *)&to, sizeof(to)) == 0);
	wait_for(counters_of(relay).accepted_ipv6 == before + 1);
	wait_for(ended(relay, OUTCOME_DENIED) == before + 1);
	expect_reset(client);
	close(client);
}

static void mapped_destinations(void)
{
	struct sidetrack_relay_options options = default_options();
	pid_t client = other_namespace();
	char command[sizeof(mapped_world) + 64];
	struct relay *relay;

	expect(unshare(CLONE_NEWNET) == 0);
	snprintf(command, sizeof(command), "set -- %d\n%s", client, mapped_world);
	expect(system(command) == 0);
	options.threads = 1;
	relay = begin(&options);
	expect_mapped_refused(relay, client, "2001:db8:4::7");
	finish(relay);
	kill(client, SIGKILL);
	expect(waitpid(client, NULL, 0) == client);
}

static enum outcome judged(const char *client, const char *destination)
{
	struct endpoint from = { .port = 1024 }, to = { .port = 80 };

	expect(inet_pton(AF_INET6, client, &from.address) == 1);
	expect(inet_pton(AF_INET6, destination, &to.address) == 1);
	return guard_judge(NULL, &from, &to);	/* without a table */
}

static void families(void)
{
	expect_equal(judged("fd00::2", "::ffff:198.51.100.7"), OUTCOME_DENIED);
	expect_equal(judged("fd00::2", "::ffff:0.0.0.0"), OUTCOME_DENIED);
	expect_equal(judged("fd00::2", "::198.51.100.7"), OUTCOME_DENIED);
	expect_equal(judged("fd00::2", "::1"), OUTCOME_DENIED);
	expect_equal(judged("fd00::2", "::fffe:198.51.100.7"), OUTCOME_OPEN);
	expect_equal(judged("fd00::2", "0:0:0:1::198.51.100.7"), OUTCOME_OPEN);
	expect_equal(judged("fd00::2", "2001:db8::7"), OUTCOME_OPEN);
	expect_equal(judged("::ffff:10.0.0.2", "::ffff:198.51.100.7"), OUTCOME_OPEN);
}

const struct test guard_tests[] = {
	{ "guard: denied destinations", denied_destinations },
	{ "guard: clients of our own", clients_of_our_own },
	{ "guard: changes for newcomers", changes_for_newcomers },
	{ "guard: changes with a generation", changes_with_a_generation },
	{ "guard: mapped destinations of IPv6 clients", mapped_destinations },
	{ "guard: families of client and destination", families },
	{ NULL, NULL }
};
