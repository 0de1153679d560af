/* SPDX-License-Identifier: MIT */
/* What of a bundle the host alone knows: which interfaces are which, and where XDP sits and sends. */
#ifndef SIDETRACK_LOADER_PLACE_H
#define SIDETRACK_LOADER_PLACE_H

#include "contents.h"
#include "netlink.h"
#include "pins.h"

struct device {
	char name[IF_NAMESIZE];
	uint32_t ifindex;
	bool hears_only;
};

struct place {
	struct device interfaces[2 * BUNDLE_INTERFACES_MAX];
	uint32_t interface_count;
	/* With the XDP program. */
	struct device ports[PORTS_MAX];
	uint32_t port_count;
	/* On which ports bridges heard the servers: texts of the pins' `way`. */
	struct names ways;
};

int place_find(struct contents *contents, struct place *place, struct fault *fault);
void place_free(struct place *place);

const struct link *require_ethernet(const struct links *links, const char *name,
				    struct fault *fault);
uint32_t bridge_ports(const struct links *links, const struct link *own,
		      const struct link **ports, uint32_t room);

#endif /* SIDETRACK_LOADER_PLACE_H */
