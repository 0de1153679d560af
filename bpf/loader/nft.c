// SPDX-License-Identifier: MIT
#include "nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"

/* RFC 5382, as control/nft/flow-time.ts has them. */
#define ESTABLISHED 7440u
#define TRANSITORY 240u

#define ABSENT "Error: No such file or directory"

static int unknown(struct fault *fault, const char *set, const char *reason)
{
	return fault_set(fault, -EIO, "flows-unknown", "host",
			 "repair nft and run it again; without --take-over the steered connections would break",
			 "cannot read the live flows of the nftables classifier (nft list set inet sidetrack %s): %s",
			 set, reason);
}

/* control/nft/flow-target.ts: flows4, closing4_1 and so on. */
static void set_name(char *out, size_t room, const char *kind, bool is_v6, uint32_t target)
{
	char suffix[8] = "";

	if (target)
		(void)snprintf(suffix, sizeof(suffix), "_%u", target & 0xffff);
	(void)snprintf(out, room, "%s%d%s", kind, is_v6 ? 6 : 4, suffix);
}

/* Moves @at behind a value of a list: text or number. Return: false where there is none */
static bool read_value(const char **at, char *out, size_t room)
{
	const char *from = *at + strspn(*at, " \n\t[,");
	const bool is_text = *from == '"';
	size_t length;

	if (is_text)
		from++;
	length = is_text ? strcspn(from, "\"") : strspn(from, "0123456789");
	if (length == 0 || length >= room)
		return false;
	memcpy(out, from, length);
	out[length] = 0;
	*at = from + length + (is_text ? 1 : 0);
	return true;
}

/* A number behind "name": before @end; @otherwise where there is none. */
static uint32_t number_of(const char *at, const char *end, const char *name, uint32_t otherwise)
{
	const char *found = strstr(at, name);

	if (!found || found >= end)
		return otherwise;
	found += strlen(name);
	found += strspn(found, " \n\t:");
	return (uint32_t)strtoul(found, NULL, 10);
}

static bool read_key(const char **at, struct flow_entry *entry)
{
	char source[INET6_ADDRSTRLEN];
	char source_port[8];
	char destination[INET6_ADDRSTRLEN];
	char destination_port[8];
	const int family = entry->is_v6 ? AF_INET6 : AF_INET;
	struct flow_key_v4 *v4 = &entry->key.v4;
	struct flow_key_v6 *v6 = &entry->key.v6;

	if (!read_value(at, source, sizeof(source)) ||
	    !read_value(at, source_port, sizeof(source_port)) ||
	    !read_value(at, destination, sizeof(destination)) ||
	    !read_value(at, destination_port, sizeof(destination_port)))
		return false;
	if (entry->is_v6) {
		v6->source_port = htons((uint16_t)strtoul(source_port, NULL, 10));
		v6->destination_port = htons((uint16_t)strtoul(destination_port, NULL, 10));
		return inet_pton(family, source, v6->source) == 1 &&
		       inet_pton(family, destination, v6->destination) == 1;
	}
	v4->source_port = htons((uint16_t)strtoul(source_port, NULL, 10));
	v4->destination_port = htons((uint16_t)strtoul(destination_port, NULL, 10));
	return inet_pton(family, source, &v4->source) == 1 &&
	       inet_pton(family, destination, &v4->destination) == 1;
}

/*
 * Of `nft -j list set`: {"elem": {"val": {"concat": [...]}, "timeout": s, "expires": s}}, once for each flow.
 * `closing` holds those that open, too, and they look alike; as opening ones all go on with what
 * their clients still send.
 */
static int read_flows(const char *text, bool is_v6, uint32_t usual, uint32_t target,
		      struct flow_list *flows)
{
	static const char key[] = "\"concat\":";
	const uint32_t now = flow_clock();
	const char *at = strstr(text, key);

	while (at) {
		struct flow_entry entry = { .is_v6 = is_v6 };
		const char *next;
		const char *end;
		uint32_t timeout;
		uint32_t expires;
		int err;

		at += sizeof(key) - 1;
		if (!read_key(&at, &entry))
			return -EINVAL;
		next = strstr(at, key);
		end = next ? next : at + strlen(at);
		timeout = number_of(at, end, "\"timeout\"", usual);
		expires = number_of(at, end, "\"expires\"", timeout);
		entry.flow.state = timeout <= TRANSITORY ? FLOW_OPENING : FLOW_ESTABLISHED;
		entry.flow.target = (uint16_t)target;
		entry.flow.seen = now - flow_units(expires < timeout ? timeout - expires : 0);
		err = flow_list_add(flows, &entry);
		if (err)
			return err;
		at = next;
	}
	return 0;
}

/* Return: 1 where there is such a set, 0, or -errno */
static int take_set(const char *kind, bool is_v6, uint32_t target, struct flow_list *flows,
		    struct fault *fault)
{
	const uint32_t usual = kind[0] == 'c' ? TRANSITORY : ESTABLISHED;
	char name[32];
	char *argv[] = { "nft", "-j", "list", "set", "inet", "sidetrack", name, NULL };
	struct child_result result;
	char ended[32];
	int err;

	set_name(name, sizeof(name), kind, is_v6, target);
	err = child_run(argv, "", 0, &result);
	(void)snprintf(ended, sizeof(ended), "it ended with %d", result.status);
	if (err)
		err = unknown(fault, name, strerror(-err));
	else if (result.status == 1 && !strncmp(result.said, ABSENT, strlen(ABSENT)))
		err = 0;
	else if (result.status != 0)
		err = unknown(fault, name, result.said[0] ? result.said : ended);
	else if (!result.output || !strstr(result.output, "\"nftables\"") ||
		 read_flows(result.output, is_v6, usual, target, flows))
		err = unknown(fault, name, "what it printed is no listing");
	else
		err = 1;
	free(result.output);
	return err;
}

/**
 * nft_take_over() - What the nftables classifier steers; nothing where it is not there
 * @flows:	Gets the flows; to be freed in any case
 * @fault:	Why nft does not say: "no flows" would be a guess that cuts them all
 *
 * Return: 0 or -errno
 */
int nft_take_over(struct flow_list *flows, struct fault *fault)
{
	uint32_t target;

	/* The targets are numbered from 0, without a gap. */
	for (target = 0; target < TARGETS_MAX; target++) {
		int found = 0;
		int place;

		for (place = 0; place < 4; place++) {
			const int err = take_set(place & 1 ? "closing" : "flows", place & 2, target,
						 flows, fault);

			if (err < 0)
				return err;
			found |= err;
		}
		if (!found)
			break;
	}
	return 0;
}

struct transaction {
	FILE *file;
	uint32_t now;
};

static void print_element(FILE *file, const struct flow_entry *entry, uint32_t timeout,
			  uint32_t expires)
{
	const int family = entry->is_v6 ? AF_INET6 : AF_INET;
	const struct flow_key_v4 *v4 = &entry->key.v4;
	const struct flow_key_v6 *v6 = &entry->key.v6;
	char source[INET6_ADDRSTRLEN] = "";
	char destination[INET6_ADDRSTRLEN] = "";
	char name[32];

	set_name(name, sizeof(name), entry->flow.state == FLOW_ESTABLISHED ? "flows" : "closing",
		 entry->is_v6, entry->flow.target);
	(void)inet_ntop(family, entry->is_v6 ? (const void *)v6->source : &v4->source, source,
			sizeof(source));
	(void)inet_ntop(family, entry->is_v6 ? (const void *)v6->destination : &v4->destination,
			destination, sizeof(destination));
	(void)fprintf(file, "add element inet sidetrack %s { %s . %u . %s . %u timeout %us expires %us }\n",
		      name, source, ntohs(entry->is_v6 ? v6->source_port : v4->source_port),
		      destination, ntohs(entry->is_v6 ? v6->destination_port : v4->destination_port),
		      timeout, expires);
}

/* Those that are too old are left out. */
static int add_element(const struct flow_entry *entry, void *context)
{
	const struct transaction *transaction = context;
	const uint32_t timeout = entry->flow.state == FLOW_ESTABLISHED ? ESTABLISHED : TRANSITORY;
	const int32_t age = (int32_t)(transaction->now - entry->flow.seen);
	const uint64_t silent = age > 0 ? ((uint64_t)age << FLOW_CLOCK_SHIFT) / 1000000000u : 0;

	if (silent < timeout)
		print_element(transaction->file, entry, timeout, timeout - (uint32_t)silent);
	return 0;
}

/* Tells the nftables classifier, which is there already, of every flow that eBPF steers. */
int nft_hand_over(const struct pins *pins, struct fault *fault)
{
	char *argv[] = { "nft", "-f", "-", NULL };
	struct child_result result = { 0 };
	char *text = NULL;
	size_t length = 0;
	struct transaction transaction = { open_memstream(&text, &length), flow_clock() };
	int err = transaction.file ? 0 : -ENOMEM;
	int family;

	for (family = 0; !err && family < 2; family++) {
		const int fd = pins_open(pins, family ? "flows_v6" : "flows_v4");

		if (fd < 0)
			continue;
		err = flows_each(fd, family == 1, add_element, &transaction);
		(void)close(fd);
	}
	if (transaction.file && fclose(transaction.file) != 0)
		err = -ENOMEM;
	if (err) {
		err = fault_call(fault, err, "reading the flow table");
		goto out;
	}
	if (length)
		err = child_run(argv, text, length, &result);
	if (err || result.status)
		err = fault_set(fault, err ? err : -EIO, "command-failed", "host",
				"repair nft and run it again; without --hand-over the steered connections end",
				"nft does not take the live flows: %s",
				err ? strerror(-err) : result.said);
out:
	free(result.output);
	free(text);
	return err;
}
