// SPDX-License-Identifier: MIT
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "world.h"

struct sidetrack_relay_options default_options(void)
{
	return (struct sidetrack_relay_options){
		.abi_version = SIDETRACK_RELAY_ABI_VERSION,
		.port = RELAY_PORT,
		.threads = 2,
		.descriptor_reserve = 64,
		.connect_timeout_ms = 10000,
		.handshake_timeout_ms = 10000,
		.half_close_timeout_ms = 30000,
		.upstream_keepalive_s = 120,
		.keepalive_s = 1800,
		.keepalive_interval_s = 30,
		.splice = 1,
		.read_ahead = 1 << 20,
	};
}

struct relay *begin(const struct sidetrack_relay_options *options)
{
	return begin_with(options, NULL, 0);
}

/* Counted where the tests look for it. */
void add_upstream(struct relay *relay, const struct sidetrack_relay_upstream *upstream,
		  uint32_t slot)
{
	struct sidetrack_relay_upstream numbered = *upstream;

	numbered.slot = slot;
	expect_equal(sidetrack_relay_add_upstream(relay, (const uint8_t *)&numbered,
						  sizeof(numbered)), 0);
}

struct relay *begin_with(const struct sidetrack_relay_options *options,
			 const struct sidetrack_relay_upstream *upstreams, int count)
{
	struct relay *relay = sidetrack_relay_create((const uint8_t *)options, sizeof(*options));
	char error[SIDETRACK_RELAY_ERROR_LENGTH];
	int length, i;

	expect(relay);
	for (i = 0; i < count; i++)
		add_upstream(relay, &upstreams[i], (uint32_t)i);
	if (sidetrack_relay_start(relay) == 0)
		return relay;
	length = sidetrack_relay_read_error(relay, (uint8_t *)error, sizeof(error));
	fprintf(stderr, "  start: %.*s\n", length, error);
	_exit(1);
}

struct relay *begin_default(void)
{
	struct sidetrack_relay_options options = default_options();

	return begin(&options);
}

/* What was counted for clients and for upstreams are the same bytes. */
static void expect_clients_add_up(struct relay *relay)
{
	struct sidetrack_relay_client client[SIDETRACK_RELAY_CLIENTS], sum = { 0 };
	struct sidetrack_relay_counters counters = counters_of(relay);
	uint64_t upload = 0, download = 0;
	int thread, count, i;

	for (thread = 0;; thread++) {
		count = sidetrack_relay_read_clients(relay, thread, (uint8_t *)client,
						     sizeof(client));
		if (count < 0)
			break;
		for (i = 0; i < count; i++) {
			sum.active += client[i].active;
			sum.upload_bytes += client[i].upload_bytes;
			sum.download_bytes += client[i].download_bytes;
		}
	}
	for (i = 0; i < SIDETRACK_RELAY_UPSTREAM_SLOTS; i++) {
		upload += counters.upstream[i].upload_bytes;
		download += counters.upstream[i].download_bytes;
	}
	expect_equal(sum.active, 0);
	expect_equal(sum.upload_bytes, upload);
	expect_equal(sum.download_bytes, download);
}

void finish(struct relay *relay)
{
	expect_equal(sidetrack_relay_stop(relay), 0);
	expect_equal(sidetrack_relay_active(relay), 0);
	expect_equal(counters_of(relay).active, 0);
	expect_equal(counters_of(relay).pipes, 0);
	expect_equal(counters_of(relay).stalled, 0);
	expect_equal(counters_of(relay).held_client_bytes, 0);
	expect_equal(counters_of(relay).held_upstream_bytes, 0);
	expect_clients_add_up(relay);
	expect_equal(sidetrack_relay_destroy(relay), 0);
}

struct sidetrack_relay_counters counters_of(struct relay *relay)
{
	struct sidetrack_relay_counters sum = { 0 }, page;
	uint64_t *to = (uint64_t *)&sum, *from = (uint64_t *)&page;
	int thread;
	size_t i;

	for (thread = 0; sidetrack_relay_read_counters(relay, thread, (uint8_t *)&page,
						       sizeof(page)) == 0; thread++)
		for (i = 0; i < sizeof(page) / sizeof(*from); i++)
			to[i] += from[i];
	return sum;
}

struct sidetrack_relay_status status_of(struct relay *relay)
{
	struct sidetrack_relay_status status;

	expect_equal(sidetrack_relay_read_status(relay, (uint8_t *)&status, sizeof(status)), 0);
	return status;
}

uint64_t ended(struct relay *relay, enum outcome outcome)
{
	return counters_of(relay).outcome[outcome];
}

struct sidetrack_relay_record last_record(struct relay *relay)
{
	struct sidetrack_relay_record record[SIDETRACK_RELAY_RECENT], last = { 0 };
	int thread, count, i;

	for (thread = 0;; thread++) {
		count = sidetrack_relay_read_recent(relay, thread, (uint8_t *)record,
						    sizeof(record));
		if (count < 0)
			return last;
		for (i = 0; i < count; i++)
			if (record[i].id >= last.id)
				last = record[i];
	}
}

uint64_t histogram_count(const struct sidetrack_relay_histogram *histogram)
{
	uint64_t count = 0;
	int i;

	for (i = 0; i < SIDETRACK_RELAY_HISTOGRAM_BUCKETS; i++)
		count += histogram->bucket[i];
	return count;
}

struct pair pair_open(int family)
{
	struct pair pair = { .listener = upstream_listen(family) };

	pair.client = client_connect(family, INTERNET, PORT);
	pair.upstream = take(pair.listener);
	return pair;
}

void pair_close(struct pair *pair)
{
	close(pair->client);
	close(pair->upstream);
	close(pair->listener);
}

/* For /proc/self/fd and /proc/self/task. */
int count_entries(const char *directory)
{
	DIR *dir = opendir(directory);
	int count = 0;

	expect(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Return: false, and says so, where an ordinary user's namespace knows no other */
bool has_other_user(void)
{
	if (setresuid(65534, 65534, 0) < 0) {
		expect(errno == EINVAL);
		printf("skip  there is no other user here\n");
		return false;
	}
	expect(setresuid(0, 0, 0) == 0);
	return true;
}
