// SPDX-License-Identifier: MIT
#include "thread/probe-answer.h"

#include <string.h>

#define STATUS_AT (PROBE_ANSWER_MOST - 3)
#define TLS_ALERT 21
#define TLS_HANDSHAKE 22

/* Return: OUTCOME_OPEN as long as it is too little to tell */
static enum outcome http_answer(const unsigned char *bytes, size_t length)
{
	if (length < PROBE_ANSWER_MOST)
		return OUTCOME_OPEN;
	if (memcmp(bytes, "HTTP/", 5) || bytes[STATUS_AT] < '1' || bytes[STATUS_AT] > '4')
		return OUTCOME_UPSTREAM_PROTOCOL;
	return OUTCOME_FINISHED;
}

/**
 * probe_answer_judge() - Is it what the probe waits for?
 * @wanted:	What it waits for
 * @bytes:	The first ones that have come
 * @length:	How many
 *
 * Return: OUTCOME_FINISHED if so, OUTCOME_OPEN as long as it is too little to tell, or
 * OUTCOME_UPSTREAM_PROTOCOL
 */
enum outcome probe_answer_judge(enum probe_answer wanted, const unsigned char *bytes,
				size_t length)
{
	if (!length)
		return OUTCOME_OPEN;
	switch (wanted) {
	case PROBE_ANSWER_TLS:
		return bytes[0] == TLS_HANDSHAKE || bytes[0] == TLS_ALERT
			       ? OUTCOME_FINISHED : OUTCOME_UPSTREAM_PROTOCOL;
	case PROBE_ANSWER_HTTP:
		return http_answer(bytes, length);
	default:
		return OUTCOME_FINISHED;
	}
}
