// SPDX-License-Identifier: MIT
/* What lasts long, comes in masses, or ends the relay without a word. */
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "check.h"
#include "harness.h"
#include "proxied.h"
#include "world.h"

#define MIB (1024 * 1024ULL)

/* Return: the number behind @word in @path */
static uint64_t number_in(const char *path, const char *word)
{
	FILE *file = fopen(path, "r");
	char line[256];
	const char *at = NULL;

	expect(file);
	while (!at && fgets(line, sizeof(line), file))
		at = strstr(line, word);
	fclose(file);
	expect(at);
	return strtoull(at + strlen(word), NULL, 10);
}

static uint64_t own_bytes(void)
{
	return number_in("/proc/self/status", "RssAnon:") * 1024;
}

/* Return: the third number in @path, a triple like tcp_rmem */
static uint64_t most_in(const char *path)
{
	unsigned long long most = 0;
	FILE *file = fopen(path, "r");

	expect(file && fscanf(file, "%*u %*u %llu", &most) == 1);
	fclose(file);
	return most;
}

/* Return: bytes that the kernel may hold between one sender and one receiver */
static uint64_t socket_buffers(void)
{
	return most_in("/proc/sys/net/ipv4/tcp_rmem") + most_in("/proc/sys/net/ipv4/tcp_wmem");
}

struct sender {
	int fd;
	uint64_t length;
};

static void *sender_run(void *argument)
{
	struct sender *sender = argument;

	send_pattern(sender->fd, 0, sender->length, 128 << 10);
	shutdown(sender->fd, SHUT_WR);
	return NULL;
}

/* 1 GiB behind a reader that stops again and again: what is held does not grow. */
static void slow_reader(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	struct sender sender = { pair.upstream, 1024 * MIB };
	uint64_t before, at, stalls;
	pthread_t thread;

	expect(pthread_create(&thread, NULL, sender_run, &sender) == 0);
	expect_pattern(pair.client, 0, 64 * MIB, 256 << 10);
	before = own_bytes();
	for (at = 64 * MIB; at < sender.length; at += 64 * MIB) {
		stalls = counters_of(relay).stalls;
		expect_pattern(pair.client, at, 64 * MIB, 256 << 10);
		wait_for(counters_of(relay).stalls > stalls || at + 64 * MIB >= sender.length);
		expect(own_bytes() < before + 64 * MIB);
		/* delivered and not read: that is with the kernel */
		expect(counters_of(relay).download_bytes - at - 64 * MIB <= socket_buffers());
		expect(counters_of(relay).pipes <= 4);
	}
	expect_end(pair.client);
	pthread_join(thread, NULL);
	pair_close(&pair);
	finish(relay);
}

/* --- pipes ---------------------------------------------------------------------------- */

/* The quota is of users, not of root. */
static void become_nobody(void)
{
	/* in a user namespace we are nobody special already, and there is no other user */
	(void)!setresgid(65534, 65534, 65534);
	(void)!setresuid(65534, 65534, 65534);
	expect(prctl(PR_SET_DUMPABLE, 1) == 0);		/* for the look at /proc/self */
}

/* Return: pipes opened until fs.pipe-user-pages-soft lets none grow any more */
static int use_up_pipes(int (*pipes)[2], int most)
{
	int count;

	for (count = 0; count < most; count++) {
		expect(pipe(pipes[count]) == 0);
		if (fcntl(pipes[count][1], F_SETPIPE_SZ, 1 << 20) < 0 &&
		    fcntl(pipes[count][1], F_GETPIPE_SZ) < 65536)
			return count + 1;
	}
	return 0;
}

static void pipe_quota_exhausted(void)
{
	enum { MOST = 2000 };
	static int pipes[MOST][2];
	struct relay *relay;
	struct pair pair;
	int count, i;

	become_nobody();
	count = use_up_pipes(pipes, MOST);
	expect(count > 0);
	relay = begin_default();
	pair = pair_open(AF_INET);
	for (i = 0; i < 64; i++) {
		send_pattern(pair.client, 200000 * (uint64_t)i, 200000, 200000);
		expect_pattern(pair.upstream, 200000 * (uint64_t)i, 200000, 200000);
	}
	expect(counters_of(relay).pipe_failures >= 1);
	expect_equal(counters_of(relay).mode_bytes[MODE_SPLICE], 0);
	expect_equal(counters_of(relay).pipes, 0);
	while (count--) {
		close(pipes[count][0]);
		close(pipes[count][1]);
	}
	pair_close(&pair);
	finish(relay);
}

/* --- the end without a word ------------------------------------------------------------ */

/* Return: a process that relays until it is killed */
static pid_t relay_elsewhere(void)
{
	int ready[2];
	pid_t child;

	expect(pipe(ready) == 0);
	child = fork();
	if (child == 0) {
		begin_default();
		expect(write(ready[1], "r", 1) == 1);
		for (;;)
			pause();
	}
	expect(child > 0);
	expect_equal(read(ready[0], &(char){ 0 }, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

/* Killed in the middle, and with nothing under way: an end would look like a whole answer. */
static void killed(void)
{
	pid_t child = relay_elsewhere();
	struct pair busy = pair_open(AF_INET), idle = pair_open(AF_INET6);
	struct relay *relay;
	ssize_t now;
	char bytes[4096];

	send_pattern(idle.upstream, 0, 1000, 1000);
	expect_pattern(idle.client, 0, 1000, 1000);
	expect(send_pattern_until_full(busy.upstream) > 0);
	expect_pattern(busy.client, 0, 100000, 100000);
	kill(child, SIGKILL);
	expect(waitpid(child, NULL, 0) == child);

	while ((now = recv(busy.client, bytes, sizeof(bytes), 0)) > 0)
		;
	expect(now < 0 && errno == ECONNRESET);
	expect_reset(idle.client);
	expect_reset(idle.upstream);
	pair_close(&busy);
	pair_close(&idle);

	/* and the next one serves at once */
	relay = begin_default();
	busy = pair_open(AF_INET);
	send_pattern(busy.client, 0, 100000, 100000);
	expect_pattern(busy.upstream, 0, 100000, 100000);
	pair_close(&busy);
	finish(relay);
}

/* --- masses ----------------------------------------------------------------------------- */

/* 10 000 connections in bursts; in every third somebody is rude. */
static void bursts(void)
{
	enum { ROUNDS = 20, SIZE = 500 };
	struct relay *relay = begin_default();
	int listener = upstream_listen(AF_INET);
	static int client[SIZE], upstream[SIZE];
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < SIZE; i++)
			client[i] = client_begin(AF_INET, INTERNET, PORT);
		for (i = 0; i < SIZE; i++)
			upstream[i] = take(listener);
		wait_for(counters_of(relay).active == SIZE);
		for (i = 0; i < SIZE; i++)
			send_pattern(upstream[i], 0, 2000, 2000);
		for (i = 0; i < SIZE; i++) {
			set_blocking(client[i], true);
			expect_pattern(client[i], 0, 2000, 2000);
		}
		for (i = 0; i < SIZE; i++) {
			(i % 3 ? (void)close(upstream[i]) : reset(upstream[i]));
			(i % 2 ? (void)close(client[i]) : reset(client[i]));
		}
		wait_for(counters_of(relay).active == 0);
	}
	expect_equal(counters_of(relay).accepted_ipv4, ROUNDS * SIZE);
	expect(counters_of(relay).pipes <= 8);
	close(listener);
	finish(relay);
}

/* Return: false if nobody is there any more; who is let in is served to the last byte */
static bool visit(void)
{
	struct {
		uint64_t length;
		unsigned char bytes[5000];
	} question = { .length = sizeof(question.bytes) };
	int fd = client_begin(AF_INET, INTERNET, PORT);
	bool served;

	pattern_fill(question.bytes, 0, sizeof(question.bytes));
	set_blocking(fd, true);
	served = send(fd, &question, sizeof(question), MSG_NOSIGNAL) > 0 &&
		 shutdown(fd, SHUT_WR) == 0 && recv(fd, question.bytes, 1, MSG_PEEK) > 0;
	/* reset: it came when the door was open and nobody stood there any more */
	expect(served || errno == ECONNREFUSED || errno == ECONNRESET ||
	       errno == ENOTCONN);
	if (served)
		expect_pattern(fd, 0, sizeof(question.bytes), 1000);
	if (served)
		expect_end(fd);
	close(fd);
	return served;
}

/* Clients that connect as fast as they can while the relay closes its door. */
static void *knock(void *argument)
{
	int *served = argument;

	while (visit())
		__atomic_add_fetch(served, 1, __ATOMIC_RELAXED);
	return NULL;
}

struct answerer {
	int listener;
	int answered;
};

static void *answer(void *argument)
{
	struct answerer *answerer = argument;
	uint64_t length;
	int fd;

	while ((fd = accept(answerer->listener, NULL, NULL)) >= 0) {
		expect_equal(recv(fd, &length, sizeof(length), MSG_WAITALL), sizeof(length));
		expect_pattern(fd, 0, length, 1000);
		expect_end(fd);
		send_pattern(fd, 0, length, 1000);
		close(fd);
		answerer->answered++;
	}
	return NULL;
}

static void drain_under_load(void)
{
	enum { CLIENTS = 8 };
	struct relay *relay = begin_default();
	struct answerer answerer = { upstream_listen(AF_INET), 0 };
	pthread_t clients[CLIENTS], server;
	int served = 0, i;

	expect(pthread_create(&server, NULL, answer, &answerer) == 0);
	for (i = 0; i < CLIENTS; i++)
		expect(pthread_create(&clients[i], NULL, knock, &served) == 0);
	wait_for(__atomic_load_n(&served, __ATOMIC_RELAXED) > 200);
	expect_equal(sidetrack_relay_drain(relay, 60000), 0);
	for (i = 0; i < CLIENTS; i++)
		pthread_join(clients[i], NULL);
	wait_for(sidetrack_relay_drained(relay));
	expect_equal(counters_of(relay).accepted_ipv4, served);
	expect_equal(ended(relay, OUTCOME_FINISHED), served);
	shutdown(answerer.listener, SHUT_RDWR);
	pthread_join(server, NULL);
	expect_equal(answerer.answered, served);
	close(answerer.listener);
	finish(relay);
}

const struct test endure_tests[] = {
	{ "endure: slow reader with 1 GiB behind it", slow_reader },
	{ "endure: killed", killed },
	{ "endure: 10000 connections in bursts", bursts },
	{ "endure: drain under load", drain_under_load },
	{ NULL, NULL }
};

const struct test exhaust_tests[] = {
	{ "exhaust: pipe quota of the user", pipe_quota_exhausted },
	{ NULL, NULL }
};
