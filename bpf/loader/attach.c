// SPDX-License-Identifier: MIT
/*
 * To attach is to bring a new program set into force: everything is loaded and
 * written first, then each interface's filter is replaced in one step, so every
 * packet meets either the old policy or the new one.  If a step fails, the old
 * program set stays; what a crash leaves is repaired by the next call.
 */
#include "attach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "flows.h"
#include "hooks.h"
#include "nft.h"
#include "place.h"
#include "points.h"
#include "program_set.h"
#include "servers.h"

/* A program set that is loaded, and what it is to replace. */
struct attachment {
	struct contents *contents;
	const struct attach_options *options;
	struct pins pins;
	struct place place;
	struct program_set set;
	struct before before;
	struct names policy;		/* of the one in force */
	struct server_memory servers;
};

/* Pins of a program set; `program` comes last, so that it vouches for the others. */
static const char *const program_pins[] = { "xdp_program", "hear_program", "rule_counters",
					    "rule_names", "program" };

static int require_free(const struct place *place, struct fault *fault)
{
	uint32_t i;
	int err = 0;

	for (i = 0; !err && i < place->interface_count; i++)
		err = tc_require_free(place->interfaces[i].name, place->interfaces[i].ifindex, fault);
	for (i = 0; !err && i < place->port_count; i++)
		err = xdp_require_free(place->ports[i].name, place->ports[i].ifindex, fault);
	return err;
}

/* Everything that can be known without a change. @attachment is to be freed in any case. */
static int prepare(struct attachment *attachment, struct fault *fault)
{
	int err = require_features(fault);

	if (!err)
		err = pins_require_file_system(&attachment->pins, fault);
	if (!err)
		err = place_find(attachment->contents, &attachment->place, fault);
	if (!err)
		err = require_free(&attachment->place, fault);
	if (!err)
		err = tc_require_qdisc(fault);
	if (!err)
		err = program_set_load(&attachment->set, &attachment->pins, attachment->contents,
				       fault);
	return err;
}

static void release(struct attachment *attachment)
{
	program_set_free(&attachment->set);
	place_free(&attachment->place);
	before_free(&attachment->before);
	names_free(&attachment->policy);
}

/**
 * attach_try() - Whether attach() would succeed, as far as one can know without a change
 * @contents:	What to attach
 * @options:	Where
 * @fault:	What it would be refused for
 *
 * Everything is loaded, so the verifier has had its say, and thrown away.
 *
 * Return: 0 or -errno
 */
int attach_try(struct contents *contents, const struct attach_options *options, struct fault *fault)
{
	struct attachment attachment = { contents, options, .pins = { options->directory } };
	const int err = prepare(&attachment, fault);

	release(&attachment);
	return err;
}

/* Return: a descriptor of what is to be pinned so, or -errno where this program set has none */
static int descriptor_of(const struct attachment *attachment, const char *pin)
{
	const struct program_set *set = &attachment->set;

	if (!strcmp(pin, "program"))
		return program_set_program(set, PROGRAM_TC);
	if (!strcmp(pin, "hear_program"))
		return attachment->contents->listening_count ? program_set_program(set, PROGRAM_HEAR)
							     : -ENOENT;
	if (!strcmp(pin, "xdp_program"))
		return attachment->contents->settings->xdp ? program_set_program(set, PROGRAM_XDP)
							   : -ENOENT;
	return program_set_map(set, pin);
}

typedef int pin_fn(const struct pins *pins, const char *name, int fd, struct fault *fault);

static int commit(const struct pins *pins, const char *name, int fd, struct fault *fault)
{
	(void)fd;
	return pins_commit_next(pins, name, fault);
}

static int discard(const struct pins *pins, const char *name, int fd, struct fault *fault)
{
	(void)fd;
	(void)fault;
	pins_discard_next(pins, name);
	return 0;
}

/* Of each pin of the program set: shared maps that begin with it, then its own. */
static int each_pin(const struct attachment *attachment, pin_fn *visit, struct fault *fault)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < SHARED_COUNT; i++)
		if (attachment->set.is_made[i])
			err = visit(&attachment->pins, shared_name(i),
				    program_set_map(&attachment->set, shared_name(i)), fault);
	for (i = 0; !err && i < sizeof(program_pins) / sizeof(program_pins[0]); i++) {
		const int fd = descriptor_of(attachment, program_pins[i]);

		if (fd >= 0)
			err = visit(&attachment->pins, program_pins[i], fd, fault);
	}
	return err;
}

struct filling {
	int fd;
	int clients;
};

static int fill(const struct flow_entry *entry, void *context)
{
	const struct filling *filling = context;

	return flows_enter(filling->fd, filling->clients, entry);
}

static int count(const struct flow_entry *entry, void *context)
{
	const struct filling *filling = context;

	return clients_count(filling->clients, entry);
}

static struct filling filling_of(const struct attachment *attachment, bool is_v6)
{
	return (struct filling){
		program_set_map(&attachment->set, is_v6 ? "flows_v6" : "flows_v4"),
		program_set_map(&attachment->set, "clients"),
	};
}

/* Tells a new flow table what the old one knows. */
static int fill_from_old(const struct attachment *attachment, bool is_v6)
{
	const enum shared_map map = is_v6 ? SHARED_flows_v6 : SHARED_flows_v4;
	struct filling filling = filling_of(attachment, is_v6);
	uint32_t entries;
	int old;
	int err;

	if (!attachment->set.is_made[map])
		return 0;
	old = shared_open(&attachment->pins, map, &entries);
	if (old < 0)
		return 0;
	err = flows_each(old, is_v6, fill, &filling);
	(void)close(old);
	return err;
}

/* A new table of clients beside a flow table that goes on: an older version did not count. */
static int count_kept(const struct attachment *attachment, bool is_v6)
{
	struct filling filling = filling_of(attachment, is_v6);

	if (!attachment->set.is_made[SHARED_clients] ||
	    attachment->set.is_made[is_v6 ? SHARED_flows_v6 : SHARED_flows_v4])
		return 0;
	return flows_each(filling.fd, is_v6, count, &filling);
}

/* What the old flow table, or another classifier, knows. */
static int fill_flows(const struct attachment *attachment, const struct flow_list *others,
		      struct fault *fault)
{
	size_t i;
	int err = fill_from_old(attachment, false);

	if (!err)
		err = fill_from_old(attachment, true);
	for (i = 0; !err && i < others->count; i++) {
		const struct flow_entry *entry = &others->entry[i];
		const struct filling filling = filling_of(attachment, entry->is_v6);

		err = flows_enter(filling.fd, filling.clients, entry);
	}
	return err ? fault_call(fault, err, "taking over the live flows") : 0;
}

/* Before the filters change: all that is to be there when they do. */
static int make_ready(struct attachment *attachment, struct fault *fault)
{
	const struct pins *pins = &attachment->pins;
	struct flow_list others = { 0 };
	int err = pins_create(pins, fault);

	if (err)
		return err;
	pins_discard_all_next(pins);
	err = pins_write_one(pins, "policy", NULL);
	if (err)
		return fault_call(fault, err, "writing beside the pins");
	err = each_pin(attachment, pins_pin_next, fault);
	if (!err) {
		err = count_kept(attachment, false);
		if (!err)
			err = count_kept(attachment, true);
		if (err)
			err = fault_call(fault, err, "counting the flows of each client");
	}
	if (!err && attachment->options->takes_over)
		err = nft_take_over(&others, fault);
	if (!err)
		err = fill_flows(attachment, &others, fault);
	flow_list_free(&others);
	if (err)
		return err;
	err = servers_begin(program_set_map(&attachment->set, "servers"), attachment->contents,
			    &attachment->servers);
	return err ? fault_call(fault, err, "beginning the servers' state") : 0;
}

/* Replaces the filters and XDP; if that fails, the old ones are put back. */
static int replace(struct attachment *attachment, struct fault *fault)
{
	const struct pins *pins = &attachment->pins;
	const struct place *place = &attachment->place;
	struct flow_list others = { 0 };
	int err = points_replace_filters(pins, place, &attachment->set, &attachment->before, fault);

	if (err)
		return err;
	/* What was admitted in between; asked while the old filters can still be put back. */
	if (attachment->options->takes_over)
		err = nft_take_over(&others, fault);
	if (!err && attachment->contents->settings->xdp)
		err = points_replace_xdp(pins, place,
					 program_set_program(&attachment->set, PROGRAM_XDP),
					 &attachment->before, fault);
	if (err)
		points_revert_filters(pins, place, place->interface_count, &attachment->before);
	else
		err = fill_flows(attachment, &others, fault);
	flow_list_free(&others);
	return err;
}

static bool is_device(const struct device *devices, uint32_t count, const char *name)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(devices[i].name, name))
			return true;
	return false;
}

/* Where an earlier one sat, and this one does not. */
static int detach_elsewhere(const struct attachment *attachment, struct fault *fault)
{
	const struct place *place = &attachment->place;
	struct names names;
	size_t i;
	int err = pins_entries(&attachment->pins, "xdp", &names);

	for (i = 0; !err && i < names.count; i++)
		if (!is_device(place->ports, place->port_count, names.name[i]))
			err = points_detach_xdp(&attachment->pins, names.name[i], fault);
	names_free(&names);
	if (!attachment->contents->settings->xdp)
		pins_discard(&attachment->pins, "xdp_program");
	if (!attachment->contents->listening_count)
		pins_discard(&attachment->pins, "hear_program");
	if (!err)
		err = pins_entries(&attachment->pins, "interfaces", &names);
	for (i = 0; !err && i < names.count; i++)
		if (!is_device(place->interfaces, place->interface_count, names.name[i]))
			err = points_detach_filter(&attachment->pins, names.name[i], fault);
	names_free(&names);
	return err ? fault_call(fault, err, "reading the pins") : 0;
}

static int write_metadata(const struct attachment *attachment, struct fault *fault)
{
	const struct contents *contents = attachment->contents;
	struct names servers = { 0 };
	struct names listening = { 0 };
	char policy[BUNDLE_METADATA_LENGTH];
	uint32_t i;
	int err = 0;

	for (i = 0; !err && i < contents->server_count; i++)
		err = names_add(&servers, contents->servers[i].metadata);
	for (i = 0; !err && i < contents->listening_count; i++)
		err = names_add(&listening, contents->listening[i]);
	if (!err)
		err = pins_write(&attachment->pins, "way", &attachment->place.ways);
	if (!err)
		err = pins_write(&attachment->pins, "targets", &servers);
	if (!err)
		err = pins_write(&attachment->pins, "listening", &listening);
	if (!err)
		err = servers_forget(program_set_map(&attachment->set, "servers"), contents);
	if (!err && attachment->options->digest) {
		(void)snprintf(policy, sizeof(policy), "%s-%s", attachment->options->digest,
			       contents->settings->program);
		err = pins_write_one(&attachment->pins, "policy", policy);
	}
	names_free(&servers);
	names_free(&listening);
	return err ? fault_call(fault, err, "writing beside the pins") : 0;
}

/*
 * Back to what was there; where there was nothing, nothing stays.  Once the new
 * program set judges there is no way back: then nothing is said of what is in
 * force, so that it is taken for neither, and the next attach makes it whole.
 */
static void undo(struct attachment *attachment, bool is_in_force)
{
	const struct pins *pins = &attachment->pins;
	struct fault ignored = { 0 };

	if (!is_in_force)
		servers_restore(program_set_map(&attachment->set, "servers"),
				&attachment->servers);
	(void)each_pin(attachment, discard, &ignored);
	if (pins_have(pins, "program")) {
		if (!is_in_force)
			(void)pins_write(pins, "policy", &attachment->policy);
		return;
	}
	(void)points_detach_pinned(pins, &ignored);
	pins_remove(pins);
}

/**
 * attach() - Bring a program set into force on its interfaces, and nowhere else
 * @contents:	What to attach
 * @options:	Where, and with which flows
 * @fault:	What went wrong; what was in force is then still, or again, or has
 *		no digest any more
 *
 * Return: 0 or -errno
 */
int attach(struct contents *contents, const struct attach_options *options, struct fault *fault)
{
	struct attachment attachment = { contents, options, .pins = { options->directory } };
	bool is_in_force = false;
	int err = prepare(&attachment, fault);

	if (!err)
		err = before_read(&attachment.pins, &attachment.before, fault);
	if (!err && pins_entries(&attachment.pins, "policy", &attachment.policy))
		err = fault_call(fault, -EIO, "reading the pins");
	if (err)
		goto out;
	err = make_ready(&attachment, fault);
	if (!err)
		err = replace(&attachment, fault);
	is_in_force = !err;
	if (!err)
		err = each_pin(&attachment, commit, fault);
	if (!err)
		err = detach_elsewhere(&attachment, fault);
	if (!err)
		err = write_metadata(&attachment, fault);
	if (err)
		undo(&attachment, is_in_force);
out:
	release(&attachment);
	return err;
}

/**
 * detach() - Take everything away that attach() made, wherever it sits, also when the pins are gone
 * @directory:	The pins
 * @hands_over:	Give the live flows to the nftables classifier first
 * @was_there:	Whether there was anything
 * @fault:	What went wrong
 *
 * Return: 0 or -errno
 */
int detach(const char *directory, bool hands_over, bool *was_there, struct fault *fault)
{
	const struct pins pins = { directory };
	const int exist = pins_exist(&pins, fault);
	int err = exist < 0 ? exist : 0;

	*was_there = exist > 0;
	/* While the filters still steer: what begins now, nftables sees too. */
	if (!err && exist && hands_over)
		err = nft_hand_over(&pins, fault);
	if (!err)
		err = points_detach_pinned(&pins, fault);
	if (!err)
		err = points_detach_unpinned(fault);
	if (!err)
		pins_remove(&pins);
	return err;
}
