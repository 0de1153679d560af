// SPDX-License-Identifier: MIT
/* One that is not ours is never replaced: the kernel is told which program we expect to find. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include "hooks.h"

static const struct {
	enum xdp_mode mode;
	uint32_t flag;
} modes[] = {
	{ XDP_NATIVE, XDP_FLAGS_DRV_MODE },
	{ XDP_GENERIC, XDP_FLAGS_SKB_MODE },
};

static uint32_t id_in(uint32_t ifindex, uint32_t flag)
{
	uint32_t id = 0;

	return bpf_xdp_query_id((int)ifindex, (int)flag, &id) == 0 ? id : 0;
}

static bool is_ours(uint32_t id)
{
	struct bpf_prog_info info = { 0 };
	uint32_t length = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	if (fd < 0)
		return false;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0)
		info.name[0] = 0;
	(void)close(fd);
	return !strcmp(info.name, PROGRAM_XDP);
}

static uint32_t flag_of(enum xdp_mode mode)
{
	return modes[mode == XDP_NATIVE ? 0 : 1].flag;
}

/* How our program runs there; XDP_NONE where it does not. */
enum xdp_mode xdp_attached(uint32_t ifindex, uint32_t *id)
{
	size_t i;

	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		*id = id_in(ifindex, modes[i].flag);
		if (*id && is_ours(*id))
			return modes[i].mode;
	}
	*id = 0;
	return XDP_NONE;
}

static int foreign(const char *name, struct fault *fault)
{
	return fault_set(fault, -EBUSY, "xdp-foreign", "host",
			 "see: ip link show; or write forwarding: redirect",
			 "another tool's XDP program is on %s", name);
}

/* Return: 0, or -errno with @fault set where there is one that is not ours, in any mode */
int xdp_require_free(const char *name, uint32_t ifindex, struct fault *fault)
{
	const uint32_t flags[] = { XDP_FLAGS_DRV_MODE, XDP_FLAGS_SKB_MODE, XDP_FLAGS_HW_MODE };
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		const uint32_t id = id_in(ifindex, flags[i]);

		if (id && !is_ours(id))
			return foreign(name, fault);
	}
	return 0;
}

static int replace(const char *name, uint32_t ifindex, int program, enum xdp_mode mode,
		   uint32_t id, struct fault *fault)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts, .old_prog_fd = bpf_prog_get_fd_by_id(id));
	int err = opts.old_prog_fd;

	if (err >= 0)
		err = bpf_xdp_attach((int)ifindex, program, flag_of(mode), &opts);
	if (opts.old_prog_fd >= 0)
		(void)close(opts.old_prog_fd);
	if (err == -EEXIST)
		return foreign(name, fault);
	return err ? fault_call(fault, err, "replacing the XDP program") : 0;
}

/* In one step where an older one of ours is; native if it can be. */
int xdp_attach(const char *name, uint32_t ifindex, int program, struct fault *fault)
{
	uint32_t id;
	enum xdp_mode mode = xdp_attached(ifindex, &id);
	int err = xdp_require_free(name, ifindex, fault);
	size_t i;

	if (err)
		return err;
	if (mode != XDP_NONE)
		return replace(name, ifindex, program, mode, id, fault);
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		err = bpf_xdp_attach((int)ifindex, program,
				     modes[i].flag | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
		if (!err)
			return 0;
		if (err == -EBUSY || err == -EEXIST)
			return foreign(name, fault);
	}
	/* Without support, or without room in its buffers, a driver refuses in its own words. */
	return fault_set(fault, err, "xdp-refused", "kernel", "write forwarding: redirect",
			 "%s takes no XDP program", name);
}

/* Takes our program off the device, if it is there. */
int xdp_detach(uint32_t ifindex, struct fault *fault)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	uint32_t id;
	const enum xdp_mode mode = xdp_attached(ifindex, &id);
	int err;

	if (mode == XDP_NONE)
		return 0;
	opts.old_prog_fd = bpf_prog_get_fd_by_id(id);
	if (opts.old_prog_fd < 0)
		return fault_call(fault, opts.old_prog_fd, "finding the XDP program");
	err = bpf_xdp_detach((int)ifindex, flag_of(mode), &opts);
	(void)close(opts.old_prog_fd);
	return err ? fault_call(fault, err, "taking the XDP program away") : 0;
}
