// SPDX-License-Identifier: MIT
#include "program_set.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hooks.h"

/* More than a verifier ever said of this program, by far; what is not written takes no memory. */
#define LOG_SIZE (16u << 20)
/* Elements written in one call. */
#define BATCH 4096u

static const struct {
	const char *name;
	uint32_t key_size;
	uint32_t value_size;
	uint32_t type;
} shared[] = {
#define X(map, key, value, kind) { #map, sizeof(key), sizeof(value), kind },
	SHARED_MAPS(X)
#undef X
};

const char *shared_name(enum shared_map map)
{
	return shared[map].name;
}

/**
 * shared_open() - The pinned map, unless an older version left it in another shape
 * @pins:	Where
 * @map:	Which
 * @entries:	How many it has room for
 *
 * Return: a descriptor, or -errno
 */
int shared_open(const struct pins *pins, enum shared_map map, uint32_t *entries)
{
	struct bpf_map_info info = { 0 };
	uint32_t length = sizeof(info);
	int fd = pins_open(pins, shared[map].name);

	if (fd < 0)
		return fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) == 0 && info.type == shared[map].type &&
	    info.key_size == shared[map].key_size && info.value_size == shared[map].value_size &&
	    (map != SHARED_counters || info.max_entries == COUNTERS)) {
		*entries = info.max_entries;
		return fd;
	}
	(void)close(fd);
	return -ESTALE;
}

/* The youngest helpers that the program calls. */
int require_features(struct fault *fault)
{
	static const struct {
		const char *name;
		enum bpf_func_id id;
		const char *kernel;
	} helpers[] = {
		{ "bpf_redirect_neigh", BPF_FUNC_redirect_neigh, "5.10" },
		{ "bpf_ktime_get_coarse_ns", BPF_FUNC_ktime_get_coarse_ns, "5.11" },
		{ "bpf_check_mtu", BPF_FUNC_check_mtu, "5.12" },
		{ "bpf_for_each_map_elem", BPF_FUNC_for_each_map_elem, "5.13" },
	};
	/* The probe tells neither a kernel without bpf(2) nor one that does not let us from one without the helper. */
	const int asked = bpf_prog_get_fd_by_id(0);
	size_t i;

	if (asked == -ENOSYS || asked == -EPERM)
		return fault_call(fault, asked, "bpf");
	for (i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
		int result = libbpf_probe_bpf_helper(BPF_PROG_TYPE_SCHED_CLS, helpers[i].id, NULL);

		if (result == -EPERM)
			return fault_call(fault, -EPERM, "bpf");
		if (result <= 0)
			return fault_set(fault, -EOPNOTSUPP, "kernel-too-old", "host",
					 FAULT_NFTABLES,
					 "the ebpf classifier needs kernel >= %s: no %s here",
					 helpers[i].kernel, helpers[i].name);
	}
	return 0;
}

/* Return: the map, or NULL with @fault set */
static struct bpf_map *map_of(const struct program_set *set, const char *name, struct fault *fault)
{
	struct bpf_map *map = bpf_object__find_map_by_name(set->object, name);

	if (!map)
		(void)fault_set(fault, -EINVAL, "bundle-malformed", "user",
				"send what `sidetrack apply` sends",
				"the bundle fills the map \"%s\", which its program has not", name);
	return map;
}

/* A map that is there already and of the size that is wanted goes on. */
static int keep_shared(struct program_set *set, const struct pins *pins,
		       const struct contents *contents, struct fault *fault)
{
	int map;

	for (map = 0; map < SHARED_COUNT; map++) {
		const bool is_flows = map == SHARED_flows_v4 || map == SHARED_flows_v6;
		struct bpf_map *found = map_of(set, shared[map].name, fault);
		uint32_t entries;
		int fd;
		int err;

		if (!found)
			return -EINVAL;
		set->is_made[map] = true;
		err = is_flows ? bpf_map__set_max_entries(found, contents->settings->flow_table_size)
			       : 0;
		if (err)
			return fault_call(fault, err, "sizing the flow table");
		/* In a flow table of another size not every flow may find room: its clients are counted anew. */
		if (map == SHARED_clients &&
		    (set->is_made[SHARED_flows_v4] || set->is_made[SHARED_flows_v6]))
			continue;
		fd = shared_open(pins, map, &entries);
		if (fd >= 0 && (!is_flows || entries == contents->settings->flow_table_size)) {
			err = bpf_map__reuse_fd(found, fd);
			set->is_made[map] = false;
		}
		if (fd >= 0)
			(void)close(fd);
		if (err)
			return fault_call(fault, err, "taking over a map");
	}
	return 0;
}

static int set_size(const struct program_set *set, const char *name, uint32_t entries,
		    struct fault *fault)
{
	struct bpf_map *map = map_of(set, name, fault);
	int err = map ? bpf_map__set_max_entries(map, entries ? entries : 1) : -EINVAL;

	return err ? fault_call(fault, err, "sizing a map") : 0;
}

static int set_sizes(const struct program_set *set, const struct contents *contents,
		     struct fault *fault)
{
	uint32_t i;
	int err = set_size(set, "macs", contents->settings->macs, fault);

	if (!err)
		err = set_size(set, "rule_counters", contents->settings->rules + 1, fault);
	for (i = 0; !err && i < contents->table_count; i++) {
		const struct bundle_section *section = contents->tables[i].section;
		const struct bpf_map *map = map_of(set, section->map, fault);

		if (!map)
			return -EINVAL;
		if (bpf_map__value_size(map) != section->value_size ||
		    (section->kind == BUNDLE_HASH && bpf_map__key_size(map) != section->key_size))
			return fault_set(fault, -EINVAL, "bundle-malformed", "user",
					 "send what `sidetrack apply` sends",
					 "the bundle's \"%s\" is of another shape than its program's",
					 section->map);
		if (section->kind == BUNDLE_ARRAY)
			err = set_size(set, section->map, section->count, fault);
	}
	return err;
}

static int choose_programs(const struct program_set *set, const struct contents *contents,
			   struct fault *fault)
{
	static const char *const names[] = { PROGRAM_TC, PROGRAM_HEAR, PROGRAM_XDP };
	const bool wanted[] = { true, contents->listening_count > 0, contents->settings->xdp != 0 };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct bpf_program *program =
			bpf_object__find_program_by_name(set->object, names[i]);

		if (!program)
			return fault_set(fault, -EINVAL, "bundle-malformed", "user",
					 "send what `sidetrack apply` sends",
					 "the bundle's object has no program \"%s\"", names[i]);
		(void)bpf_program__set_autoload(program, wanted[i]);
		if (i == 0)
			(void)bpf_program__set_log_buf(program, set->log, LOG_SIZE);
	}
	return 0;
}

/* The line of the verifier's log that says what is wrong: the last one but statistics. */
static const char *last_line(char *log)
{
	static const char *const closing[] = { "processed ", "verification time", "stack depth",
					       "mark_precise" };
	const char *last = NULL;
	char *rest = NULL;
	char *line;
	size_t i;

	for (line = strtok_r(log, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		bool is_closing = line[0] == 0;

		for (i = 0; i < sizeof(closing) / sizeof(closing[0]); i++)
			if (!strncmp(line, closing[i], strlen(closing[i])))
				is_closing = true;
		if (!is_closing)
			last = line;
	}
	return last;
}

static int load(const struct program_set *set, struct fault *fault)
{
	int err = bpf_object__load(set->object);
	const char *said;

	if (!err)
		return 0;
	set->log[LOG_SIZE - 1] = 0;
	said = last_line(set->log);
	if ((err == -EPERM && !said) || err == -ENOMEM || err == -ENOSYS)
		return fault_call(fault, err, "loading the classifier");
	return fault_set(fault, err, "load-refused", "kernel",
			 "please report it with the kernel's version; " FAULT_NFTABLES " meanwhile",
			 "the kernel refuses the classifier: %s%s%.300s", strerror(-err),
			 said ? ": " : "", said ? said : "");
}

static int write_array(int fd, const struct table *table)
{
	const struct bundle_section *section = table->section;
	uint32_t keys[BATCH];
	uint32_t done;
	uint32_t i;
	int err = 0;

	for (done = 0; !err && done < section->count; done += BATCH) {
		uint32_t count = section->count - done < BATCH ? section->count - done : BATCH;

		for (i = 0; i < count; i++)
			keys[i] = done + i;
		err = bpf_map_update_batch(fd, keys,
					   table->data + (size_t)done * section->value_size,
					   &count, NULL);
	}
	return err;
}

static int write_hash(int fd, const struct table *table)
{
	const struct bundle_section *section = table->section;
	const size_t entry = section->key_size + section->value_size;
	uint32_t i;
	int err = 0;

	for (i = 0; !err && i < section->count; i++)
		err = bpf_map_update_elem(fd, table->data + i * entry,
					  table->data + i * entry + section->key_size, BPF_ANY);
	return err;
}

static int write_tables(const struct program_set *set, const struct contents *contents,
			struct fault *fault)
{
	uint32_t i;

	for (i = 0; i < contents->table_count; i++) {
		const struct table *table = &contents->tables[i];
		const int fd = program_set_map(set, table->section->map);
		const int err = table->section->kind == BUNDLE_ARRAY ? write_array(fd, table)
								     : write_hash(fd, table);

		if (err)
			return fault_call(fault, err, table->section->map);
	}
	return 0;
}

/**
 * program_set_load() - Load a program set and write its tables
 * @set:	The program set; not attached anywhere yet, to be freed in any case
 * @pins:	Where maps may be that go on
 * @contents:	What it is made from
 * @fault:	What went wrong
 *
 * Return: 0 or -errno
 */
int program_set_load(struct program_set *set, const struct pins *pins,
		     const struct contents *contents, struct fault *fault)
{
	struct bpf_map *constants;
	int err;

	*set = (struct program_set){ .log = calloc(1, LOG_SIZE) };
	if (!set->log)
		return fault_call(fault, -ENOMEM, "loading the classifier");
	set->object = bpf_object__open_mem(contents->object, contents->object_length, NULL);
	if (!set->object)
		return fault_set(fault, -EINVAL, "bundle-malformed", "user",
				 "send what `sidetrack apply` sends",
				 "the bundle's object is none of eBPF for this machine");
	err = choose_programs(set, contents, fault);
	if (err)
		return err;
	constants = map_of(set, ".rodata.config", fault);
	if (!constants)
		return -EINVAL;
	err = bpf_map__set_initial_value(constants, &contents->config, sizeof(contents->config));
	if (err)
		return fault_call(fault, err, "setting the constants");
	err = keep_shared(set, pins, contents, fault);
	if (!err)
		err = set_sizes(set, contents, fault);
	if (!err)
		err = load(set, fault);
	if (!err)
		err = write_tables(set, contents, fault);
	return err;
}

int program_set_map(const struct program_set *set, const char *name)
{
	return bpf_object__find_map_fd_by_name(set->object, name);
}

int program_set_program(const struct program_set *set, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(set->object, name);

	return program ? bpf_program__fd(program) : -ENOENT;
}

/* Everything that is not attached, pinned or reused elsewhere goes away. */
void program_set_free(struct program_set *set)
{
	bpf_object__close(set->object);
	free(set->log);
	*set = (struct program_set){ 0 };
}
