// SPDX-License-Identifier: MIT
/* What is counted for each client: bounded, and nothing is lost. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/client-table.h"
#include "base/counters.h"
#include "check.h"
#include "harness.h"
#include "world.h"

#define ENTRIES (SIDETRACK_RELAY_CLIENTS - 1)	/* but for the first */

/* Alternately of both families. */
static struct endpoint client_number(uint32_t number)
{
	struct endpoint client = { .address = IN6ADDR_LOOPBACK_INIT };

	if (number % 2)
		inet_pton(AF_INET6, "::ffff:10.0.0.0", &client.address);
	client.address.s6_addr32[3] = htonl(0x0a000000 + number);
	return client;
}

static uint16_t enter(struct client_table *table, uint32_t number, uint64_t now_ms)
{
	struct endpoint client = client_number(number);

	return client_table_enter(table, &client, now_ms);
}

struct contents {
	struct sidetrack_relay_client entry[SIDETRACK_RELAY_CLIENTS];
	int count;
};

static void read_table(const struct client_table *table, struct contents *contents)
{
	contents->count = client_table_read(table, contents->entry, SIDETRACK_RELAY_CLIENTS);
	expect(contents->count >= 1);
}

static const struct sidetrack_relay_client *entry_of(const struct contents *contents,
						     uint32_t number)
{
	struct endpoint client = client_number(number);
	int i;

	for (i = 1; i < contents->count; i++)
		if (!memcmp(contents->entry[i].address, &client.address, sizeof(client.address)))
			return &contents->entry[i];
	return NULL;
}

static struct sidetrack_relay_client sum_of(const struct contents *contents)
{
	struct sidetrack_relay_client sum = { 0 };
	int i;

	for (i = 0; i < contents->count; i++) {
#define X(name, help) sum.name += contents->entry[i].name;
		SIDETRACK_RELAY_CLIENT_COUNTERS(X)
#undef X
	}
	return sum;
}

static void longest_ago_goes_first(void)
{
	struct client_table *table = client_table_create();
	static struct contents contents;
	uint16_t number;
	uint32_t i;

	expect(table);
	for (i = 0; i < ENTRIES; i++) {
		number = enter(table, i, i);
		expect(number > 0);
		counter_add(&client_table_counters(table, number)->upload_bytes, 10);
		client_table_leave(table, number, i);
	}
	number = enter(table, 0, 5000);		/* the oldest is back, so the next one is it */
	client_table_leave(table, number, 5001);
	number = enter(table, ENTRIES, 5002);
	expect(number > 0);
	read_table(table, &contents);
	expect_equal(contents.count, SIDETRACK_RELAY_CLIENTS);
	expect(entry_of(&contents, 0) && !entry_of(&contents, 1) && entry_of(&contents, 2));
	expect_equal(entry_of(&contents, 0)->connections, 2);
	expect_equal(entry_of(&contents, 0)->seen_ms, 5001);
	expect_equal(entry_of(&contents, ENTRIES)->upload_bytes, 0);
	expect_equal(contents.entry[0].upload_bytes, 10);
	expect_equal(contents.entry[0].connections, 1);
	free(table);
}

static void no_entry_while_all_are_busy(void)
{
	struct client_table *table = client_table_create();
	static struct contents contents;
	uint16_t first = 0, extra;
	uint32_t i;

	expect(table);
	for (i = 0; i < ENTRIES; i++) {
		uint16_t number = enter(table, i, 1);

		first = i ? first : number;
	}
	extra = enter(table, ENTRIES, 2);
	expect_equal(extra, 0);
	client_table_leave(table, first, 3);
	/* the same client again: its first connection stays where it was counted */
	expect(enter(table, ENTRIES, 4) > 0);
	client_table_leave(table, extra, 5);
	read_table(table, &contents);
	expect_equal(contents.entry[0].active, 0);
	expect_equal(contents.entry[0].connections, 2);
	expect_equal(sum_of(&contents).active, ENTRIES);
	expect_equal(sum_of(&contents).connections, ENTRIES + 2);
	free(table);
}

/* Random comings and goings of more clients than fit, beside plain arrays. */
static void clients_come_and_go(void)
{
	enum { CLIENTS = 3000, MOST = 1500, ROUNDS = 60000 };
	static uint64_t upload[CLIENTS];
	static struct contents contents;
	static struct { uint32_t client; uint16_t number; } open[MOST];
	struct client_table *table = client_table_create();
	uint64_t sum = 0, connections = 0;
	uint32_t i, j, count = 0;
	unsigned int seed = 4711;

	expect(table);
	for (i = 0; i < ROUNDS; i++) {
		uint32_t which = count ? (uint32_t)rand_r(&seed) % count : 0;

		if (count < MOST && rand_r(&seed) % 2) {
			open[count].client = (uint32_t)rand_r(&seed) % CLIENTS;
			open[count].number = enter(table, open[count].client, i);
			count++;
			connections++;
		} else if (count && rand_r(&seed) % 3) {
			counter_add(&client_table_counters(table, open[which].number)->upload_bytes, i);
			upload[open[which].client] += i;
			sum += i;
		} else if (count) {
			client_table_leave(table, open[which].number, i);
			open[which] = open[--count];
		}
		if (i % 10000)
			continue;
		read_table(table, &contents);
		expect_equal(sum_of(&contents).upload_bytes, sum);
		expect_equal(sum_of(&contents).connections, connections);
		expect_equal(sum_of(&contents).active, count);
		for (j = 0; j < CLIENTS; j++) {
			const struct sidetrack_relay_client *entry = entry_of(&contents, j);

			/* never what another one had counted there */
			expect(!entry || entry->upload_bytes <= upload[j]);
		}
		for (j = 0; j < count; j++)
			expect(!open[j].number || entry_of(&contents, open[j].client));
	}
	free(table);
}

struct flood {
	struct client_table *table;
	bool over;
};

static void *read_during_flood(void *argument)
{
	struct flood *flood = argument;
	static struct contents contents;
	uint64_t before = 0;
	int i, good = 0;

	while (!__atomic_load_n(&flood->over, __ATOMIC_ACQUIRE) || !good) {
		contents.count = client_table_read(flood->table, contents.entry,
						   SIDETRACK_RELAY_CLIENTS);
		if (contents.count == -EAGAIN)
			continue;
		good++;
		/* each connection carries a byte, in the same entry: never one without the other */
		for (i = 1; i < contents.count; i++)
			expect(contents.entry[i].upload_bytes <= contents.entry[i].connections);
		expect(contents.entry[0].upload_bytes >= before);
		before = contents.entry[0].upload_bytes;
	}
	return NULL;
}

static void read_while_entries_change_hands(void)
{
	enum { ROUNDS = 300000 };
	struct flood flood = { .table = client_table_create() };
	static struct contents contents;
	pthread_t reader;
	uint32_t i;

	expect(flood.table);
	expect(pthread_create(&reader, NULL, read_during_flood, &flood) == 0);
	for (i = 0; i < ROUNDS; i++) {
		uint16_t number = enter(flood.table, i, i);

		counter_add(&client_table_counters(flood.table, number)->upload_bytes, 1);
		client_table_leave(flood.table, number, i);
	}
	__atomic_store_n(&flood.over, true, __ATOMIC_RELEASE);
	expect(pthread_join(reader, NULL) == 0);
	read_table(flood.table, &contents);
	expect_equal(sum_of(&contents).upload_bytes, ROUNDS);
	expect_equal(contents.entry[0].connections, ROUNDS - ENTRIES);
	free(flood.table);
}

/* --- a relay ------------------------------------------------------------------------- */

static struct contents clients_of(struct relay *relay)
{
	struct contents contents;

	contents.count = sidetrack_relay_read_clients(relay, 0, (uint8_t *)contents.entry,
						      sizeof(contents.entry));
	expect(contents.count >= 1);
	return contents;
}

static void relay_counts_by_client(void)
{
	struct sidetrack_relay_options options = default_options();
	struct relay *relay;
	struct pair v4, v6;
	struct contents contents;

	options.threads = 1;
	relay = begin(&options);
	v4 = pair_open(AF_INET);
	v6 = pair_open(AF_INET6);
	send_pattern(v4.client, 0, 300000, 300000);
	expect_pattern(v4.upstream, 0, 300000, 300000);
	send_pattern(v6.upstream, 0, 70000, 70000);
	expect_pattern(v6.client, 0, 70000, 70000);
	wait_for(counters_of(relay).download_bytes == 70000 &&
		 counters_of(relay).route[0].upload_bytes == 300000);
	contents = clients_of(relay);
	expect_equal(contents.count, 3);
	expect_equal(contents.entry[0].connections, 0);
	expect_equal(contents.entry[1].active, 1);
	expect_equal(contents.entry[1].upload_bytes, 300000);
	expect_equal(contents.entry[1].download_bytes, 0);
	expect_equal(contents.entry[2].upload_bytes, 0);
	expect_equal(contents.entry[2].download_bytes, 70000);
	expect(contents.entry[1].seen_ms > 1600000000000ULL);
	pair_close(&v4);
	pair_close(&v6);
	wait_for(counters_of(relay).active == 0);
	contents = clients_of(relay);
	expect_equal(contents.count, 3);
	expect_equal(sum_of(&contents).active, 0);
	expect_equal(sum_of(&contents).connections, 2);
	expect_equal(sidetrack_relay_read_clients(relay, 1, (uint8_t *)contents.entry,
						  sizeof(contents.entry)), -EINVAL);
	expect_equal(sidetrack_relay_read_clients(relay, 0, (uint8_t *)contents.entry,
						  2 * sizeof(contents.entry[0])), 2);
	finish(relay);
}

/* The kernel's own count, without any help of the thread. */
static void threads_tell_their_cpu_time(void)
{
	struct relay *relay = begin_default();
	struct pair pair = pair_open(AF_INET);
	uint64_t before, after;

	before = counters_of(relay).cpu_us;
	send_pattern(pair.client, 0, 1000, 1000);
	expect_pattern(pair.upstream, 0, 1000, 1000);
	wait_for(counters_of(relay).cpu_us > before);
	pair_close(&pair);
	wait_for(counters_of(relay).active == 0);
	before = counters_of(relay).cpu_us;
	expect_equal(sidetrack_relay_stop(relay), 0);
	after = counters_of(relay).cpu_us;
	expect(after >= before);
	expect_equal(counters_of(relay).cpu_us, after);
	expect_equal(sidetrack_relay_destroy(relay), 0);
}

const struct test client_table_tests[] = {
	{ "client table: longest ago goes first", longest_ago_goes_first },
	{ "client table: no entry while all are busy", no_entry_while_all_are_busy },
	{ "client table: they come and go", clients_come_and_go },
	{ "client table: read while entries change hands", read_while_entries_change_hands },
	{ "client table: of a relay", relay_counts_by_client },
	{ "client table: threads tell their CPU time", threads_tell_their_cpu_time },
	{ NULL, NULL }
};
