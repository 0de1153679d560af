// SPDX-License-Identifier: MIT
#include "base/log.h"

#include <string.h>
#include <time.h>

#include "base/counters.h"
#include "base/endpoint.h"
#include "base/label.h"

/* --- the ring --------------------------------------------------------------------- */

/* Return: a ring with room for @size records, or NULL if memory is out */
struct log *log_create(uint32_t size)
{
	struct log *log = memory_allocate(sizeof(*log) + size * sizeof(log->record[0]));

	if (log)
		log->size = size;
	return log;
}

/**
 * log_put() - Hand a record to the reader, or count it as dropped
 * @log:	The thread's ring
 * @counters:	The thread's counters
 * @record:	A connection that has ended
 */
void log_put(struct log *log, struct sidetrack_relay_counters *counters,
	     const struct sidetrack_relay_record *record)
{
	uint64_t written = __atomic_load_n(&log->written, __ATOMIC_RELAXED);

	if (written - __atomic_load_n(&log->taken, __ATOMIC_ACQUIRE) >= log->size) {
		counter_add(&counters->log_dropped, 1);
		return;
	}
	log->record[written % log->size] = *record;
	__atomic_store_n(&log->written, written + 1, __ATOMIC_RELEASE);
}

/* --- one line --------------------------------------------------------------------- */

static char *put_text(char *at, const char *text)
{
	size_t length = strlen(text);

	memcpy(at, text, length);
	return at + length;
}

/* At least @width digits. */
static char *put_number(char *at, uint64_t number, int width)
{
	char digit[20];
	int count = 0;

	do {
		digit[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number || count < width);
	while (count)
		*at++ = digit[--count];
	return at;
}

static char *put_key(char *at, const char *name)
{
	at = put_text(at, ",\"");
	at = put_text(at, name);
	return put_text(at, "\":");
}

static char *put_count(char *at, const char *name, uint64_t number)
{
	return put_number(put_key(at, name), number, 1);
}

/* Microseconds as seconds; what is unknown is left out. */
static char *put_seconds(char *at, const char *name, uint64_t us)
{
	if (!us)
		return at;
	at = put_number(put_key(at, name), us / 1000000, 1);
	*at++ = '.';
	return put_number(at, us % 1000000, 6);
}

/* RFC 3339, UTC: "2026-01-31T12:34:56.789Z" */
static char *put_time(char *at, uint64_t unix_ms)
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm utc;

	gmtime_r(&seconds, &utc);
	at = put_number(put_text(at, "\""), (uint64_t)utc.tm_year + 1900, 4);
	at = put_number(put_text(at, "-"), (uint64_t)utc.tm_mon + 1, 2);
	at = put_number(put_text(at, "-"), (uint64_t)utc.tm_mday, 2);
	at = put_number(put_text(at, "T"), (uint64_t)utc.tm_hour, 2);
	at = put_number(put_text(at, ":"), (uint64_t)utc.tm_min, 2);
	at = put_number(put_text(at, ":"), (uint64_t)utc.tm_sec, 2);
	at = put_number(put_text(at, "."), unix_ms % 1000, 3);
	return put_text(at, "Z\"");
}

static char *put_string(char *at, const char *name, const char *text)
{
	at = put_text(put_key(at, name), "\"");
	return put_text(put_text(at, text), "\"");
}

static char *put_endpoint(char *at, const char *name, const uint8_t address[16], uint16_t port)
{
	struct endpoint endpoint = { .port = port };
	char text[ENDPOINT_TEXT_LENGTH];

	memcpy(&endpoint.address, address, sizeof(endpoint.address));
	if (endpoint_is_unspecified(&endpoint))
		return at;	/* the original destination was not to be had */
	endpoint_format(&endpoint, text);
	return put_string(at, name, text);
}

static char *put_legs(char *at, const struct sidetrack_relay_record *record)
{
	at = put_seconds(at, "client_rtt_seconds", record->rtt_us[0]);
	at = put_seconds(at, "upstream_rtt_seconds", record->rtt_us[1]);
	at = put_count(at, "client_retransmits", record->retransmitted[0]);
	return put_count(at, "upstream_retransmits", record->retransmitted[1]);
}

/* @name is that of its upstream, or NULL.  At most SIDETRACK_RELAY_LOG_LINE bytes. */
static char *put_line(char *at, const struct sidetrack_relay_record *record, const char *name)
{
	at = put_text(at, "{\"time\":");
	at = put_time(at, record->accepted_ms + record->duration_us / 1000);
	at = put_time(put_key(at, "accepted"), record->accepted_ms);
	at = put_count(at, "id", record->id);
	at = put_endpoint(at, "client", record->client, record->client_port);
	at = put_endpoint(at, "original_destination", record->destination,
			  record->destination_port);
	if (name && name[0])
		at = put_string(at, "upstream", name);
	at = put_string(at, "outcome", outcome_label(record->outcome));
	at = put_count(at, "upload_bytes", record->upload_bytes);
	at = put_count(at, "download_bytes", record->download_bytes);
	at = put_seconds(at, "connect_seconds", record->connect_us);
	at = put_seconds(at, "first_byte_seconds", record->first_byte_us);
	at = put_seconds(at, "duration_seconds", record->duration_us);
	return put_text(put_legs(at, record), "}\n");
}

/* --- reading ---------------------------------------------------------------------- */

/**
 * log_take_lines() - Take what has been written as lines of JSON
 * @log:	Ring of any thread
 * @names:	Names of the upstreams, SIDETRACK_RELAY_NAME_LENGTH bytes each with
 *		at least one final zero, of characters that JSON need not escape
 * @name_count:	How many
 * @out:	Where to put the lines
 * @length:	Bytes there; what does not fit stays in the ring
 *
 * Return: bytes written
 */
int log_take_lines(struct log *log, const char *names, int name_count, char *out, int length)
{
	uint64_t taken = __atomic_load_n(&log->taken, __ATOMIC_RELAXED);
	uint64_t written = __atomic_load_n(&log->written, __ATOMIC_ACQUIRE);
	char *at = out;

	for (; taken < written && length - (at - out) >= SIDETRACK_RELAY_LOG_LINE; taken++) {
		const struct sidetrack_relay_record *record = &log->record[taken % log->size];
		const char *name = record->upstream < (uint32_t)name_count
				   ? names + record->upstream * SIDETRACK_RELAY_NAME_LENGTH : NULL;

		at = put_line(at, record, name);
	}
	__atomic_store_n(&log->taken, taken, __ATOMIC_RELEASE);
	return (int)(at - out);
}
