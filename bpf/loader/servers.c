// SPDX-License-Identifier: MIT
#include "servers.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "health_names.h"

/* For how long a server that was never heard is believed in, where no other is known either. */
#define BELIEF_NS 5000000000ull

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static struct server_state state_of(int fd, uint32_t number)
{
	struct server_state state;

	if (bpf_map_lookup_elem(fd, &number, &state) != 0)
		memset(&state, 0, sizeof(state));
	return state;
}

/* Nothing is known, or, believed, that it is fit. */
static struct server_state fresh_state(const struct bundle_server *server, bool is_believed)
{
	struct server_state state = { .owner = server->owner };
	const uint64_t now = now_ns();
	int family;

	if (!is_believed)
		return state;
	state.heard = now + BELIEF_NS - HEARTBEAT_ALIVE_NS;
	for (family = 0; family < 2; family++) {
		if (!(server->families & 1u << family))
			continue;
		state.family[family].since = now;
		state.family[family].is_up = 1;
	}
	return state;
}

/**
 * servers_begin() - Begin the state of servers that have none, or one of another key
 * @fd:		The map
 * @contents:	The servers
 * @before:	What was there
 *
 * Where none of them has one all are believed in for a moment: else an attach
 * would leave every new flow to on_failure.
 *
 * Return: 0 or -errno
 */
int servers_begin(int fd, const struct contents *contents, struct server_memory *before)
{
	bool are_all_fresh = true;
	uint32_t i;
	int err = 0;

	memset(before, 0, sizeof(*before));
	for (i = 0; i < contents->server_count; i++) {
		const struct bundle_server *server = &contents->servers[i];

		if (!server->owner)
			continue;
		before->state[server->number] = state_of(fd, server->number);
		before->is_changed[server->number] =
			before->state[server->number].owner != server->owner;
		if (!before->is_changed[server->number])
			are_all_fresh = false;
	}
	for (i = 0; !err && i < contents->server_count; i++) {
		const struct bundle_server *server = &contents->servers[i];
		struct server_state state;

		if (!before->is_changed[server->number])
			continue;
		state = fresh_state(server, are_all_fresh);
		err = bpf_map_update_elem(fd, &server->number, &state, BPF_ANY);
	}
	return err;
}

/* Puts back what servers_begin() changed. */
void servers_restore(int fd, const struct server_memory *before)
{
	uint32_t number;

	for (number = 0; number < TARGETS_MAX; number++)
		if (before->is_changed[number])
			(void)bpf_map_update_elem(fd, &number, &before->state[number], BPF_ANY);
}

/* Of targets that are not judged by heartbeats any more, or not there. */
int servers_forget(int fd, const struct contents *contents)
{
	static const struct server_state nothing;
	uint32_t number;
	uint32_t i;
	int err = 0;

	for (number = 0; !err && number < TARGETS_MAX; number++) {
		bool is_kept = false;

		for (i = 0; i < contents->server_count; i++)
			if (contents->servers[i].number == number && contents->servers[i].owner)
				is_kept = true;
		if (!is_kept)
			err = bpf_map_update_elem(fd, &number, &nothing, BPF_ANY);
	}
	return err;
}

/* A server as an attach left it for those who look later; the name comes last, it may hold anything. */
struct known {
	uint32_t number;
	char health[16];
	bool is_drained;
	uint32_t families;
	uint64_t owner;
	const char *name;
};

/* pin-metadata.ts: number=health=drained=families=owner=name. */
static bool read_known(const char *text, struct known *known)
{
	char state[16];
	char families[4];
	const char *part[6] = { text };
	size_t lengths[5];
	size_t i;

	for (i = 0; i < 5; i++) {
		const char *end = strchr(part[i], '=');

		if (!end)
			return false;
		lengths[i] = (size_t)(end - part[i]);
		part[i + 1] = end + 1;
	}
	if (lengths[1] >= sizeof(known->health) || lengths[2] >= sizeof(state) ||
	    lengths[3] >= sizeof(families))
		return false;
	known->number = (uint32_t)strtoul(part[0], NULL, 10);
	memset(known->health, 0, sizeof(known->health));
	memcpy(known->health, part[1], lengths[1]);
	known->is_drained = lengths[2] > 0;
	known->families = (memchr(part[3], '4', lengths[3]) ? 1u : 0) |
			  (memchr(part[3], '6', lengths[3]) ? 2u : 0);
	known->owner = strtoull(part[4], NULL, 16);
	known->name = part[5];
	return known->number < TARGETS_MAX;
}

static int by_number(const void *a, const void *b)
{
	const struct known *one = a;
	const struct known *other = b;

	return (one->number > other->number) - (one->number < other->number);
}

static const char *family_word(const struct server_state *state, int family, uint64_t now,
			       bool is_silent)
{
	const struct family_state *own = &state->family[family];
	const uint8_t fit = family == 0 ? HEARTBEAT_FIT4 : HEARTBEAT_FIT6;

	if (is_silent)
		return "silent";
	if (own->is_up)
		return own->held_until > now ? "held" : "alive";
	return (state->flags & fit) && !(state->flags & HEARTBEAT_LEAVING) ? "rising" : "unfit";
}

/* Since it was given flows without a break, of the family that was so the longest; 0: of none */
static uint64_t alive_ns(const struct known *known, const struct server_state *state, uint64_t now,
			 bool is_silent)
{
	uint64_t longest = 0;
	int family;

	for (family = 0; family < 2; family++) {
		if (!(known->families & 1u << family) ||
		    strcmp(family_word(state, family, now, is_silent), "alive"))
			continue;
		if (now - state->family[family].since > longest)
			longest = now - state->family[family].since;
	}
	return longest;
}

static void print_ignored(struct json *json, const struct server_state *state, bool is_own)
{
	static const char *const names[] = {
#define X(name, help) #name,
		IGNORED(X)
#undef X
	};
	int kind;

	json_open(json, "ignored", '{');
	for (kind = 0; kind < IGNORED_KINDS; kind++)
		json_number(json, names[kind], is_own ? state->ignored[kind] : 0);
	json_close(json, '}');
}

static void print_server(struct json *json, const struct known *known,
			 const struct server_state *state)
{
	static const char *const reasons[] = {
#define X(name) #name,
		HEARTBEAT_REASONS(X)
#undef X
	};
	const uint64_t now = now_ns();
	const bool is_own = known->owner && state->owner == known->owner;
	const bool was_heard = is_own && state->counter;
	const bool is_silent = (int64_t)(now - state->heard) > (int64_t)HEARTBEAT_ALIVE_NS;
	const bool is_believed = is_own && state->heard && !is_silent;
	uint64_t alive;
	int family;

	json_open(json, NULL, '{');
	json_text(json, "server", known->name);
	json_text(json, "health", known->health);
	json_bool(json, "drained", known->is_drained);
	json_open(json, "families", '{');
	for (family = 0; family < 2; family++)
		if (known->families & 1u << family)
			json_text(json, family == 0 ? "4" : "6",
				  was_heard || is_believed
					  ? family_word(state, family, now, is_silent)
					  : "unknown");
	json_close(json, '}');
	alive = was_heard ? alive_ns(known, state, now, is_silent) : 0;
	if (was_heard)
		json_seconds(json, "lastHeardSeconds", now > state->heard ? now - state->heard : 0);
	if (alive)
		json_seconds(json, "aliveSeconds", alive);
	if (was_heard && state->reason < sizeof(reasons) / sizeof(reasons[0]))
		json_text(json, "reason", reasons[state->reason]);
	print_ignored(json, state, is_own);
	json_close(json, '}');
}

/* `servers`: what the heartbeats said, by the targets' numbers. Return: 0 or -errno */
int servers_print(struct json *json, const struct pins *pins)
{
	struct known known[TARGETS_MAX];
	struct names texts;
	size_t count = 0;
	size_t i;
	int fd = pins_open(pins, "servers");
	int err = pins_entries(pins, "targets", &texts);

	for (i = 0; i < texts.count && count < TARGETS_MAX; i++)
		if (read_known(texts.name[i], &known[count]))
			count++;
	qsort(known, count, sizeof(known[0]), by_number);
	json_open(json, "servers", '[');
	for (i = 0; !err && fd >= 0 && i < count; i++) {
		const struct server_state state = state_of(fd, known[i].number);

		print_server(json, &known[i], &state);
	}
	json_close(json, ']');
	if (fd >= 0)
		(void)close(fd);
	names_free(&texts);
	return err;
}
