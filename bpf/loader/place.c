// SPDX-License-Identifier: MIT
#include "place.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <stdio.h>
#include <string.h>

/* Return: the link, or NULL with @fault set unless it exists and carries Ethernet frames */
const struct link *require_ethernet(const struct links *links, const char *name,
				    struct fault *fault)
{
	const struct link *link = links_find(links, name);

	if (!link)
		(void)fault_set(fault, -ENODEV, "interface-missing", "host", "see: ip -br link",
				"there is no interface \"%s\"", name);
	else if (link->type != ARPHRD_ETHER)
		(void)fault_set(fault, -EINVAL, "interface-not-ethernet", "user",
				FAULT_NFTABLES " for tunnels and PPP",
				"\"%s\" carries no Ethernet frames", name);
	else
		return link;
	return NULL;
}

/* The devices that frames come in by: itself, or its ports. Return: how many, of which @room are told */
uint32_t bridge_ports(const struct links *links, const struct link *own,
		      const struct link **ports, uint32_t room)
{
	uint32_t count = 0;
	uint32_t i;

	if (!own->is_bridge) {
		if (room)
			ports[0] = own;
		return 1;
	}
	for (i = 0; i < links->count; i++) {
		if (links->link[i].master != own->ifindex)
			continue;
		if (count < room)
			ports[count] = &links->link[i];
		count++;
	}
	return count;
}

static void add_interface(struct place *place, const struct link *link, bool hears_only)
{
	struct device *device = NULL;
	uint32_t i;

	for (i = 0; i < place->interface_count; i++)
		if (place->interfaces[i].ifindex == link->ifindex)
			device = &place->interfaces[i];
	if (!device)
		device = &place->interfaces[place->interface_count++];
	memcpy(device->name, link->name, sizeof(device->name));
	device->ifindex = link->ifindex;
	device->hears_only = hears_only;
}

static int find_interfaces(const struct contents *contents, const struct links *links,
			   struct place *place, struct fault *fault)
{
	const struct link *link;
	uint32_t i;

	for (i = 0; i < contents->listening_count; i++) {
		link = require_ethernet(links, contents->listening[i], fault);
		if (!link)
			return -ENODEV;
		add_interface(place, link, true);
	}
	for (i = 0; i < contents->interface_count; i++) {
		link = require_ethernet(links, contents->interfaces[i], fault);
		if (!link)
			return -ENODEV;
		add_interface(place, link, false);
	}
	return 0;
}

static uint32_t index_of(const struct links *links, const char *name)
{
	const struct link *link = name[0] ? links_find(links, name) : NULL;

	return link ? link->ifindex : 0;
}

static int find_targets(struct contents *contents, const struct links *links, struct fault *fault)
{
	const struct link *link;
	uint32_t i;

	for (i = 0; i < contents->target_count; i++) {
		const struct bundle_target *names = &contents->targets[i];
		struct target *target = &contents->config.target[i];

		target->route_v4 = index_of(links, names->route_v4);
		target->route_v6 = index_of(links, names->route_v6);
		if (!names->redirect[0])
			continue;
		link = require_ethernet(links, names->redirect, fault);
		if (!link)
			return -ENODEV;
		target->redirect_ifindex = link->ifindex;
	}
	return 0;
}

static int add_port(struct contents *contents, struct place *place, const struct link *port,
		    const struct link *router)
{
	struct device *device = &place->ports[place->port_count];
	struct config *config = &contents->config;

	memcpy(device->name, port->name, sizeof(device->name));
	device->ifindex = port->ifindex;
	config->port[place->port_count++] = (struct port){
		.ifindex = port->ifindex,
		.router_ifindex = router->ifindex,
		.mac = router->mac,
	};
	config->ports = place->port_count;
	return 0;
}

static int find_ports(struct contents *contents, const struct links *links, struct place *place,
		      struct fault *fault)
{
	uint32_t i;

	for (i = 0; i < contents->interface_count; i++) {
		const struct link *own = links_find(links, contents->interfaces[i]);
		const struct link *ports[PORTS_MAX];
		const uint32_t count = bridge_ports(links, own, ports, PORTS_MAX);
		uint32_t j;

		if (place->port_count + count > PORTS_MAX)
			return fault_set(fault, -E2BIG, "too-many-ports", "user",
					 "write forwarding: redirect",
					 "XDP takes at most %d devices, not %u", PORTS_MAX,
					 place->port_count + count);
		for (j = 0; j < count; j++)
			(void)add_port(contents, place, ports[j], own);
	}
	return 0;
}

static int add_way(struct place *place, const struct link *bridge, uint64_t mac,
		   const struct link *port)
{
	const uint8_t *byte = (const uint8_t *)&mac;
	char text[2 * IF_NAMESIZE + 32];

	(void)snprintf(text, sizeof(text), "%s=%02x:%02x:%02x:%02x:%02x:%02x=%s", bridge->name,
		       byte[0], byte[1], byte[2], byte[3], byte[4], byte[5], port->name);
	return names_have(&place->ways, text) ? 0 : names_add(&place->ways, text);
}

/* Where frames to a server leave: behind a bridge, the port on which it was last heard, if it was. */
static int find_exit(const struct links *links, const struct bundle_target *names,
		     struct target *target, struct place *place)
{
	const struct link *own = links_find(links, names->redirect);
	const struct link *link;
	uint64_t mac;
	uint32_t port;
	int err;

	if (!own->is_bridge) {
		target->xdp_ifindex = own->ifindex;
		return 0;
	}
	err = bridge_hear(own->ifindex, names->mac, names->macs, &port, &mac);
	link = err ? NULL : links_by_index(links, port);
	if (!link)
		return err;
	target->xdp_ifindex = port;
	return add_way(place, own, mac, link);
}

/* One server that is switched off must not keep the others from being changed; all of them are a mistake. */
static int find_exits(struct contents *contents, const struct links *links, struct place *place,
		      struct fault *fault)
{
	uint32_t found = 0;
	uint32_t i;
	int err;

	for (i = 0; i < contents->target_count; i++) {
		if (!contents->targets[i].redirect[0])
			return fault_set(fault, -EINVAL, "xdp-needs-redirect", "user",
					 "name the interface to the server",
					 "XDP can redirect packets, but not mark them");
		err = find_exit(links, &contents->targets[i], &contents->config.target[i], place);
		if (err)
			return fault_call(fault, err, "listing the bridge's neighbours");
		if (contents->config.target[i].xdp_ifindex)
			found++;
	}
	if (found || contents->target_count == 0)
		return 0;
	return fault_set(fault, -EHOSTUNREACH, "xdp-port-unknown", "host",
			 "ping the server, then look: bridge fdb show",
			 "no port of %s has heard the server yet", contents->targets[0].redirect);
}

/**
 * place_find() - Put what only the host knows into a bundle's constants
 * @contents:	The bundle; its config is changed
 * @place:	Where the programs go; to be freed in any case
 * @fault:	What is not there
 *
 * Return: 0 or -errno
 */
int place_find(struct contents *contents, struct place *place, struct fault *fault)
{
	struct links links;
	int err;

	*place = (struct place){ 0 };
	err = links_read(&links);
	if (err)
		err = fault_call(fault, err, "listing interfaces");
	else
		err = find_interfaces(contents, &links, place, fault);
	if (!err)
		err = find_targets(contents, &links, fault);
	if (!err && contents->settings->xdp) {
		err = find_ports(contents, &links, place, fault);
		if (!err)
			err = find_exits(contents, &links, place, fault);
	}
	links_free(&links);
	return err;
}

void place_free(struct place *place)
{
	names_free(&place->ways);
}
