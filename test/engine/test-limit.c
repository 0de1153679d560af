// SPDX-License-Identifier: MIT
/* Too much of everything, the beginning and the end of a relay. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"
#include "harness.h"
#include "world.h"

#define MIB (1024 * 1024ULL)

static double cpu_seconds(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static void set_descriptor_limit(rlim_t count)
{
	struct rlimit limit;

	expect(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = count;
	expect(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* Return: the limit with which not one more descriptor can be opened */
static rlim_t no_more_descriptors(void)
{
	int next = dup(0);

	expect(next >= 0);
	close(next);
	return (rlim_t)next;
}

static void fail_start(struct relay *relay, int error, const char *words)
{
	char text[SIDETRACK_RELAY_ERROR_LENGTH + 1] = { 0 };

	expect_equal(sidetrack_relay_start(relay), error);
	sidetrack_relay_read_error(relay, (uint8_t *)text, SIDETRACK_RELAY_ERROR_LENGTH);
	if (!strstr(text, words))
		fprintf(stderr, "  the error is: %s\n", text);
	expect(strstr(text, words));
	sidetrack_relay_destroy(relay);
}

/* SO_REUSEPORT must not let two relays of one user share a port unnoticed. */
static void port_in_use(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = begin(&options);

	fail_start(sidetrack_relay_create((uint8_t *)&options, sizeof(options)), -EADDRINUSE,
		   "12345");
	finish(relay);
}

static void foreign_address(void)
{
	struct sidetrack_relay_options options = default_options();
	struct sockaddr_in6 other = { .sin6_addr = { .s6_addr = { 0x20, 0x01, [15] = 1 } } };

	memcpy(options.address, &other.sin6_addr, sizeof(options.address));
	fail_start(sidetrack_relay_create((uint8_t *)&options, sizeof(options)), -EADDRNOTAVAIL,
		   "[2001::1]:12345");
}

/* From here on this process meets a kernel that was booted with ipv6.disable=1. */
static void forbid_ipv6_sockets(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = sizeof(filter) / sizeof(filter[0]), .filter = filter };

	expect(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	expect(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void no_ipv6(void)
{
	struct relay *relay;
	struct pair pair;

	forbid_ipv6_sockets();
	expect(socket(AF_INET6, SOCK_STREAM, 0) < 0 && errno == EAFNOSUPPORT);
	relay = begin_default();
	pair = pair_open(AF_INET);
	send_pattern(pair.client, 0, 100000, 100000);
	expect_pattern(pair.upstream, 0, 100000, 100000);
	expect_equal(counters_of(relay).accepted_ipv4, 1);
	pair_close(&pair);
	finish(relay);
}

static void other_version(void)
{
	struct sidetrack_relay_options options = default_options();

	expect(!sidetrack_relay_create((uint8_t *)&options, sizeof(options) - 4));
	options.abi_version++;
	expect(!sidetrack_relay_create((uint8_t *)&options, sizeof(options)));
}

static void lives(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = sidetrack_relay_create((uint8_t *)&options, sizeof(options));
	struct sidetrack_relay_status status;

	expect_equal(sidetrack_relay_destroy(relay), 0);	/* never started */
	options.port = 0;
	options.threads = 3;
	relay = begin(&options);
	expect_equal(sidetrack_relay_start(relay), -EALREADY);
	expect_equal(sidetrack_relay_read_status(relay, (uint8_t *)&status, sizeof(status)), 0);
	expect(status.port != 0);
	expect_equal(status.threads, 3);
	expect_equal(sidetrack_relay_read_counters(relay, 3, NULL, 0), -EINVAL);
	expect_equal(sidetrack_relay_stop(relay), 0);
	expect_equal(sidetrack_relay_stop(relay), 0);
	expect_equal(sidetrack_relay_drain(relay, 1), -EALREADY);
	finish(relay);
}

/* Stalled directions take all the pipes; the others copy. */
static void pipes_run_out(void)
{
	enum { FLOWS = 8 };
	struct sidetrack_relay_options options = default_options();
	int listener = upstream_listen(AF_INET);
	int client[FLOWS], upstream[FLOWS];
	uint64_t sent[FLOWS];
	struct relay *relay;
	int i;

	options.threads = 1;
	options.pipes_per_thread = 2;
	relay = begin(&options);
	for (i = 0; i < FLOWS; i++) {
		client[i] = client_connect(AF_INET, INTERNET, PORT);
		upstream[i] = take(listener);
		sent[i] = send_pattern_until_full(client[i]);
	}
	expect_equal(counters_of(relay).pipes, 2);
	for (i = 0; i < FLOWS; i++) {
		expect_pattern(upstream[i], 0, sent[i], 100000);
		close(client[i]);
		expect_end(upstream[i]);
		close(upstream[i]);
	}
	close(listener);
	wait_for(ended(relay, OUTCOME_FINISHED) == FLOWS);
	finish(relay);
}

/* No descriptors for a pipe: bulk is copied and nobody notices. */
static void no_pipes(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	int i;

	set_descriptor_limit(no_more_descriptors());
	for (i = 0; i < 64; i++) {
		send_pattern(pair.client, 100000 * (uint64_t)i, 100000, 100000);
		expect_pattern(pair.upstream, 100000 * (uint64_t)i, 100000, 100000);
	}
	set_descriptor_limit(1024);
	expect(counters_of(relay).pipe_failures >= 1);
	expect_equal(counters_of(relay).mode_bytes[MODE_SPLICE], 0);
	pair_close(&pair);
	finish(relay);
}

/* The clients of another process: they need descriptors too. */
static pid_t clients_elsewhere(int count)
{
	pid_t child = fork();
	int client[64];
	int i;

	if (child)
		return child;
	set_descriptor_limit(1024);
	for (i = 0; i < count; i++)
		client[i] = client_connect(AF_INET, INTERNET, PORT);
	for (i = 0; i < count; i++)
		expect(readable(client[i], TIMEOUT_MS));
	_exit(0);
}

/* No descriptors for newcomers: they wait, nothing spins, and then they are served. */
static void descriptors_run_out(void)
{
	enum { CLIENTS = 10 };
	struct sidetrack_relay_options options = default_options();
	int listener = upstream_listen(AF_INET);
	struct relay *relay;
	int status, left, i;
	double before;
	pid_t child;

	options.threads = 1;
	relay = begin(&options);
	set_descriptor_limit(no_more_descriptors() + 1);
	child = clients_elsewhere(CLIENTS);
	wait_for(counters_of(relay).paused_descriptors >= 2);
	before = cpu_seconds();
	wait_for(counters_of(relay).paused_descriptors >= 4);
	expect(cpu_seconds() - before < 0.5);
	set_descriptor_limit(1024);
	/* whoever found one descriptor but not the second has been reset */
	wait_for(counters_of(relay).accepted_ipv4 == CLIENTS);
	left = CLIENTS - (int)ended(relay, OUTCOME_NO_DESCRIPTORS);
	expect(left > 0);
	for (i = 0; i < left; i++)
		close(take(listener));
	expect(waitpid(child, &status, 0) == child && status == 0);
	wait_for(counters_of(relay).active == 0);
	close(listener);
	finish(relay);
}

static void connections_run_out(void)
{
	struct sidetrack_relay_options options = default_options();
	int listener = upstream_listen(AF_INET);
	int client[3], upstream[3];
	struct relay *relay;
	int i;

	options.max_connections = 2;
	relay = begin(&options);
	for (i = 0; i < 3; i++)
		client[i] = client_connect(AF_INET, INTERNET, PORT);
	upstream[0] = take(listener);
	upstream[1] = take(listener);
	wait_for(counters_of(relay).paused_connections >= 3);
	expect(!readable(listener, 0));
	expect_equal(counters_of(relay).active, 2);
	close(upstream[0]);
	close(upstream[1]);
	for (i = 0; i < 3; i++)		/* two end, the third is served */
		shutdown(client[i], SHUT_WR);
	upstream[2] = take(listener);
	close(upstream[2]);
	for (i = 0; i < 3; i++)
		expect_end(client[i]);
	for (i = 0; i < 3; i++)
		close(client[i]);
	close(listener);
	wait_for(ended(relay, OUTCOME_FINISHED) == 3);
	finish(relay);
}

static void drain_lets_finish(void)
{
	struct sidetrack_relay_options options = default_options();
	struct sidetrack_relay_counters counters;
	struct relay *relay;
	struct pair pair;
	int late;

	options.read_ahead = 0;		/* 4 MiB are to find room while nobody reads */
	relay = begin(&options);
	pair = pair_open(AF_INET);
	expect_equal(sidetrack_relay_drain(relay, 20000), 0);
	late = client_begin(AF_INET, INTERNET, PORT);
	wait_for((reset(late), late = client_begin(AF_INET, INTERNET, PORT),
		  recv(late, &(char){ 0 }, 1, 0) < 0 && errno == ECONNREFUSED));
	close(late);
	send_pattern(pair.client, 0, 4 * MIB, 64 << 10);
	shutdown(pair.client, SHUT_WR);
	expect_pattern(pair.upstream, 0, 4 * MIB, 64 << 10);
	expect_end(pair.upstream);
	write_all(pair.upstream, "!", 1);
	expect_equal(sidetrack_relay_drained(relay), 0);
	pair_close(&pair);
	wait_for(sidetrack_relay_drained(relay));
	expect_equal(sidetrack_relay_active(relay), 0);
	counters = counters_of(relay);
	expect_equal(counters.upload_bytes, 4 * MIB);
	finish(relay);
}

static void drain_has_a_deadline(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);

	expect_equal(sidetrack_relay_drain(relay, 200), 0);
	expect_reset(pair.client);
	expect_reset(pair.upstream);
	wait_for(sidetrack_relay_active(relay) == 0);
	expect_equal(ended(relay, OUTCOME_DRAINED), 1);
	pair_close(&pair);
	finish(relay);
}

static void stop_resets(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);

	expect_equal(sidetrack_relay_stop(relay), 0);
	expect_reset(pair.client);
	expect_reset(pair.upstream);
	expect_equal(ended(relay, OUTCOME_DRAINED), 1);
	pair_close(&pair);
	finish(relay);
}

/* Bursts that come and go, some of them rudely. */
static void bursts(void)
{
	enum { ROUNDS = 20, SIZE = 100 };
	struct relay *relay = begin_default();
	int listener = upstream_listen(AF_INET);
	int client[SIZE];
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < SIZE; i++)
			client[i] = client_begin(AF_INET, INTERNET, PORT);
		for (i = 0; i < SIZE; i++) {
			int upstream = take(listener);

			if (i % 3)
				close(upstream);
			else
				reset(upstream);
		}
		for (i = 0; i < SIZE; i++) {
			if (i % 2)
				close(client[i]);
			else
				reset(client[i]);
		}
		wait_for(counters_of(relay).active == 0);
	}
	expect_equal(counters_of(relay).accepted_ipv4, ROUNDS * SIZE);
	close(listener);
	finish(relay);
}

/* Sockets connected to 198.51.100.7:8080 whose keep-alive timer runs: proc(5), tcp_timer "02". */
static int probing_sockets(void)
{
	FILE *table = fopen("/proc/net/tcp", "r");
	char line[512], remote[32];
	unsigned int state, timer;
	int count = 0;

	expect(table);
	while (fgets(line, sizeof(line), table))
		if (sscanf(line, "%*s %*s %31s %x %*s %x:", remote, &state, &timer) == 3 &&
		    strcmp(remote, "076433C6:1F90") == 0 && timer == 2)
			count++;
	fclose(table);
	return count;
}

/* Short connections are spared the system calls; long ones must not lose a dead upstream. */
static void keepalive(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);

	expect_equal(probing_sockets(), 0);
	wait_for(probing_sockets() == 1);
	send_pattern(pair.client, 0, 100, 100);
	expect_pattern(pair.upstream, 0, 100, 100);
	pair_close(&pair);
	finish(relay);
}

static uint16_t local_port(int fd)
{
	struct sockaddr_in6 address;
	socklen_t length = sizeof(address);

	expect(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
	return ntohs(address.sin6_port);
}

/* Return: seconds until the client of the newest connection is probed; 0 for never */
static unsigned int seconds_to_client_probe(uint16_t client_port)
{
	FILE *table = fopen("/proc/net/tcp6", "r");
	unsigned int local, remote, timer, when, seconds = 0;
	char line[512];

	expect(table);
	while (fgets(line, sizeof(line), table))
		if (sscanf(line, "%*s %*32[0-9A-F]:%x %*32[0-9A-F]:%x %*x %*s %x:%x", &local, &remote,
			   &timer, &when) == 4 && local == RELAY_PORT && remote == client_port &&
		    timer == 2)
			seconds = when / 100;	/* USER_HZ */
	fclose(table);
	return seconds;
}

/* Who has ended and only waits keeps nobody out for long; while there is room it may wait. */
static void half_closed_make_room(void)
{
	struct sidetrack_relay_options options = default_options();
	struct pair waiting[2], newcomer;
	struct relay *relay;

	options.threads = 1;
	options.max_connections = 2;
	options.half_close_timeout_ms = 45000;	/* a second and a half when full */
	relay = begin(&options);
	waiting[0] = pair_open(AF_INET);
	shutdown(waiting[0].client, SHUT_WR);
	expect_end(waiting[0].upstream);
	expect(!readable(waiting[0].client, 2000));
	waiting[1].client = client_connect(AF_INET, INTERNET, PORT);
	waiting[1].upstream = take(waiting[0].listener);
	newcomer.client = client_connect(AF_INET, INTERNET, PORT);
	expect_reset(waiting[0].client);
	newcomer.upstream = take(waiting[0].listener);
	send_pattern(newcomer.client, 0, 1000, 1000);
	expect_pattern(newcomer.upstream, 0, 1000, 1000);
	send_pattern(waiting[1].client, 0, 1000, 1000);	/* had ended nothing */
	expect_pattern(waiting[1].upstream, 0, 1000, 1000);
	expect_equal(ended(relay, OUTCOME_HALF_CLOSE_TIMEOUT), 1);
	close(waiting[1].client);
	close(waiting[1].upstream);
	close(newcomer.client);
	close(newcomer.upstream);
	pair_close(&waiting[0]);
	finish(relay);
}

/* As often as the options say, for those who come after a reload as well. */
static void keepalive_of_clients(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay = begin(&options);
	struct pair pair = pair_open(AF_INET6);

	wait_for(seconds_to_client_probe(local_port(pair.client)) > 1700);
	expect(seconds_to_client_probe(local_port(pair.client)) <= 1800);
	pair_close(&pair);
	options.keepalive_s = 0;
	expect_equal(sidetrack_relay_begin(relay, (const uint8_t *)&options, sizeof(options)), 0);
	expect_equal(sidetrack_relay_commit(relay), 0);
	pair = pair_open(AF_INET6);
	send_pattern(pair.client, 0, 100, 100);
	expect_pattern(pair.upstream, 0, 100, 100);
	expect_equal(seconds_to_client_probe(local_port(pair.client)), 0);
	pair_close(&pair);
	finish(relay);
}

const struct test limit_tests[] = {
	{ "limit: keep-alive of clients", keepalive_of_clients },
	{ "limit: half-closed make room", half_closed_make_room },
	{ "limit: port in use", port_in_use },
	{ "limit: foreign address", foreign_address },
	{ "limit: no IPv6 in the kernel", no_ipv6 },
	{ "limit: other version", other_version },
	{ "limit: a relay's life", lives },
	{ "limit: pipes run out", pipes_run_out },
	{ "limit: no pipes at all", no_pipes },
	{ "limit: descriptors run out", descriptors_run_out },
	{ "limit: connections run out", connections_run_out },
	{ "limit: drain lets connections finish", drain_lets_finish },
	{ "limit: drain has a deadline", drain_has_a_deadline },
	{ "limit: stop resets", stop_resets },
	{ "limit: keep-alive of lasting connections", keepalive },
	{ "limit: bursts", bursts },
	{ NULL, NULL }
};
