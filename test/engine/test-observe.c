// SPDX-License-Identifier: MIT
/* What people get to see: residency, TCP's figures, the list of connections, the log. */
#include <arpa/inet.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "check.h"
#include "flow-trace.h"
#include "harness.h"
#include "world.h"

#define MANY 200
#define LINES (64 * 1024)

static struct relay *begin_observed(uint32_t threads, uint32_t log_records)
{
	struct sidetrack_relay_options options = default_options();

	options.threads = threads;
	options.tcp_info = 1;
	options.log_records = log_records;
	return begin(&options);
}

/* --- histograms --------------------------------------------------------------------- */

static uint64_t residency_sum(struct relay *relay, enum histogram_name name)
{
	return counters_of(relay).histogram[name].sum;
}

static void residency_counts_each_hand_over(void)
{
	struct relay *relay = begin_observed(1, 0);
	struct pair pair = pair_open(AF_INET);
	struct sidetrack_relay_counters counters;
	char byte;
	int i;

	for (i = 0; i < 50; i++) {
		write_all(pair.client, "x", 1);
		expect_equal(recv(pair.upstream, &byte, 1, MSG_WAITALL), 1);
		write_all(pair.upstream, "y", 1);
		expect_equal(recv(pair.client, &byte, 1, MSG_WAITALL), 1);
	}
	wait_for(counters_of(relay).download_bytes == 50);
	counters = counters_of(relay);
	expect_equal(histogram_count(&counters.histogram[HISTOGRAM_residency_upload]), 50);
	expect_equal(histogram_count(&counters.histogram[HISTOGRAM_residency_download]), 50);
	/* 50 messages, nobody in the way: not 100 ms in all even on a busy machine */
	expect(counters.histogram[HISTOGRAM_residency_upload].sum < 5000000);
	pair_close(&pair);
	wait_for(ended(relay, OUTCOME_FINISHED) == 1);
	finish(relay);
}

/* What waits for a slow receiver was readable all that time. */
static void residency_shows_a_stall(void)
{
	struct relay *relay = begin_observed(1, 0);
	struct pair pair = pair_open(AF_INET);
	uint64_t sent = send_pattern_until_full(pair.upstream), before;

	before = residency_sum(relay, HISTOGRAM_residency_download);
	usleep(300000);		/* the very thing to be measured */
	expect_pattern(pair.client, 0, sent, 65536);
	expect(residency_sum(relay, HISTOGRAM_residency_download) - before >= 300000);
	/* and it is over when it is over */
	before = residency_sum(relay, HISTOGRAM_residency_download);
	write_all(pair.upstream, "x", 1);
	wait_for(counters_of(relay).download_bytes == sent + 1);
	expect(residency_sum(relay, HISTOGRAM_residency_download) - before < 300000);
	reset(pair.client);
	close(pair.upstream);
	close(pair.listener);
	wait_for(counters_of(relay).active == 0);
	finish(relay);
}

static void round_trips_at_the_end(void)
{
	struct relay *relay = begin_observed(1, 0);
	struct pair pair = pair_open(AF_INET6);
	struct sidetrack_relay_counters counters;
	struct sidetrack_relay_record record;

	write_all(pair.client, "hello", 5);
	pair_close(&pair);
	wait_for(counters_of(relay).active == 0);
	counters = counters_of(relay);
	expect_equal(histogram_count(&counters.histogram[HISTOGRAM_rtt_client]), 1);
	expect_equal(histogram_count(&counters.histogram[HISTOGRAM_rtt_upstream]), 1);
	record = last_record(relay);
	expect(record.rtt_us[0] > 0 && record.rtt_us[1] > 0);
	expect(record.connect_us > 0);
	finish(relay);
}

/* --- the list ----------------------------------------------------------------------- */

static int snapshot(struct relay *relay, enum snapshot_kind kind, const uint64_t *ids, int count)
{
	return sidetrack_relay_snapshot(relay, kind, (const uint8_t *)ids,
					count * (int)sizeof(*ids));
}

static int read_snapshot(struct relay *relay, struct sidetrack_relay_entry *entry, int limit)
{
	int thread, count, total = 0;

	wait_for(sidetrack_relay_snapshot_done(relay));
	for (thread = 0;; thread++) {
		count = sidetrack_relay_snapshot_count(relay, thread);
		if (count < 0)
			return total;
		expect(total + count <= limit);
		expect_equal(sidetrack_relay_read_snapshot(relay, thread, (uint8_t *)&entry[total],
							   count * (int)sizeof(*entry)), count);
		total += count;
	}
}

static int list_all(struct relay *relay, struct sidetrack_relay_entry *entry, int limit)
{
	expect_equal(snapshot(relay, SNAPSHOT_LIST, NULL, 0), 0);
	return read_snapshot(relay, entry, limit);
}

static bool has(const struct sidetrack_relay_entry *entry, enum entry_flag bit)
{
	return entry->flags >> bit & 1;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);

	expect(getsockname(fd, (struct sockaddr *)&address, &length) == 0);
	return ntohs(address.sin_port);
}

static void list_shows_a_connection(void)
{
	struct relay *relay = begin_observed(2, 0);
	struct sidetrack_relay_entry entry[4];
	struct pair pair;
	char text[8];

	expect_equal(list_all(relay, entry, 4), 0);
	pair = pair_open(AF_INET);
	write_all(pair.client, "hello", 5);
	expect_equal(recv(pair.upstream, text, 5, MSG_WAITALL), 5);
	wait_for(counters_of(relay).upload_bytes == 5);
	expect_equal(list_all(relay, entry, 4), 1);
	expect_equal(entry[0].state, 2);	/* relaying */
	expect_equal(entry[0].upload_bytes, 5);
	expect_equal(entry[0].download_bytes, 0);
	expect_equal(entry[0].client_port, port_of(pair.client));
	expect_equal(entry[0].destination_port, PORT);
	expect_equal(entry[0].local_port, RELAY_PORT);
	expect(entry[0].rtt_us[0] > 0 && entry[0].rtt_us[1] > 0);
	expect_equal(entry[0].upload_mode, MODE_COPY);
	expect(!has(&entry[0], ENTRY_DOWNLOAD_STALLED_BIT));
	shutdown(pair.client, SHUT_WR);
	wait_for(list_all(relay, entry, 4) == 1 && has(&entry[0], ENTRY_UPLOAD_ENDED_BIT));
	pair_close(&pair);
	wait_for(counters_of(relay).active == 0);
	expect_equal(list_all(relay, entry, 4), 0);
	finish(relay);
}

/* What a failing test shows of its connections. */
static void trace_tells_states(void)
{
	struct relay *relay = begin_observed(1, 0);
	struct pair pair = pair_open(AF_INET);

	pair_close(&pair);
	wait_for(counters_of(relay).active == 0);
	expect(flow_trace_has("flow 0 thread 0: connecting -> relaying\n"));
	expect(flow_trace_has("flow 0 thread 0: relaying -> closed (finished)\n") ||
	       flow_trace_has("flow 0 thread 0: relaying -> resetting\n"));
	finish(relay);
}

static void list_shows_bulk_and_stalls(void)
{
	struct relay *relay = begin_observed(1, 0);
	struct pair pair = pair_open(AF_INET);
	struct sidetrack_relay_entry entry[1];

	send_pattern_until_full(pair.upstream);
	expect_equal(list_all(relay, entry, 1), 1);
	expect_equal(entry[0].download_mode, MODE_SPLICE);
	expect(has(&entry[0], ENTRY_DOWNLOAD_STALLED_BIT));
	expect_equal(entry[0].upload_mode, MODE_COPY);
	expect(!has(&entry[0], ENTRY_UPLOAD_STALLED_BIT));
	reset(pair.client);
	close(pair.upstream);
	close(pair.listener);
	wait_for(counters_of(relay).active == 0);
	finish(relay);
}

/* A client's socket to a place, from a port of its choice that others share. */
static int client_from(uint16_t from, const char *to, uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(from) };

	expect(fd >= 0);
	expect(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0);
	expect(inet_pton(AF_INET, "10.0.0.2", &address.sin_addr) == 1);
	expect(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	address.sin_port = htons(port);
	expect(inet_pton(AF_INET, to, &address.sin_addr) == 1);
	expect(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* One source port, two destinations: conntrack gives one of them another port. */
static void list_shows_the_true_client(void)
{
	struct relay *relay = begin_observed(1, 0);
	int listener = upstream_listen(AF_INET);
	int second_listener = upstream_listen_on(AF_INET, PORT + 1);
	int first = client_from(4000, "198.51.100.7", PORT);
	int second = client_from(4000, "198.51.100.7", PORT + 1);
	int first_end = take(listener), second_end = take(second_listener);
	struct sidetrack_relay_entry entry[2];
	struct sidetrack_relay_record record[SIDETRACK_RELAY_RECENT];
	int i, remapped = 0;

	expect_equal(sidetrack_relay_read_recent(relay, 0, (uint8_t *)record, sizeof(record)), 2);
	for (i = 0; i < 2; i++)
		remapped += record[i].client_port != 4000;
	expect_equal(remapped, 1);	/* otherwise this test shows nothing */
	expect_equal(list_all(relay, entry, 2), 2);
	for (i = 0; i < 2; i++) {
		expect(has(&entry[i], ENTRY_TRANSLATED_BIT));
		expect_equal(entry[i].client_port, 4000);
	}
	expect(entry[0].destination_port != entry[1].destination_port);
	close(first);
	close(second);
	close(first_end);
	close(second_end);
	close(listener);
	close(second_listener);
	wait_for(counters_of(relay).active == 0);
	finish(relay);
}

static void drop_privileges(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	expect(syscall(SYS_capset, &header, none) == 0);
}

/* Who may not ask conntrack still gets a list. */
static void list_without_privileges(void)
{
	struct relay *relay = begin_observed(1, 0);
	struct pair pair = pair_open(AF_INET);
	struct sidetrack_relay_entry entry[1];

	drop_privileges();
	expect_equal(list_all(relay, entry, 1), 1);
	expect(!has(&entry[0], ENTRY_TRANSLATED_BIT));
	expect_equal(entry[0].client_port, port_of(pair.client));
	pair_close(&pair);
	wait_for(counters_of(relay).active == 0);
	finish(relay);
}

/* --- closing ------------------------------------------------------------------------ */

static void close_resets_both_ends(void)
{
	struct relay *relay = begin_observed(2, 0);
	struct pair pair = pair_open(AF_INET);
	struct sidetrack_relay_entry entry[2];
	int other = client_connect(AF_INET, INTERNET, PORT), other_end = take(pair.listener);
	uint64_t id;

	expect_equal(list_all(relay, entry, 2), 2);
	id = entry[entry[1].client_port == port_of(pair.client)].id;
	expect_equal(snapshot(relay, SNAPSHOT_CLOSE, &id, 1), 0);
	expect_equal(read_snapshot(relay, entry, 2), 1);
	expect_equal(entry[0].id, id);
	expect_reset(pair.client);
	expect_reset(pair.upstream);
	expect_equal(ended(relay, OUTCOME_CLOSED), 1);
	/* gone, and the other still there */
	expect_equal(snapshot(relay, SNAPSHOT_CLOSE, &id, 1), 0);
	expect_equal(read_snapshot(relay, entry, 2), 0);
	write_all(other, "x", 1);
	expect(readable(other_end, TIMEOUT_MS));
	close(other);
	close(other_end);
	pair_close(&pair);
	wait_for(counters_of(relay).active == 0);
	finish(relay);
}

/* Connections come and go while a list is made: none is met twice, none is missed. */
static void list_amid_comings_and_goings(void)
{
	struct relay *relay = begin_observed(2, 0);
	int listener = upstream_listen(AF_INET), client[MANY], end[MANY], i, round;
	struct sidetrack_relay_entry *entry = calloc(4 * MANY, sizeof(*entry));

	for (i = 0; i < MANY; i++) {
		client[i] = client_connect(AF_INET, INTERNET, PORT);
		end[i] = take(listener);
	}
	for (round = 0; round < 20; round++) {
		int count, twice = 0, j;

		expect_equal(snapshot(relay, SNAPSHOT_LIST, NULL, 0), 0);
		for (i = round; i < MANY; i += 20) {	/* a twentieth is replaced meanwhile */
			reset(client[i]);
			close(end[i]);
			client[i] = client_connect(AF_INET, INTERNET, PORT);
			end[i] = take(listener);
		}
		count = read_snapshot(relay, entry, 4 * MANY);
		expect(count >= MANY - MANY / 20 && count <= MANY + MANY / 20);
		for (i = 0; i < count; i++)
			for (j = 0; j < i; j++)
				twice += entry[i].id == entry[j].id;
		expect_equal(twice, 0);
	}
	for (i = 0; i < MANY; i++) {
		close(client[i]);
		close(end[i]);
	}
	close(listener);
	free(entry);
	wait_for(counters_of(relay).active == 0);
	finish(relay);
}

static void list_and_stop(void)
{
	struct relay *relay = begin_observed(2, 0);
	struct pair pair = pair_open(AF_INET);

	expect_equal(snapshot(relay, SNAPSHOT_LIST, NULL, 0), 0);
	expect_equal(sidetrack_relay_stop(relay), 0);
	expect_equal(sidetrack_relay_snapshot_done(relay), 1);
	expect_equal(snapshot(relay, SNAPSHOT_LIST, NULL, 0), -ESHUTDOWN);
	pair_close(&pair);
	finish(relay);
}

/* --- the log ------------------------------------------------------------------------ */

static int read_log(struct relay *relay, char *out)
{
	char names[SIDETRACK_RELAY_NAME_LENGTH] = "direct";
	int thread, length = 0, got;

	for (thread = 0;; thread++) {
		got = sidetrack_relay_read_log(relay, thread, (const uint8_t *)names,
					       sizeof(names), (uint8_t *)out + length,
					       LINES - 1 - length);
		if (got < 0)
			break;
		length += got;
	}
	out[length] = 0;
	return length;
}

static void log_has_a_line(void)
{
	struct relay *relay = begin_observed(2, 16);
	struct pair pair = pair_open(AF_INET);
	char *lines = malloc(LINES), client[64];

	expect_equal(read_log(relay, lines), 0);
	write_all(pair.client, "hello", 5);
	snprintf(client, sizeof(client), "\"client\":\"10.0.0.2:%u\"", port_of(pair.client));
	pair_close(&pair);
	wait_for(counters_of(relay).active == 0);
	expect(read_log(relay, lines) > 0);
	expect(strstr(lines, client));
	expect(strstr(lines, "\"original_destination\":\"198.51.100.7:8080\""));
	expect(strstr(lines, "\"upstream\":\"direct\""));
	expect(strstr(lines, "\"upload_bytes\":5,\"download_bytes\":0,"));
	expect(strchr(lines, '\n') == lines + strlen(lines) - 1);
	expect_equal(read_log(relay, lines), 0);
	free(lines);
	finish(relay);
}

static void log_drops_when_full(void)
{
	struct relay *relay = begin_observed(1, 4);
	int listener = upstream_listen(AF_INET), i, newlines = 0;
	char *lines = malloc(LINES), *at;

	for (i = 0; i < 10; i++) {
		int client = client_connect(AF_INET, INTERNET, PORT), end = take(listener);

		reset(client);
		close(end);
		wait_for(counters_of(relay).active == 0);
	}
	expect_equal(counters_of(relay).log_dropped, 6);
	expect(read_log(relay, lines) > 0);
	for (at = lines; (at = strchr(at, '\n')); at++)
		newlines++;
	expect_equal(newlines, 4);
	close(listener);
	free(lines);
	finish(relay);
}

const struct test observe_tests[] = {
	{ "observe: the trace tells states", trace_tells_states },
	{ "observe: residency counts each hand-over", residency_counts_each_hand_over },
	{ "observe: residency shows a stall", residency_shows_a_stall },
	{ "observe: round trips at the end", round_trips_at_the_end },
	{ "observe: list shows a connection", list_shows_a_connection },
	{ "observe: list shows bulk and stalls", list_shows_bulk_and_stalls },
	{ "observe: list shows the true client", list_shows_the_true_client },
	{ "observe: list without privileges", list_without_privileges },
	{ "observe: close resets both ends", close_resets_both_ends },
	{ "observe: list amid comings and goings", list_amid_comings_and_goings },
	{ "observe: list and stop", list_and_stop },
	{ "observe: log has a line", log_has_a_line },
	{ "observe: log drops when full", log_drops_when_full },
	{ NULL, NULL }
};
