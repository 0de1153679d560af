// SPDX-License-Identifier: MIT
/* Filters are found by a handle and priority of our own; those of others are never touched. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "hooks.h"
#include "netlink.h"

#define HANDLE 0x51de
#define PRIORITY 1500

static int info_of(int fd, struct bpf_prog_info *info)
{
	uint32_t length = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return bpf_obj_get_info_by_fd(fd, info, &length);
}

/* Return: 0 or -errno */
int program_id(int fd, uint32_t *id)
{
	struct bpf_prog_info info;
	int err = info_of(fd, &info);

	*id = info.id;
	return err;
}

static bool is_named(uint32_t id, const char *const *names)
{
	struct bpf_prog_info info = { 0 };
	int fd = bpf_prog_get_fd_by_id(id);
	size_t i;

	if (fd < 0)
		return false;
	if (info_of(fd, &info) != 0)
		info.name[0] = 0;
	(void)close(fd);
	for (i = 0; names[i]; i++)
		if (!strncmp(info.name, names[i], sizeof(info.name) - 1))
			return true;
	return false;
}

/* Return: id of the program at our handle and priority; 0 for none */
uint32_t tc_attached(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);

	return bpf_tc_query(&hook, &opts) == 0 ? opts.prog_id : 0;
}

bool tc_is_ours(uint32_t ifindex)
{
	static const char *const names[] = { PROGRAM_TC, PROGRAM_HEAR, NULL };
	const uint32_t id = tc_attached(ifindex);

	return id && is_named(id, names);
}

static int foreign(const char *name, struct fault *fault)
{
	return fault_set(fault, -EBUSY, "tc-filter-foreign", "host",
			 "see: tc filter show ingress; or " FAULT_NFTABLES,
			 "another tool's filter is on %s at priority %d, which is ours", name,
			 PRIORITY);
}

/* Return: 0, or -errno with @fault set where another's filter is in our place */
int tc_require_free(const char *name, uint32_t ifindex, struct fault *fault)
{
	struct filters filters;
	int err;

	if (tc_attached(ifindex) && !tc_is_ours(ifindex))
		return foreign(name, fault);
	err = filters_read(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), PRIORITY, &filters);
	if (err)
		return fault_call(fault, err, "listing filters");
	return filters.is_taken ? foreign(name, fault) : 0;
}

static int no_clsact(int error, struct fault *fault)
{
	if (error == -ENOENT || error == -EOPNOTSUPP)
		return fault_set(fault, error, "no-clsact", "kernel",
				 "install them (OpenWrt: opkg install kmod-sched-core kmod-sched-bpf); or " FAULT_NFTABLES,
				 "this kernel has no clsact or no filters of eBPF (sch_ingress, cls_bpf)");
	return fault_call(fault, error, "making a clsact qdisc");
}

/**
 * tc_require_qdisc() - See whether this kernel has clsact at all
 * @fault:	What it has not
 *
 * Nothing but making one shows it; on lo, where packets of nobody's are judged, and away again.
 *
 * Return: 0 or -errno
 */
int tc_require_qdisc(struct fault *fault)
{
	const uint32_t lo = if_nametoindex("lo");
	bool was_made;
	int err;

	if (lo == 0)
		return 0;
	err = tc_ensure_qdisc(lo, &was_made, fault);
	if (!err && was_made)
		tc_remove_unused_qdisc(lo);
	return err;
}

int tc_ensure_qdisc(uint32_t ifindex, bool *was_made, struct fault *fault)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	int err = bpf_tc_hook_create(&hook);

	*was_made = err == 0;
	return err && err != -EEXIST ? no_clsact(err, fault) : 0;
}

/* In one step where one of ours is already. */
int tc_attach(const char *name, uint32_t ifindex, int program, struct fault *fault)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program, .flags = BPF_TC_F_REPLACE,
		    .handle = HANDLE, .priority = PRIORITY);
	int err;

	if (tc_attached(ifindex) && !tc_is_ours(ifindex))
		return foreign(name, fault);
	err = bpf_tc_attach(&hook, &opts);
	/* A filter of another kind at our priority: flower, u32, ... */
	if (err == -EINVAL || err == -EEXIST)
		return foreign(name, fault);
	return err ? no_clsact(err, fault) : 0;
}

/* Takes our filter away, if it is there. */
int tc_detach(uint32_t ifindex, struct fault *fault)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HANDLE, .priority = PRIORITY);
	int err;

	if (!tc_is_ours(ifindex))
		return 0;
	err = bpf_tc_detach(&hook, &opts);
	return err ? fault_call(fault, err, "taking the filter away") : 0;
}

/* Takes the clsact qdisc away unless it has filters; without an answer it stays, and does no harm. */
void tc_remove_unused_qdisc(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct filters in;
	struct filters out;

	if (filters_read(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), PRIORITY, &in) == 0 &&
	    filters_read(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), PRIORITY, &out) == 0 &&
	    in.count == 0 && out.count == 0)
		(void)bpf_tc_hook_destroy(&hook);
}
