// SPDX-License-Identifier: MIT
#include "show.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "flows.h"
#include "health_names.h"
#include "hooks.h"
#include "json.h"
#include "place.h"
#include "program_set.h"
#include "servers.h"

/* For how long a client that was over its share is shown; REFUSED_AGE of ../client.h. */
#define SHOWN_SECONDS 600

struct view {
	const struct pins *pins;
	struct json *json;
	struct links links;
	uint32_t program;
	uint32_t hear_program;
	uint32_t xdp_program;
	struct names listening;
	bool is_whole;		/* everything sits where it should */
};

static uint32_t pinned_id(const struct pins *pins, const char *name)
{
	const int fd = pins_open(pins, name);
	uint32_t id = 0;

	if (fd < 0)
		return 0;
	(void)program_id(fd, &id);
	(void)close(fd);
	return id;
}

static void print_filter(struct view *view, const char *name)
{
	const struct link *link = links_find(&view->links, name);
	const uint32_t id = link ? tc_attached(link->ifindex) : 0;
	const bool is_ours = id && (id == view->program || id == view->hear_program);

	if (!is_ours)
		view->is_whole = false;
	json_open(view->json, NULL, '{');
	json_text(view->json, "name", name);
	json_text(view->json, "filter", is_ours ? "attached" : id ? "other" : "missing");
	json_close(view->json, '}');
}

static int print_interfaces(struct view *view)
{
	struct names names;
	size_t i;
	int err = pins_entries(view->pins, "interfaces", &names);

	json_open(view->json, "interfaces", '[');
	for (i = 0; i < names.count; i++)
		if (!names_have(&view->listening, names.name[i]))
			print_filter(view, names.name[i]);
	json_close(view->json, ']');
	names_free(&names);
	if (!view->listening.count)
		return err;
	json_open(view->json, "listening", '[');
	for (i = 0; i < view->listening.count; i++)
		print_filter(view, view->listening.name[i]);
	json_close(view->json, ']');
	return err;
}

/* Devices that have the XDP program, and ports that joined a bridge since. */
static int xdp_devices(const struct view *view, struct names *devices)
{
	struct names interfaces;
	size_t i;
	int err = pins_entries(view->pins, "xdp", devices);

	if (err || !devices->count)
		return err;
	err = pins_entries(view->pins, "interfaces", &interfaces);
	for (i = 0; !err && i < interfaces.count; i++) {
		const struct link *own = links_find(&view->links, interfaces.name[i]);
		const struct link *ports[PORTS_MAX];
		uint32_t count;
		uint32_t j;

		if (!own || names_have(&view->listening, interfaces.name[i]))
			continue;
		count = bridge_ports(&view->links, own, ports, PORTS_MAX);
		for (j = 0; !err && j < count && j < PORTS_MAX; j++)
			if (!names_have(devices, ports[j]->name))
				err = names_add(devices, ports[j]->name);
	}
	names_free(&interfaces);
	names_sort(devices);
	return err;
}

static void print_device(struct view *view, const char *name)
{
	const struct link *link = links_find(&view->links, name);
	uint32_t id = 0;
	const enum xdp_mode mode = link ? xdp_attached(link->ifindex, &id) : XDP_NONE;
	const char *word = "missing";

	if (mode != XDP_NONE)
		word = id != view->xdp_program ? "other" : mode == XDP_NATIVE ? "native" : "generic";
	if (mode == XDP_NONE || id != view->xdp_program)
		view->is_whole = false;
	json_open(view->json, NULL, '{');
	json_text(view->json, "name", name);
	json_text(view->json, "mode", word);
	json_close(view->json, '}');
}

static int print_xdp(struct view *view)
{
	struct names devices;
	size_t i;
	int err = xdp_devices(view, &devices);

	if (devices.count) {
		json_open(view->json, "xdp", '[');
		for (i = 0; i < devices.count; i++)
			print_device(view, devices.name[i]);
		json_close(view->json, ']');
	}
	names_free(&devices);
	return err;
}

/* pin-metadata.ts: bridge=mac=port. Return: where the bridge hears it now instead, NULL for the same */
static const struct link *moved_to(const struct view *view, char *text, const char **from)
{
	char *mac = strchr(text, '=');
	char *port = mac ? strchr(mac + 1, '=') : NULL;
	const struct link *bridge;
	const struct link *link;
	unsigned int byte[6];
	__u64 station = 0;
	uint64_t heard;
	uint32_t index;
	int i;

	if (!port)
		return NULL;
	*mac++ = 0;
	*port++ = 0;
	if (sscanf(mac, "%2x:%2x:%2x:%2x:%2x:%2x", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
		   &byte[5]) != 6)
		return NULL;
	for (i = 0; i < 6; i++)
		((uint8_t *)&station)[i] = (uint8_t)byte[i];
	bridge = links_find(&view->links, text);
	if (!bridge || bridge_hear(bridge->ifindex, &station, 1, &index, &heard) || !index)
		return NULL;
	link = links_by_index(&view->links, index);
	*from = port;
	return link && strcmp(link->name, port) ? link : NULL;
}

/* Of the first server that moved. */
static int print_moved(struct view *view)
{
	const struct link *to = NULL;
	const char *from = NULL;
	struct names ways;
	size_t i;
	int err = pins_entries(view->pins, "way", &ways);

	for (i = 0; i < ways.count && !to; i++)
		to = moved_to(view, ways.name[i], &from);
	if (to) {
		view->is_whole = false;
		json_open(view->json, "serverMoved", '{');
		json_text(view->json, "from", from);
		json_text(view->json, "to", to->name);
		json_close(view->json, '}');
	}
	names_free(&ways);
	return err;
}

struct flow_counts {
	uint32_t now;
	uint64_t all[2];
	uint64_t live[2];
	uint64_t of_target[TARGETS_MAX];
};

static int count_flow(const struct flow_entry *entry, void *context)
{
	struct flow_counts *counts = context;

	counts->all[entry->is_v6]++;
	if (!flow_is_live(&entry->flow, counts->now))
		return 0;
	counts->live[entry->is_v6]++;
	if (entry->flow.target < TARGETS_MAX)
		counts->of_target[entry->flow.target]++;
	return 0;
}

static void print_families(struct json *json, const char *name, const uint64_t of[2])
{
	json_open(json, name, '{');
	json_number(json, "v4", of[0]);
	json_number(json, "v6", of[1]);
	json_close(json, '}');
}

static int print_flows(struct view *view)
{
	struct flow_counts counts = { .now = flow_clock() };
	uint64_t room[2] = { 0, 0 };
	uint32_t target;
	int family;
	int err = 0;

	for (family = 0; !err && family < 2; family++) {
		struct bpf_map_info info = { 0 };
		uint32_t length = sizeof(info);
		const int fd = pins_open(view->pins, family ? "flows_v6" : "flows_v4");

		if (fd < 0)
			continue;
		err = bpf_obj_get_info_by_fd(fd, &info, &length);
		room[family] = info.max_entries;
		if (!err)
			err = flows_each(fd, family == 1, count_flow, &counts);
		(void)close(fd);
	}
	if (room[0] && room[1])
		print_families(view->json, "flowTable", room);
	print_families(view->json, "flows", counts.all);
	print_families(view->json, "liveFlows", counts.live);
	json_open(view->json, "liveTargets", '[');
	for (target = 0; target < TARGETS_MAX; target++)
		if (counts.of_target[target])
			json_number(view->json, NULL, target);
	json_close(view->json, ']');
	return err;
}

static int print_client(const struct client_key *key, const struct client *client, void *context)
{
	struct json *json = context;
	char text[INET6_ADDRSTRLEN] = "";

	if (client->refused == 0 ||
	    (int32_t)(flow_clock() - client->refused) > (int32_t)flow_units(SHOWN_SECONDS))
		return 0;
	(void)inet_ntop(key->family == 4 ? AF_INET : AF_INET6, key->address, text, sizeof(text));
	json_open(json, NULL, '{');
	json_text(json, "client", text);
	json_number(json, "flows", (int32_t)client->flows > 0 ? client->flows : 0);
	json_close(json, '}');
	return 0;
}

static int print_over_share(struct view *view)
{
	const int fd = pins_open(view->pins, "clients");
	int err = 0;

	json_open(view->json, "overShare", '[');
	if (fd >= 0) {
		err = clients_each(fd, print_client, view->json);
		(void)close(fd);
	}
	json_close(view->json, ']');
	return err;
}

/* `digest` and `outdated`; @program: digest of the program that an attach would bring, NULL: not asked */
static int print_made_from(struct view *view, const char *program)
{
	struct names policy;
	const char *found = NULL;
	int err = pins_entries(view->pins, "policy", &policy);

	if (policy.count) {
		char *dash = strrchr(policy.name[0], '-');

		if (dash) {
			*dash = 0;
			found = dash + 1;
			json_text(view->json, "digest", policy.name[0]);
		}
	}
	json_bool(view->json, "outdated", program && (!found || strcmp(found, program) != 0));
	names_free(&policy);
	return err;
}

/* What grows with the traffic: a look at all flows takes its time. */
static int print_traffic(struct view *view)
{
	int err = servers_print(view->json, view->pins);

	if (!err)
		err = print_flows(view);
	if (!err)
		err = print_over_share(view);
	return err;
}

static int print_view(struct view *view, const char *program, bool is_brief)
{
	int err;

	json_open(view->json, NULL, '{');
	json_number(view->json, "version", REPORT_VERSION);
	err = print_xdp(view);
	if (!err)
		err = print_moved(view);
	if (view->program)
		json_number(view->json, "program", view->program);
	else
		view->is_whole = false;
	if (!err)
		err = print_interfaces(view);
	if (!err && !is_brief)
		err = print_traffic(view);
	if (!err)
		err = print_made_from(view, program);
	json_close(view->json, '}');
	return err;
}

/**
 * show() - Print what is in force now
 * @directory:	The pins
 * @program:	Digest of the program that an attach would bring, NULL: not asked
 * @is_brief:	Where it sits, and nothing that grows with the traffic
 * @out:	Gets `null` where the classifier is not attached
 * @fault:	What went wrong
 *
 * Return: 1 when it sits everywhere, 0 when not, or -errno
 */
int show(const char *directory, const char *program, bool is_brief, FILE *out, struct fault *fault)
{
	const struct pins pins = { directory };
	struct json json = { out, false };
	struct view view = { &pins, &json, .is_whole = true };
	int err = pins_exist(&pins, fault);

	if (err <= 0) {
		if (err == 0)
			(void)fputs("null", out);
		return err;
	}
	err = links_read(&view.links);
	if (!err)
		err = pins_entries(&pins, "listening", &view.listening);
	view.program = pinned_id(&pins, "program");
	view.hear_program = pinned_id(&pins, "hear_program");
	view.xdp_program = pinned_id(&pins, "xdp_program");
	if (!err)
		err = print_view(&view, program, is_brief);
	links_free(&view.links);
	names_free(&view.listening);
	return err ? fault_call(fault, err, "reading the classifier") : view.is_whole;
}
