// SPDX-License-Identifier: MIT
/* Bytes: all of them, in order, both ways, and the end of them. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "check.h"
#include "harness.h"
#include "world.h"

#define MIB (1024 * 1024ULL)

struct stream {
	int fd;
	uint64_t length;
	size_t chunk;
};

static void *stream_send(void *argument)
{
	struct stream *stream = argument;

	send_pattern(stream->fd, 0, stream->length, stream->chunk);
	shutdown(stream->fd, SHUT_WR);
	return NULL;
}

static void *stream_expect(void *argument)
{
	struct stream *stream = argument;

	expect_pattern(stream->fd, 0, stream->length, stream->chunk);
	expect_end(stream->fd);
	return NULL;
}

/* One way from a thread, the other end here. */
static void io(int from, int to, uint64_t length, size_t chunk)
{
	struct stream out = { from, length, chunk }, in = { to, length, chunk };
	pthread_t sender;

	expect(pthread_create(&sender, NULL, stream_send, &out) == 0);
	stream_expect(&in);
	pthread_join(sender, NULL);
}

static void echo(int family)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(family);
	char text[8] = { 0 };

	write_all(pair.client, "hello", 5);
	expect_equal(recv(pair.upstream, text, 5, MSG_WAITALL), 5);
	expect(strcmp(text, "hello") == 0);
	write_all(pair.upstream, "world", 5);
	expect_equal(recv(pair.client, text, 5, MSG_WAITALL), 5);
	expect(strcmp(text, "world") == 0);
	expect_equal(counters_of(relay).active, 1);
	expect_equal(counters_of(relay).pipes, 0);
	pair_close(&pair);
	wait_for(ended(relay, OUTCOME_FINISHED) == 1);
	finish(relay);
}

static void echo_ipv4(void)
{
	echo(AF_INET);
}

static void echo_ipv6(void)
{
	echo(AF_INET6);
}

/* What the kernel answered for SO_ORIGINAL_DST is what people get to see. */
static void shows_original_destination(void)
{
	struct sidetrack_relay_options options = default_options();
	struct sidetrack_relay_record record;
	struct in6_addr address;
	struct relay *relay;
	struct pair pair;

	options.threads = 1;
	relay = begin(&options);
	pair = pair_open(AF_INET);
	record = last_record(relay);
	expect_equal(record.outcome, OUTCOME_OPEN);
	inet_pton(AF_INET6, "::ffff:198.51.100.7", &address);
	expect(memcmp(record.destination, &address, 16) == 0);
	expect_equal(record.destination_port, PORT);
	inet_pton(AF_INET6, "::ffff:10.0.0.2", &address);
	expect(memcmp(record.client, &address, 16) == 0);
	expect(record.client_port != 0);
	write_all(pair.client, "12345", 5);
	expect(readable(pair.upstream, TIMEOUT_MS));
	pair_close(&pair);
	wait_for(last_record(relay).outcome != OUTCOME_OPEN);
	expect_equal(last_record(relay).upload_bytes, 5);

	pair = pair_open(AF_INET6);
	wait_for(counters_of(relay).accepted_ipv6 == 1);
	record = last_record(relay);
	inet_pton(AF_INET6, "2001:db8::7", &address);
	expect(memcmp(record.destination, &address, 16) == 0);
	pair_close(&pair);
	finish(relay);
}

static void bulk(int family, bool splice, bool upload)
{
	struct sidetrack_relay_options options = default_options();
	struct sidetrack_relay_counters counters;
	struct relay *relay;
	struct pair pair;

	options.splice = splice;
	relay = begin(&options);
	pair = pair_open(family);
	if (upload)
		io(pair.client, pair.upstream, 64 * MIB, 256 << 10);
	else
		io(pair.upstream, pair.client, 64 * MIB, 256 << 10);
	counters = counters_of(relay);
	expect_equal(upload ? counters.upload_bytes : counters.download_bytes, 64 * MIB);
	expect_equal(counters.mode_bytes[MODE_COPY] + counters.mode_bytes[MODE_SPLICE], 64 * MIB);
	expect(splice ? counters.mode_bytes[MODE_SPLICE] > 60 * MIB : counters.mode_bytes[MODE_SPLICE] == 0);
	pair_close(&pair);
	finish(relay);
}

static void bulk_spliced_upload(void)
{
	bulk(AF_INET, true, true);
}

static void bulk_spliced_download_ipv6(void)
{
	bulk(AF_INET6, true, false);
}

static void bulk_copied_upload(void)
{
	bulk(AF_INET, false, true);
}

static void bulk_copied_download(void)
{
	bulk(AF_INET, false, false);
}

static void bulk_both_ways(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	struct stream stream[2] = { { pair.client, 48 * MIB, 100001 },
				    { pair.upstream, 48 * MIB, 77777 } };
	pthread_t thread[3];

	pthread_create(&thread[0], NULL, stream_send, &stream[0]);
	pthread_create(&thread[1], NULL, stream_send, &stream[1]);
	pthread_create(&thread[2], NULL, stream_expect, &stream[0]);
	stream_expect(&stream[1]);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	pthread_join(thread[2], NULL);
	wait_for(ended(relay, OUTCOME_FINISHED) == 1);
	pair_close(&pair);
	finish(relay);
}

static void single_bytes(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);

	io(pair.client, pair.upstream, 20000, 1);
	io(pair.upstream, pair.client, 20000, 1);
	pair_close(&pair);
	finish(relay);
}

/* From small to bulk and back, in one direction: no byte lost at a change of mode. */
static void changes_of_mode(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	uint64_t at = 0;
	int round, i;

	for (round = 0; round < 5; round++) {
		for (i = 0; i < 50; i++, at += 100) {
			send_pattern(pair.client, at, 100, 100);
			expect_pattern(pair.upstream, at, 100, 100);
		}
		for (i = 0; i < 20; i++, at += 150000) {
			send_pattern(pair.client, at, 150000, 150000);
			expect_pattern(pair.upstream, at, 150000, 150000);
		}
	}
	expect(counters_of(relay).mode_changes[MODE_SPLICE] >= 1);
	expect(counters_of(relay).mode_changes[MODE_COPY] >= 1);
	expect_equal(counters_of(relay).upload_bytes, at);
	pair_close(&pair);
	finish(relay);
}

/* The client says FIN first and still gets its whole answer: ssh, rsync, netcat. */
static void half_close_by_client(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);

	write_all(pair.client, "?", 1);
	shutdown(pair.client, SHUT_WR);
	expect_equal(recv(pair.upstream, &(char){ 0 }, 1, 0), 1);
	expect_end(pair.upstream);
	expect_equal(sidetrack_relay_active(relay), 1);
	io(pair.upstream, pair.client, 16 * MIB, 64 << 10);
	wait_for(ended(relay, OUTCOME_FINISHED) == 1);
	pair_close(&pair);
	finish(relay);
}

static void half_close_by_upstream(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET6);

	shutdown(pair.upstream, SHUT_WR);
	expect_end(pair.client);
	io(pair.client, pair.upstream, 16 * MIB, 64 << 10);
	wait_for(ended(relay, OUTCOME_FINISHED) == 1);
	pair_close(&pair);
	finish(relay);
}

/* FIN right behind the bytes, and the receiver looks only later. */
static void end_waits_for_slow_reader(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	uint64_t sent = send_pattern_until_full(pair.upstream);

	shutdown(pair.upstream, SHUT_WR);
	expect_pattern(pair.client, 0, sent, 1000);
	expect_end(pair.client);
	pair_close(&pair);
	finish(relay);
}

/* What the client says before the upstream is there is neither lost nor early. */
static void client_speaks_before_upstream_answers(void)
{
	struct relay *relay = begin_default();
	int listener = upstream_listen(AF_INET);
	int client = client_connect(AF_INET, INTERNET, PORT);
	int upstream;

	send_pattern(client, 0, 5000, 5000);
	shutdown(client, SHUT_WR);
	upstream = take(listener);
	expect_pattern(upstream, 0, 5000, 5000);
	expect_end(upstream);
	write_all(upstream, "!", 1);
	close(upstream);
	expect_equal(recv(client, &(char){ 0 }, 1, 0), 1);
	expect_end(client);
	close(client);
	close(listener);
	wait_for(ended(relay, OUTCOME_FINISHED) == 1);
	expect_equal(histogram_count(&counters_of(relay).histogram[HISTOGRAM_connect]), 1);
	expect_equal(histogram_count(&counters_of(relay).histogram[HISTOGRAM_first_byte]), 1);
	expect_equal(histogram_count(&counters_of(relay).histogram[HISTOGRAM_lifetime]), 1);
	finish(relay);
}

/* What the kernel may hold between two sockets: tcp_rmem and tcp_wmem, tcp(7). */
static uint64_t socket_buffers(void)
{
	static const char *const path[] = { "/proc/sys/net/ipv4/tcp_rmem",
					    "/proc/sys/net/ipv4/tcp_wmem" };
	uint64_t sum = 0, most;
	size_t i;

	for (i = 0; i < 2; i++) {
		FILE *file = fopen(path[i], "re");

		expect(file && fscanf(file, "%*u %*u %" SCNu64, &most) == 1);
		fclose(file);
		sum += most;
	}
	return sum;
}

/* A sender far ahead of its receiver is held back, and nothing is lost. */
static void back_pressure(bool splice)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	struct pair pair;
	uint64_t sent;

	options.splice = splice;
	options.read_ahead = 0;		/* 8 MiB are to find room while nobody reads */
	relay = begin(&options);
	pair = pair_open(AF_INET);
	send_pattern(pair.client, 0, 8 * MIB, 64 << 10);
	expect_pattern(pair.upstream, 0, 8 * MIB, 64 << 10);
	sent = send_pattern_until_full(pair.client);
	/* socket buffers of both legs and one pipe, not more */
	expect(sent < 2 * socket_buffers() + 2 * MIB);
	expect(counters_of(relay).pipes <= 2);
	expect(counters_of(relay).stalls >= 1);
	expect_equal(sidetrack_relay_active(relay), 1);
	expect_pattern(pair.upstream, 0, sent, 3000);
	send_pattern(pair.client, sent, 1 * MIB, 64 << 10);
	expect_pattern(pair.upstream, sent, 1 * MIB, 64 << 10);
	pair_close(&pair);
	finish(relay);
}

static void back_pressure_spliced(void)
{
	back_pressure(true);
}

static void back_pressure_copied(void)
{
	back_pressure(false);
}

/* An urgent byte blocks splice() in the kernel; it must not block us. */
static void urgent_data(void)
{
	struct sidetrack_relay_options options = default_options();
	uint64_t at = 8 * MIB;
	unsigned char byte = 'U', got;
	struct relay *relay;
	struct pair pair;
	int i;

	options.read_ahead = 0;		/* 8 MiB are to find room while nobody reads */
	relay = begin(&options);
	pair = pair_open(AF_INET);
	send_pattern(pair.client, 0, at, 64 << 10);	/* so that it splices */
	expect_pattern(pair.upstream, 0, at, 64 << 10);
	for (i = 0; i < 10; i++) {
		send_pattern(pair.client, at, 70000, 70000);
		expect_equal(send(pair.client, &byte, 1, MSG_OOB), 1);
		expect_pattern(pair.upstream, at, 70000, 70000);
		expect_equal(recv(pair.upstream, &got, 1, 0), 1);
		expect_equal(got, byte);
		at += 70000;
	}
	pair_close(&pair);
	finish(relay);
}

struct flow {
	int listener;
	unsigned int seed;
};

static void *flow_run(void *argument)
{
	struct flow *flow = argument;
	uint64_t length = (uint64_t)rand_r(&flow->seed) % (3 * MIB) + 1;
	int client = client_connect(AF_INET, INTERNET, PORT);

	/* whichever upstream socket we get: all of them echo */
	write_all(client, &length, sizeof(length));
	send_pattern(client, 0, length, 1 + (size_t)rand_r(&flow->seed) % 100000);
	shutdown(client, SHUT_WR);
	expect_pattern(client, 0, length, 1 + (size_t)rand_r(&flow->seed) % 100000);
	expect_end(client);
	close(client);
	return NULL;
}

/* Takes one connection, swallows the stream, then sends the same back. */
static void *flow_answer(void *argument)
{
	struct flow *flow = argument;
	int fd = take(flow->listener);
	uint64_t length;

	expect_equal(recv(fd, &length, sizeof(length), MSG_WAITALL), sizeof(length));
	expect_pattern(fd, 0, length, 30000);
	expect_end(fd);
	send_pattern(fd, 0, length, 50000);
	close(fd);
	return NULL;
}

static void many_flows(void)
{
	enum { FLOWS = 100 };
	struct relay *relay = begin_default();
	int listener = upstream_listen(AF_INET);
	pthread_t thread[2][FLOWS];
	struct flow flow[FLOWS];
	int i;

	for (i = 0; i < FLOWS; i++) {
		flow[i] = (struct flow){ listener, (unsigned int)i };
		expect(pthread_create(&thread[0][i], NULL, flow_answer, &flow[i]) == 0);
	}
	for (i = 0; i < FLOWS; i++)
		expect(pthread_create(&thread[1][i], NULL, flow_run, &flow[i]) == 0);
	for (i = 0; i < FLOWS; i++) {
		pthread_join(thread[0][i], NULL);
		pthread_join(thread[1][i], NULL);
	}
	wait_for(ended(relay, OUTCOME_FINISHED) == FLOWS);
	close(listener);
	finish(relay);
}

const struct test relay_tests[] = {
	{ "relay: echo over IPv4", echo_ipv4 },
	{ "relay: echo over IPv6", echo_ipv6 },
	{ "relay: shows the original destination", shows_original_destination },
	{ "relay: bulk upload, spliced", bulk_spliced_upload },
	{ "relay: bulk download, spliced, IPv6", bulk_spliced_download_ipv6 },
	{ "relay: bulk upload, copied", bulk_copied_upload },
	{ "relay: bulk download, copied", bulk_copied_download },
	{ "relay: bulk both ways at once", bulk_both_ways },
	{ "relay: single bytes", single_bytes },
	{ "relay: changes of mode", changes_of_mode },
	{ "relay: half-close by the client", half_close_by_client },
	{ "relay: half-close by the upstream", half_close_by_upstream },
	{ "relay: the end waits for a slow reader", end_waits_for_slow_reader },
	{ "relay: client speaks before upstream answers", client_speaks_before_upstream_answers },
	{ "relay: back-pressure, spliced", back_pressure_spliced },
	{ "relay: back-pressure, copied", back_pressure_copied },
	{ "relay: urgent data", urgent_data },
	{ "relay: 100 flows of random size", many_flows },
	{ NULL, NULL }
};
