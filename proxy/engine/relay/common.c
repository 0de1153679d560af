// SPDX-License-Identifier: MIT
/* What all parts of the relay ask of it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "connection/limits.h"
#include "relay/relay.h"

enum phase relay_phase(const struct relay *relay)
{
	return thread_group_phase(&relay->group);
}

/* Return: how many connections there may be under @options */
uint32_t relay_max_connections(const struct relay *relay,
			       const struct sidetrack_relay_options *options)
{
	return limits_of_descriptors(options, relay->group.thread_count,
				     relay->options.descriptor_reserve);
}

/**
 * relay_fail() - Keep a sentence for sidetrack_relay_read_error()
 * @relay:	Relay
 * @error:	-errno
 * @format:	As printf()
 *
 * Return: @error
 */
int relay_fail(struct relay *relay, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(relay->error, sizeof(relay->error), format, arguments);
	va_end(arguments);
	return error;
}
