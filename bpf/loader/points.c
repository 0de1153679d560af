// SPDX-License-Identifier: MIT
#include "points.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hooks.h"

static int attach_filter(const struct pins *pins, const char *name, uint32_t ifindex, int program,
			 struct fault *fault)
{
	const bool was_made = pins_has_entry(pins, "interfaces", name, "clsact");
	bool is_made;
	/* Before it is made: a crash in between must not leave one that is not pinned. */
	int err = pins_add(pins, "interfaces", name, "clsact");

	if (err)
		return fault_call(fault, err, "noting the interface");
	err = tc_ensure_qdisc(ifindex, &is_made, fault);
	if (!err && !is_made && !was_made)
		pins_drop(pins, "interfaces", name, "clsact");
	return err ? err : tc_attach(name, ifindex, program, fault);
}

int points_detach_filter(const struct pins *pins, const char *name, struct fault *fault)
{
	const uint32_t ifindex = if_nametoindex(name);

	if (ifindex) {
		const int err = tc_detach(ifindex, fault);

		if (err)
			return err;
		if (pins_has_entry(pins, "interfaces", name, "clsact"))
			tc_remove_unused_qdisc(ifindex);
	}
	/* An interface that vanished took its filters with it. */
	pins_drop(pins, "interfaces", name, "clsact");
	pins_drop(pins, "interfaces", name, NULL);
	return 0;
}

int points_detach_xdp(const struct pins *pins, const char *name, struct fault *fault)
{
	const uint32_t ifindex = if_nametoindex(name);
	const int err = ifindex ? xdp_detach(ifindex, fault) : 0;

	if (!err)
		pins_drop(pins, "xdp", name, NULL);
	return err;
}

int before_read(const struct pins *pins, struct before *before, struct fault *fault)
{
	size_t i;
	int err;

	*before = (struct before){ 0 };
	err = pins_entries(pins, "interfaces", &before->interfaces);
	if (!err)
		err = pins_entries(pins, "xdp", &before->devices);
	before->program = calloc(before->interfaces.count + 1, sizeof(*before->program));
	if (!err && !before->program)
		err = -ENOMEM;
	if (err)
		return fault_call(fault, err, "reading the pins");
	for (i = 0; i < before->interfaces.count; i++) {
		const uint32_t ifindex = if_nametoindex(before->interfaces.name[i]);

		before->program[i] = ifindex ? tc_attached(ifindex) : 0;
	}
	return 0;
}

void before_free(struct before *before)
{
	names_free(&before->interfaces);
	names_free(&before->devices);
	free(before->program);
	*before = (struct before){ 0 };
}

struct old_program {
	int fd;
	uint32_t id;
};

static bool was_attached(const struct before *before, const char *name, uint32_t *id)
{
	size_t i;

	for (i = 0; i < before->interfaces.count; i++) {
		if (strcmp(before->interfaces.name[i], name))
			continue;
		*id = before->program[i];
		return true;
	}
	return false;
}

/* Puts the program set in force back where another one was already. */
void points_revert_filters(const struct pins *pins, const struct place *place, uint32_t touched,
			   const struct before *before)
{
	struct old_program old[] = { { pins_open(pins, "program"), 0 },
				     { pins_open(pins, "hear_program"), 0 } };
	struct fault ignored = { 0 };
	uint32_t i;
	size_t j;

	for (j = 0; j < 2; j++)
		if (old[j].fd >= 0)
			(void)program_id(old[j].fd, &old[j].id);
	for (i = 0; i < touched; i++) {
		const struct device *device = &place->interfaces[i];
		const uint32_t ifindex = if_nametoindex(device->name);
		uint32_t id = 0;
		const bool was = was_attached(before, device->name, &id);
		const struct old_program *chosen = old[1].fd >= 0 && old[1].id == id ? &old[1]
										     : &old[0];

		if (ifindex && was && chosen->fd >= 0)
			(void)tc_attach(device->name, ifindex, chosen->fd, &ignored);
		else
			(void)points_detach_filter(pins, device->name, &ignored);
	}
	for (j = 0; j < 2; j++)
		if (old[j].fd >= 0)
			(void)close(old[j].fd);
}

/* Every interface's filter in one step each; if one fails, the old ones are put back. */
int points_replace_filters(const struct pins *pins, const struct place *place,
			   const struct program_set *set, const struct before *before,
			   struct fault *fault)
{
	uint32_t i;
	int err = 0;

	for (i = 0; !err && i < place->interface_count; i++) {
		const struct device *device = &place->interfaces[i];
		const char *name = device->hears_only ? PROGRAM_HEAR : PROGRAM_TC;

		err = attach_filter(pins, device->name, device->ifindex,
				    program_set_program(set, name), fault);
	}
	if (err)
		points_revert_filters(pins, place, i, before);
	return err;
}

/* Comes after the filters: what XDP passes must be judged by the same program set or a later one. */
int points_replace_xdp(const struct pins *pins, const struct place *place, int program,
		       const struct before *before, struct fault *fault)
{
	struct fault ignored = { 0 };
	uint32_t touched;
	uint32_t i;
	int err = 0;
	int old;

	for (touched = 0; !err && touched < place->port_count; touched++) {
		const struct device *device = &place->ports[touched];

		err = pins_add(pins, "xdp", device->name, NULL);
		if (err)
			err = fault_call(fault, err, "noting the device");
		else
			err = xdp_attach(device->name, device->ifindex, program, fault);
	}
	if (!err)
		return 0;
	old = pins_open(pins, "xdp_program");
	for (i = 0; i < touched; i++) {
		const struct device *device = &place->ports[i];

		if (old >= 0 && names_have(&before->devices, device->name))
			(void)xdp_attach(device->name, device->ifindex, old, &ignored);
		else
			(void)points_detach_xdp(pins, device->name, &ignored);
	}
	if (old >= 0)
		(void)close(old);
	return err;
}

/* From where the pins say that we are. */
int points_detach_pinned(const struct pins *pins, struct fault *fault)
{
	struct names names;
	size_t i;
	int err = pins_entries(pins, "xdp", &names);

	for (i = 0; !err && i < names.count; i++)
		err = points_detach_xdp(pins, names.name[i], fault);
	names_free(&names);
	if (err)
		return fault_call(fault, err, "reading the pins");
	err = pins_entries(pins, "interfaces", &names);
	for (i = 0; !err && i < names.count; i++)
		err = points_detach_filter(pins, names.name[i], fault);
	names_free(&names);
	return err ? fault_call(fault, err, "reading the pins") : 0;
}

/* Pins may have been removed by hand; programs stay where they are attached. */
int points_detach_unpinned(struct fault *fault)
{
	struct links links;
	uint32_t i;
	int err = links_read(&links);

	if (err)
		err = fault_call(fault, err, "listing interfaces");
	for (i = 0; !err && i < links.count; i++) {
		const uint32_t ifindex = links.link[i].ifindex;

		err = xdp_detach(ifindex, fault);
		if (err || !tc_is_ours(ifindex))
			continue;
		err = tc_detach(ifindex, fault);
		if (!err)
			tc_remove_unused_qdisc(ifindex);
	}
	links_free(&links);
	return err;
}
